"""`vosrt bench`: speed, memory and labels of bundles, beside PyTorch in the same run.

Every candidate (bundle, executor, precision, number of objects) runs in a process of its own, and they take
turns, so that a slow moment of the machine hits all of them. Timed is `Stream.step`, from a frame in memory
to its label map, and on a GPU until what is remembered of the frame is computed, too; reading and writing
video are not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vosrt.benchmarks.bench_compare import TOLERANCE, compare_files, table
from vosrt.benchmarks.bench_plan import BenchPlan
from vosrt.benchmarks.bench_plots import write_plots
from vosrt.benchmarks.bench_profiles import PROFILES, apply_profile
from vosrt.benchmarks.bench_report import report
from vosrt.benchmarks.bench_run import BenchRun
from vosrt.benchmarks.candidate import EXECUTORS, ONNXRUNTIME, Candidate
from vosrt.benchmarks.environment import environment, summary
from vosrt.benchmarks.measurement import Measurement, baselines
from vosrt.benchmarks.measurement_table import print_table, stage_lines
from vosrt.benchmarks.option_values import (
    frame_size,
    names_of,
    share_of_percent,
    whole_number,
    whole_numbers,
)
from vosrt.benchmarks.report_file import check_report, write_report
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import print_terms
from vosrt.errors import Error, InputError
from vosrt.executor import MOST_THREADS
from vosrt.exit_status import exit_status, unwinding_when_told_to_end
from vosrt.optional_import import import_for
from vosrt.resize_rule import LARGEST_SIDE
from vosrt.shipped_bundles import DEFAULT
from vosrt.variant import SMALLEST_LONG_EDGE

_PROGRESS_INTERVAL = 2.0  # seconds between lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        the exit status: 0; 1 where something got slower or, with `--keep-going`, could not run; 2 for a
        mistake of the user's; 130 after Ctrl-C.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    arguments.reasons = ()
    if arguments.profile is not None:
        reasons = apply_profile(parser, arguments.profile)
        arguments = parser.parse_args(argv)
        arguments.reasons = reasons
    with unwinding_when_told_to_end():  # so that no measured process is left
        return exit_status(partial(run, arguments), interrupted="nothing was written")


def run(arguments: argparse.Namespace) -> int:
    """Compare as the parsed command line says.

    Raises:
        Error: with what is wrong and how to mend it.
    """
    if arguments.compare is not None:
        return _compare(arguments)
    arguments.bundles = arguments.bundles or [DEFAULT]
    for option in ("json", "markdown"):
        if getattr(arguments, option) is not None:
            check_report(f"--{option}", getattr(arguments, option))
    if arguments.plots is not None:
        import_for("drawing plots of a benchmark", "matplotlib")
    plan = BenchPlan.of(arguments)
    print_terms(arguments.bundles)
    facts = environment(plan.threads)
    if plan.tensorrt_python:
        facts["tensorrt_python"] = plan.tensorrt_python
    print(f"{plan.summary()}\n{summary(facts)}", flush=True)
    run = BenchRun(
        plan.candidates, plan.clips, plan.turns, _Progress(), arguments.end_to_end, arguments.keep_going
    )
    measurements = run.run()
    print_table(measurements)
    failed = [f"{candidate.name} could not run: {error}" for candidate, error in run.failures.items()]
    remarks = [*plan.remarks(measurements), *arguments.reasons]
    print("\n".join([*stage_lines(measurements), *remarks]))
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    _write_outputs(arguments, document(plan, measurements, facts, run.failures), [*remarks, *failed])
    return 1 if failed else 0


def _compare(arguments: argparse.Namespace) -> int:
    """Judge a change; returns 1 when something got slower or larger."""
    if arguments.bundles:
        raise InputError(
            "--compare measures nothing", value=", ".join(arguments.bundles), cure="give no bundle"
        )
    comparisons, remarks = compare_files(arguments.compare, tolerance=arguments.tolerance)
    print("\n".join([table(comparisons), *remarks]))
    return 1 if any(one.is_slower or one.is_larger for one in comparisons) else 0


def _write_outputs(arguments: argparse.Namespace, found: dict[str, Any], remarks: Sequence[str]) -> None:
    if arguments.json is not None:
        write_report("--json", arguments.json, json.dumps(found, indent=1, allow_nan=False) + "\n")
    drawn = arguments.plots is not None and found["runs"]
    plots = write_plots(arguments.plots, found["runs"]) if drawn else []
    if arguments.markdown is not None:
        folder = os.path.relpath(arguments.plots, arguments.markdown.parent) if plots else ""
        shown = [str(Path(folder) / name) for name in plots]
        write_report("--markdown", arguments.markdown, report(found, remarks, shown))


def document(
    plan: BenchPlan,
    measurements: Sequence[Measurement],
    facts: dict[str, Any],
    failures: Mapping[Candidate, Error] | None = None,
) -> dict[str, Any]:
    """What `--json` writes; "failed" is there when something has.

    Args:
        plan: what was asked for.
        measurements: of the candidates that could run.
        facts: about the machine.
        failures: why others could not run.
    """
    base = baselines(measurements)
    runs = [
        one.to_json(base[one.candidate.scene], size=plan.size, warm_up=plan.turns.warm_up)
        for one in measurements
    ]
    said = {name: value for one in measurements for name, value in one.startup.facts.items()}
    failed = [
        {
            "bundle": candidate.title,
            "executor": candidate.executor,
            "device": candidate.device,
            "precision": candidate.precision,
            "input_size": list(candidate.input_size),
            "objects": candidate.objects,
            "error": str(error),
        }
        for candidate, error in (failures or {}).items()
    ]
    return {"runs": runs, "environment": facts | said} | ({"failed": failed} if failed else {})


class _Progress:
    """Now and then a line on standard error."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_INTERVAL
            print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "bundles", nargs="*", metavar="BUNDLE", help=f"folders that `vosrt export` wrote ({DEFAULT})"
    )
    parser.add_argument(
        "--profile",
        choices=tuple(PROFILES),
        help="settings that make sense on a kind of machine; options that are given go before",
    )
    _add_frames(parser.add_argument_group("frames (generated ones unless --source is given)"))
    _add_candidates(parser.add_argument_group("candidates"))
    _add_outputs(parser.add_argument_group("outputs"))
    comparison = parser.add_argument_group("comparing runs")
    comparison.add_argument(
        "--compare",
        nargs="+",
        type=option_readers.path,
        metavar=("OLD.json NEW.json", "OLD.json NEW.json"),
        help="measure nothing, and end with status 1 when NEW is slower or takes more memory; several pairs"
        " of runs, measured in turns, tell more on an uneven machine",
    )
    comparison.add_argument(
        "--tolerance",
        type=share_of_percent,
        default=TOLERANCE,
        metavar="PERCENT",
        help=f"by which a frame may take longer ({100 * TOLERANCE:g})",
    )
    return parser


