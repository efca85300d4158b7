"""`vosrt demo`: follows objects through a scene from their first mask, scores that, and says where to look.

Bundle and scene come with the package: neither PyTorch nor a download is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vosrt.benchmarks.clip_score import Summary
from vosrt.benchmarks.datasets.clip_folder import read_clip_folder
from vosrt.benchmarks.demo_scene import write_demo_scene
from vosrt.benchmarks.evaluation.clip_run import score_results
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import print_terms
from vosrt.counted import counted
from vosrt.errors import InputError
from vosrt.exit_status import exit_status
from vosrt.shipped_bundles import DEFAULT
from vosrt.stream_job import StreamJob


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    work = partial(run, arguments.output, arguments.source, arguments.mask)
    return exit_status(work, interrupted="what was written so far is complete")


def run(output: Path, source: str | None = None, mask: str | None = None) -> int:
    """Segment a clip, score it where its truth is known, and say where to look; returns the exit status.

    Args:
        output: folder for everything; made when it is not there.
        source: video file or folder of images; None for a generated scene, which is written as well.
        mask: label map of the source's first frame.

    Raises:
        Error: an input or the folder cannot be used.
    """
    if (source is None) != (mask is None):
        raise InputError(
            "--source and --mask belong together", cure="give both, or none for a generated scene"
        )
    _make_folder(output)
    print_terms([DEFAULT])
    scene, overlay, masks = output / "scene", output / "overlay.mp4", output / "masks"
    if source is None or mask is None:
        print(f"drawing a scene into {scene}", flush=True)
        write_demo_scene(scene)
        _segment(str(scene / "frames"), str(scene / "masks" / "00000.png"), overlay, masks)
        _print_score(scene, masks)
    else:
        _segment(source, mask, overlay, masks)
    print(f"look at {overlay} (objects in colour) and {masks} (a label map per frame)")
    return 0


def _segment(source: str, mask: str, overlay: Path, masks: Path) -> None:
    job = StreamJob(
        bundles=DEFAULT, source=source, mask=mask, video=str(overlay), masks=str(masks), overwrite=True
    )
    print(job.run().line())


def _print_score(scene: Path, masks: Path) -> None:
    """Print what DAVIS' measures say, the mean over the objects."""
    (clip,) = read_clip_folder(scene).clips
    record = score_results(clip, masks, lambda: None)
    summary = Summary.of(record.objects.values())
    scores = {"J&F": summary.j_and_f, "J": summary.j.mean, "F": summary.f.mean}
    text = ", ".join(f"{name} {100 * value:.1f}" for name, value in scores.items())
    print(f"against the truth, mean over {counted(len(record.objects), 'object')}: {text}")


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder {output} cannot be made ({error.strerror})", cure="choose another --output"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=option_readers.path,
        default=Path("out/demo"),
        metavar="DIR",
        help="folder for everything (out/demo)",
    )
    parser.add_argument(
        "--source", metavar="PATH", help="video or folder of images instead of a generated scene"
    )
    parser.add_argument("--mask", metavar="PNG", help="mask of the source's first frame")
    return parser


if __name__ == "__main__":
    sys.exit(main())
