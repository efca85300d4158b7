"""Checks networks, their exported graphs, and the accuracy measures J and F against golden numbers.

`python -m vosrt.benchmarks.golden FILE…` reads layout, sizes, salt and options from each `.npz` file,
computes every stored stage again through PyTorch and through an exported bundle on ONNX Runtime, and prints
the worst deviation per stage and implementation. A `.json` file holds values of J and F, with their masks in
an `.npz` file beside it; these need no torch. Exit status 1 when a deviation is over its limit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from vosrt.benchmarks.golden_jf import check_metric_file
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.benchmarks.required_packages import require_packages
from vosrt.errors import Error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.golden", description=__doc__.split("\n")[0]
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="golden .npz or .json files")
    arguments = parser.parse_args(argv)
    started = time.perf_counter()
    record = GoldenRecord()
    try:
        check(arguments.files, record)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(record.lines()))
    failures = record.failures()
    for failure in failures:
        print(f"over its limit: {failure}")
    print(summary(record, len(arguments.files), time.perf_counter() - started))
    return 1 if failures else 0


def check(files: Sequence[str], record: GoldenRecord) -> None:
    """Compare every file, by its kind.

    Raises:
        Error: a file cannot be compared, or what it takes is not installed.
    """
    of_metric = [file for file in files if Path(file).suffix == ".json"]
    of_networks = [file for file in files if file not in of_metric]
    if of_networks:
        require_packages("comparing golden numbers of networks")
    for file in of_metric:
        check_metric_file(file, record)
    if of_networks:
        from vosrt.benchmarks.golden_check import check_files

        check_files(of_networks, record)


def summary(record: GoldenRecord, files: int, seconds: float) -> str:
    """One line: what was compared and the worst of it relative to its limit."""
    parts = []
    for implementation in sorted({name for _, name in record.stages}):
        stages = {stage: r for (stage, name), r in record.stages.items() if name == implementation}
        stage, worst = max(stages.items(), key=lambda item: item[1].worst / item[1].limit)
        parts.append(f"{implementation} worst {stage} {worst.worst:.2e} of {worst.limit:.0e}")
    tensors = sum(stage.count for stage in record.stages.values())
    verdict = "over a limit" if record.failures() else "all within limits"
    return f"golden: {files} files, {tensors} tensors, {'; '.join(parts)}: {verdict} ({seconds:.0f} s)"


if __name__ == "__main__":
    sys.exit(main())
