"""`vosrt batch`: many videos."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vosrt.batch.job import OUTPUTS
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, add_bundles, bundle_settings, print_terms
from vosrt.commands.camera_options import (
    add_adjustments,
    add_finder,
    add_hardware_decode,
    adjustment_of,
    finder_files_of,
)
from vosrt.counted import counted
from vosrt.usable_cores import usable_cores

if TYPE_CHECKING:
    from vosrt.batch.batch_run import BatchReport
    from vosrt.batch.job import BatchJob
    from vosrt.batch.pool import Pool
    from vosrt.batch.record import BatchRecord
    from vosrt.batch.worker import WorkerSetup

EXIT_FAILURES = 1
_ANY_HARDWARE = ("device", "executor", "require", "threads", "memory_limit", "engines")  # not of results


def add_batch_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "batch",
        help="segment many videos, on one machine or a cluster",
        description="Segment many videos. What is done is recorded, and never done again unless it changed.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_run(
        actions.add_parser(
            "run",
            help="do what is missing or has changed",
            description="Do the videos of a batch that are missing, have failed or have changed.",
        )
    )
    status = actions.add_parser(
        "status", help="say how far a batch is", description="Say how far a batch is, and what failed."
    )
    status.set_defaults(run=run_status)
    folder = "the --output of `vosrt batch run`"
    status.add_argument("output", type=option_readers.address, metavar="FOLDER", help=folder)
    status.add_argument("--json", action="store_true", help="print it as JSON")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_batch)
    add_bundles(parser)
    _add_videos(parser.add_argument_group("videos; addresses may be s3://, gs://, http:// and others"))
    group = parser.add_argument_group("frames; masks and boxes are of frames that are adjusted")
    add_adjustments(group)
    add_hardware_decode(group)
    group.add_argument("--frames", type=option_readers.positive, metavar="N", help="stop each after so many")
    _add_workers(parser.add_argument_group("workers"))
    add_bundle_settings(parser.add_argument_group("settings"))


def _add_videos(group: Any) -> None:
    group.add_argument(
        "--videos",
        required=True,
        nargs="+",
        metavar="ADDRESS",
        help="files, folders of images, folders of either, quoted patterns, lists (.txt), manifests (.jsonl)",
    )
    group.add_argument(
        "--masks",
        type=option_readers.address,
        metavar="ADDRESS",
        help="folder with NAME.png or NAME/ for each video, or an address that holds {name}",
    )
    group.add_argument(
        "--output",
        required=True,
        type=option_readers.address,
        metavar="FOLDER",
        help="for results and records",
    )
    group.add_argument(
        "--outputs",
        type=_outputs,
        default=("masks",),
        metavar="LIST",
        help=f"of {', '.join(OUTPUTS)}, by commas (masks)",
    )
    group.add_argument(
        "--split", action="store_true", help="every mask of a folder starts anew: share out the parts between"
    )
    add_finder(group)
    group.add_argument("--limit", type=option_readers.positive, metavar="N", help="do at most so many")
    group.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="do every N-th video from the I-th on"
    )
    group.add_argument("--dry-run", action="store_true", help="list what would be done")
    group.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")


def _add_workers(group: Any) -> None:
    group.add_argument(
        "--workers", type=option_readers.positive, metavar="N", help="processes (one per GPU, else one)"
    )
    group.add_argument(
        "--retry",
        type=option_readers.count,
        default=1,
        metavar="N",
        help="try a video that failed so often again (1)",
    )
    group.add_argument(
        "--ray", metavar="ADDRESS", help="use a Ray cluster: auto, host:port or ray://host:port"
    )
    group.add_argument(
        "--cpus", type=option_readers.positive, metavar="N", help="with --ray: processors per worker (1)"
    )
    group.add_argument(
        "--gpus", type=_share, metavar="SHARE", help="with --ray: GPUs per worker, such as 1 or 0.5"
    )


def run_batch(arguments: argparse.Namespace) -> int:
    """Run `vosrt batch run`; returns the exit status."""
    from vosrt.batch.batch_display import BatchDisplay
    from vosrt.batch.batch_folder import BatchFolder
    from vosrt.batch.batch_run import BatchRun, Shard
    from vosrt.batch.job_list import JobDefaults, find_jobs

    print_terms(arguments.bundle)
    defaults = JobDefaults(arguments.masks, arguments.outputs, arguments.frames, arguments.split)
    jobs = find_jobs(arguments.videos, defaults)
    setup = _setup(arguments)
    run = BatchRun(BatchFolder.open(setup.output), setup, BatchDisplay(is_shown=not arguments.json))
    todo = run.plan(jobs, shard=Shard(*arguments.shard), limit=arguments.limit)
    if arguments.dry_run:
        return _print_plan(todo, as_json=arguments.json)
    report = run.run(todo, _pool_opener(arguments, setup, todo), retries=arguments.retry)
    return _print_report(report, as_json=arguments.json)


def run_status(arguments: argparse.Namespace) -> int:
    """Run `vosrt batch status`; returns the exit status."""
    from vosrt.batch.batch_folder import BatchFolder
    from vosrt.batch.batch_status import BatchStatus

    status = BatchStatus.of(BatchFolder.open(arguments.output))
    if arguments.json:
        print(json.dumps(status.to_json()))
        return 0
    print("\n".join(status.lines()))
    if status.failed:
        _print_table(status.failed)
    return 0


def _setup(arguments: argparse.Namespace) -> WorkerSetup:
    """What every worker is told."""
    from vosrt.batch.address import is_remote
    from vosrt.batch.worker import WorkerSetup
    from vosrt.bundle import Bundle
    from vosrt.snapshot import bundle_digest

    bundles = [Bundle.open(name) for name in arguments.bundle]
    settings = bundle_settings(arguments)
    adjustment = adjustment_of(arguments)
    finder = finder_files_of(arguments)
    needs = {
        "bundles": [[bundle.manifest.name, bundle_digest(bundle.manifest)] for bundle in bundles],
        "settings": {name: value for name, value in settings.items() if name not in _ANY_HARDWARE},
        "adjustment": None if adjustment.is_none else repr(adjustment),
    }
    return WorkerSetup(
        output=arguments.output if is_remote(arguments.output) else os.path.abspath(arguments.output),
        bundles=[str(bundle.folder.absolute()) for bundle in bundles],
        settings=settings,
        finder=finder,
        adjustment=adjustment,
        hardware_decode=arguments.hardware_decode,
        needs=json.loads(json.dumps(needs)),  # as it comes back from a record
        finder_facts=finder.facts(),
    )


def _pool_opener(
    arguments: argparse.Namespace, setup: WorkerSetup, jobs: Sequence[BatchJob]
) -> Callable[[], Pool]:
    """What starts workers: no more than there are videos, where those are not shared out."""
    most = sys.maxsize if any(job.split for job in jobs) else max(1, len(jobs))
    if arguments.ray is not None:
        return lambda: _open_cluster(arguments, setup, most)
    return lambda: _open_processes(arguments, setup, most)


def _open_processes(arguments: argparse.Namespace, setup: WorkerSetup, most: int) -> Pool:
    from vosrt.batch.gpus import visible_gpus
    from vosrt.batch.local_pool import LocalPool

    gpus = visible_gpus() if arguments.device != "cpu" else []
    count = min(arguments.workers or max(1, len(gpus)), most)
    if arguments.threads is None and not gpus and count > 1:
        threads = max(1, usable_cores() // count)
        setup = replace(setup, settings={**setup.settings, "threads": threads})
    setups = [setup] * count
    if len(gpus) > 1:
        setups = [
            replace(setup, environment={"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]})
            for number in range(count)
        ]
    return LocalPool(setups)


def _open_cluster(arguments: argparse.Namespace, setup: WorkerSetup, most: int) -> Pool:
    from vosrt.batch.ray_pool import RayPool, connect

    resources = connect(arguments.ray)
    cpus = arguments.cpus or 1
    gpus = arguments.gpus
    if gpus is None:
        gpus = 1.0 if resources.get("GPU") and arguments.device != "cpu" else 0.0
    room = resources.get("GPU", 0) // gpus if gpus else resources.get("CPU", 1) // cpus
    count = min(arguments.workers or max(1, int(room)), most)
    if arguments.threads is None and not gpus:
        setup = replace(setup, settings={**setup.settings, "threads": cpus})
    return RayPool([setup] * count, cpus=cpus, gpus=gpus)


def _print_plan(jobs: Sequence[BatchJob], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"videos": [job.name for job in jobs]}))
    else:
        lines = [f"{job.name}  {job.video}" for job in jobs]
        print("\n".join([*lines, f"{counted(len(jobs), 'video')} to do"]))
    return 0


def _print_report(report: BatchReport, *, as_json: bool) -> int:
    if as_json:
        failed = {record.key: record.failures[-1].reason for record in report.failed}
        print(
            json.dumps(
                {"done": report.done, "failed": failed, "current": report.current, "left": report.left}
            )
        )
    else:
        if report.records:
            _print_table(list(report.records.values()))
        left = f", {report.left} left for another run" if report.left else ""
        print(f"{report.done} done, {len(report.failed)} failed, {report.current} had their results{left}")
    return EXIT_FAILURES if report.failed else 0


def _print_table(records: Sequence[BatchRecord]) -> None:
    from rich.console import Console

    from vosrt.batch.batch_status import result_table

    Console(width=None if sys.stdout.isatty() else 160).print(result_table(records), markup=False)


def _outputs(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(",")))
    if not set(kinds) <= set(OUTPUTS):
        raise argparse.ArgumentTypeError(f"{text!r} are no outputs; give some of {','.join(OUTPUTS)}")
    return kinds


def _shard(text: str) -> tuple[int, int]:
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) < 10**6):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; give I/N, such as 1/4 to 4/4")
    return int(number), int(count)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 64 or (share > 1 and share != int(share)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give 1, 2, … or a part of one, such as 0.5")
    return share