def _add_outputs(group: Any) -> None:
    group.add_argument(
        "--json", type=option_readers.path, metavar="FILE", help="every figure, for machines and --compare"
    )
    group.add_argument("--markdown", type=option_readers.path, metavar="FILE", help="the same for people")
    group.add_argument(
        "--plots", type=option_readers.path, metavar="DIR", help="pictures (needs the extra plots)"
    )


def _add_frames(clip: Any) -> None:
    clip.add_argument("--size", type=frame_size, metavar="HxW", help="of generated frames (480x854)")
    clip.add_argument("--source", metavar="PATH", help="video file or folder of images")
    clip.add_argument("--mask", metavar="PNG", help="mask of the source's first frame")
    clip.add_argument(
        "--objects", type=whole_numbers(1, 254), metavar="N[,N]", help="how many, in turn (1; all of --mask)"
    )
    clip.add_argument(
        "--frames", type=whole_number(1, 100_000), default=20, metavar="F", help="timed frames (20)"
    )
    clip.add_argument(
        "--warm-up", type=whole_number(0, 1000), default=2, metavar="N", help="frames before them (2)"
    )
    clip.add_argument(
        "--until",
        type=share_of_percent,
        metavar="PERCENT",
        help="end early, as soon as every median is known so well (95 %% confidence)",
    )
    clip.add_argument(
        "--end-to-end",
        type=whole_number(0, 100_000),
        default=0,
        metavar="N",
        help="also run over a video of so many frames with decoding and encoding, and as a camera (0)",
    )
    clip.add_argument(
        "--rounds",
        type=whole_number(1, 100_000),
        default=10,
        metavar="N",
        help="turns of each candidate (10)",
    )


def _add_candidates(candidates: Any) -> None:
    candidates.add_argument(
        "--executors",
        type=names_of(EXECUTORS),
        default=(ONNXRUNTIME,),
        metavar="LIST",
        help="tensorrt, onnxruntime, torch-compiled, torch (with this project's operators), torch-published "
        "(as published); the last of these that is given is the baseline (onnxruntime)",
    )
    candidates.add_argument(
        "--tensorrt-python",
        default=sys.executable,
        metavar="PYTHON",
        help="runs tensorrt where this one has none, in turns with the others; needs vosrt, too (this one)",
    )
    candidates.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="of all candidates (cpu)"
    )
    candidates.add_argument(
        "--precision",
        type=lambda text: tuple(dict.fromkeys(text.split(","))),
        default=(),
        metavar="LIST",
        help="of the bundles' graphs; fastest for what is on this machine (the first there is)",
    )
    candidates.add_argument(
        "--long-edge",
        type=whole_numbers(SMALLEST_LONG_EDGE, LARGEST_SIDE),
        default=(None,),
        metavar="PIXELS[,PIXELS]",
        help="most of the long edge of the networks' input, in turn (the bundles' own limits)",
    )
    candidates.add_argument(
        "--threads", type=whole_number(1, MOST_THREADS), metavar="N", help="of every executor (one per core)"
    )
    candidates.add_argument(
        "--keep-going",
        action="store_true",
        help="measure the others when one cannot run, and end with status 1; the results say why it cannot",
    )
    candidates.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="weights of a bundle, for PyTorch; its hash must be the bundle's; may be repeated",
    )


if __name__ == "__main__":
    sys.exit(main())
