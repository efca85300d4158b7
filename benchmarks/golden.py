"""Checks the networks and their exported graphs against golden numbers.

`python -m vosrt.benchmarks.golden FILE…` reads layout, sizes, salt and options from each `.npz` file,
computes every stored stage again through PyTorch and through an exported bundle on ONNX Runtime, and prints
the worst deviation per stage and implementation. Exit status 1 when one is over its limit.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vosrt.benchmarks.golden_file import GoldenSequence, NetworkKey, read_golden
from vosrt.benchmarks.golden_matching import compare_matching_case
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.benchmarks.golden_sequence import SequenceRun
from vosrt.bundle import Bundle
from vosrt.errors import Error
from vosrt.executor import Executor
from vosrt.export.bundle_writer import ExportSettings, trace_network, write_bundle
from vosrt.export.torch_executor import TorchExecutor
from vosrt.manifest import Checkpoint
from vosrt.models import build_network, load_stand_in_weights
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.golden", description=__doc__.split("\n")[0]
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="golden .npz files")
    arguments = parser.parse_args(argv)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    started = time.perf_counter()
    record = GoldenRecord()
    try:
        check_files(arguments.files, record)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(record.lines()))
    failures = record.failures()
    for failure in failures:
        print(f"over its limit: {failure}")
    print(summary(record, len(arguments.files), time.perf_counter() - started))
    return 1 if failures else 0


def check_files(paths: Sequence[str], record: GoldenRecord) -> None:
    """Compare every file; one export per network and options serves all files and salts of that network.

    Raises:
        InputError: a file is not a golden file.
    """
    by_network: dict[NetworkKey, list[GoldenSequence]] = defaultdict(list)
    for path in paths:
        content = read_golden(path)
        if isinstance(content, GoldenSequence):
            by_network[content.network].append(content)
            continue
        for case in content:
            compare_matching_case(case, record)
        print(f"{Path(path).stem}: {len(content)} matching cases", flush=True)
    for key, sequences in by_network.items():
        check_network(key, sequences, record)


def check_network(key: NetworkKey, sequences: Sequence[GoldenSequence], record: GoldenRecord) -> None:
    """Compare all sequences of one network: traced once, weights exchanged for every salt."""
    network = build_network(
        key.model, key.backbone, global_atrous=key.global_atrous, minimum_pixels=key.minimum_pixels
    )
    settings = ExportSettings(taps=True)
    traced = trace_network(network, settings)
    for salt in sorted({sequence.salt for sequence in sequences}):
        load_stand_in_weights(network, salt)
        with tempfile.TemporaryDirectory() as folder:
            source = Checkpoint(f"stand-in weights, salt {salt}", "0" * 64, True)
            manifest = write_bundle(network, traced, source, Path(folder), settings)
            executors: dict[str, Executor] = {
                "torch": TorchExecutor(network, with_taps=True),
                "onnxruntime": OnnxRuntimeExecutor(Bundle.open(folder)),
            }
            for sequence in (sequence for sequence in sequences if sequence.salt == salt):
                for name, executor in executors.items():
                    SequenceRun(sequence, manifest, executor, name).compare(record)
                print(f"{sequence.name}: {len(sequence.frames)} frames", flush=True)


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
