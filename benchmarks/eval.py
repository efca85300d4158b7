"""`vosrt eval`: accuracy of bundles, or of results in files, by the measures of DAVIS.

Every clip streams frame by frame through `Stream.step`, which sees no frame and no truth ahead of time. J, F
and J&F are DAVIS' own: means over all objects, without the first and the last frame. OUTPUT gets the label
maps of every clip in masks/, a plot in scores.png, the three worst results as pictures in worst.png, and
what is needed to go on: the same command runs only the clips that are not finished.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.davis import YEARS
from vosrt.benchmarks.datasets.open_dataset import KINDS
from vosrt.benchmarks.environment import environment
from vosrt.benchmarks.environment import summary as environment_summary
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.clip_sheet import write_clip_sheet
from vosrt.benchmarks.evaluation.plan import EvaluationPlan
from vosrt.benchmarks.evaluation.result_folder import PLOT, SHEETS, WORST, ResultFolder
from vosrt.benchmarks.evaluation.run import score_folder, segment_dataset
from vosrt.benchmarks.evaluation.score_plot import write_plot
from vosrt.benchmarks.evaluation.score_table import print_scores
from vosrt.benchmarks.evaluation.server_zip import write_server_zip
from vosrt.benchmarks.evaluation.summary import document
from vosrt.benchmarks.evaluation.worst_frames import worst_frames, write_worst_frames
from vosrt.benchmarks.report_file import check_report, write_report
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, print_terms
from vosrt.commands.camera_options import add_finder
from vosrt.counted import counted
from vosrt.errors import InputError
from vosrt.exit_status import exit_status
from vosrt.shipped_bundles import DEFAULT
from vosrt.usable_cores import usable_cores


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    kept = "finished clips are kept, and the same command goes on"
    return exit_status(partial(run, arguments), interrupted=kept)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate as the parsed command line says.

    Raises:
        Error: with what is wrong and how to mend it.
    """
    if arguments.json is not None:
        check_report("--json", arguments.json)
    plan = EvaluationPlan.of(arguments)
    print_terms(bundle.folder for bundle in plan.bundles)
    facts = environment(arguments.threads or usable_cores())
    clips = plan.dataset.clips
    frames = sum(len(clip.frames) for clip in clips)
    print(
        f"{plan.dataset.name}: {counted(len(clips), 'clip')}, {counted(frames, 'frame')}\n"
        f"{environment_summary(facts)}",
        flush=True,
    )
    records, masks = _records(arguments, plan)
    found = document(plan.settings, clips, records, plan.attributes)
    print_scores(found)
    if arguments.json is not None:
        text = json.dumps({**found, "environment": facts}, indent=1, allow_nan=False)
        write_report("--json", arguments.json, f"{text}\n")
    if arguments.output is not None:
        _write_outputs(arguments, plan, found, records, masks)
    return 0


def _records(arguments: argparse.Namespace, plan: EvaluationPlan) -> tuple[list[ClipRecord], Path]:
    """A record per clip, and the folder of the label maps."""
    if plan.segmenter is None:
        return score_folder(plan.dataset, arguments.results), arguments.results
    folder = ResultFolder(arguments.output, plan.settings)
    with folder.opened(overwrite=arguments.overwrite):
        records = segment_dataset(plan.dataset, plan.segmenter, folder, boxes=plan.settings.boxes)
        return records, folder.masks


def _write_outputs(
    arguments: argparse.Namespace,
    plan: EvaluationPlan,
    found: dict[str, Any],
    records: Sequence[ClipRecord],
    masks: Path,
) -> None:
    output: Path = arguments.output
    try:
        (output / SHEETS if arguments.sheets else output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output {output} cannot be made ({error.strerror})") from error
    written = [str(masks)] if plan.segmenter is not None else []
    if found["scored_clips"]:
        write_plot(output / PLOT, found)
        write_worst_frames(output / WORST, worst_frames(plan.dataset.clips, records), masks)
        written += [str(output / PLOT), str(output / WORST)]
    if arguments.sheets:
        for clip in plan.dataset.clips:
            write_clip_sheet(output / SHEETS / f"{clip.name}.png", clip, masks)
        written.append(str(output / SHEETS))
    if arguments.zip:
        archive = output / f"{plan.dataset.name}.zip"
        write_server_zip(archive, plan.dataset, masks)
        written.append(str(archive))
    print(f"wrote {', '.join(written)}" if written else "wrote nothing: there is no truth to score against")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "bundles",
        nargs="*",
        metavar="BUNDLE",
        help=f"folder that `vosrt export` wrote ({DEFAULT}); several are averaged",
    )
    parser.add_argument(
        "--results",
        type=option_readers.path,
        metavar="DIR",
        help="score <clip>/<frame>.png in this folder instead",
    )
    _add_data(parser)
    _add_outputs(parser.add_argument_group("outputs"))
    settings = parser.add_argument_group("settings of bundles")
    add_bundle_settings(settings)
    add_finder(settings)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data (one of them)")
    kinds = group.add_mutually_exclusive_group(required=True)
    for name, kind in KINDS.items():
        metavar = "FOLDER" if name == "clips" else "ROOT"
        kinds.add_argument(f"--{name}", type=option_readers.path, metavar=metavar, help=kind.purpose)
    group.add_argument("--split", metavar="NAME", help="of the data set (val; YouTube-VOS and MOSE: valid)")
    group.add_argument(
        "--year", type=int, choices=YEARS, help="of DAVIS (2017); 2016 has one object per clip"
    )
    group.add_argument("--dense", action="store_true", help="every frame of YouTube-VOS, not every fifth")
    group.add_argument(
        "--frames", type=option_readers.positive, metavar="N", help="only the first so many of each clip"
    )
    group.add_argument(
        "--boxes", action="store_true", help="give the box around each object in place of its mask"
    )
    group.add_argument(
        "--attributes",
        type=option_readers.path,
        metavar="FILE",
        help="of the clips: DAVIS' db_info.yml, JSON or CSV",
    )


def _add_outputs(group: Any) -> None:
    group.add_argument(
        "--output", type=option_readers.path, metavar="DIR", help="label maps, plot, and what resuming needs"
    )
    group.add_argument("--json", type=option_readers.path, metavar="FILE", help="every figure, for machines")
    group.add_argument("--sheets", action="store_true", help="also a picture per clip, from start to end")
    group.add_argument("--zip", action="store_true", help="also the archive that the data set's server takes")
    group.add_argument("--overwrite", action="store_true", help="remove results in DIR and start anew")


if __name__ == "__main__":
    sys.exit(main())
