"""The whole way in one command: export a small network, render a clip, stream it, say where to look."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vosrt.cli import main as run_vosrt
from vosrt.errors import Error
from vosrt.export.parity_clip import make_clip
from vosrt.export.to_onnx import main as run_export
from vosrt.label_map import write_label_map
from vosrt.video_writer import VideoWriter

FRAMES, HEIGHT, WIDTH, OBJECTS = 24, 240, 426, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vosrt.benchmarks.demo", description=__doc__)
    parser.add_argument(
        "--output", default="out/demo", metavar="DIR", help="folder for everything (out/demo)"
    )
    output = Path(parser.parse_args(argv).output)
    try:
        clip, mask = render_clip(output)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    bundle = output / "bundle"
    export = ["--model", "cfbi-lite", "--stand-in", "--output", str(bundle), "--overwrite"]
    stream = [str(bundle), "--source", str(clip), "--mask", str(mask), "--overwrite"]
    outputs = ["--out", str(output / "overlay.mp4"), "--masks", str(output / "masks")]
    for run, arguments in ((run_export, export), (run_vosrt, ["stream", *stream, *outputs])):
        status = run(arguments)
        if status:
            return status
    print(f"look at {output / 'overlay.mp4'} and {output / 'masks'}")
    print("The weights are stand-ins: this shows that export and runtime work, not how good masks are.")
    return 0


def render_clip(output: Path) -> tuple[Path, Path]:
    """Write a clip of drifting ellipses and the mask of its first frame."""
    output.mkdir(parents=True, exist_ok=True)
    frames, masks = make_clip(FRAMES, HEIGHT, WIDTH, OBJECTS, seed=4)
    clip, mask = output / "clip.mp4", output / "first_mask.png"
    with VideoWriter(clip, rate=12) as writer:
        for frame in frames:
            writer.write(frame)
    write_label_map(mask, masks[0])
    return clip, mask


if __name__ == "__main__":
    sys.exit(main())
