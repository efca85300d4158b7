"""Which networks work: every model, trunk and precision is exported, checked and run as a stream.

    python -m vosrt.benchmarks.support_table

prints the table of the README; what fails is a cell, too, with its reason below the table. Weights are
stand-ins: the row says whether trained ones come with the package. ResNets take some minutes and 3 GB each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vosrt import Segmenter
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.option_values import frame_size
from vosrt.benchmarks.required_packages import require_packages
from vosrt.bundle import Bundle
from vosrt.errors import Error, InputError
from vosrt.shipped_bundles import TERMS

PRECISIONS = ("float32", "float16")
HEADINGS = ("model", "trunk", "parameters", *PRECISIONS, "weights in the package")
_FRAMES = 4
WORKS = "yes"


@dataclass
class Row:
    """What was found out about a network.

    Attributes:
        model: its name.
        trunk: likewise.
        parameters: how many.
        works: precision to `WORKS`, or "no".
        weights: names of shipped bundles.
        reasons: why something does not work.
    """

    model: str
    trunk: str
    parameters: int
    works: dict[str, str] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    reasons: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """In the order of `HEADINGS`."""
        figures = [f"{self.parameters / 1e6:.1f} M", *(self.works.get(one, "") for one in PRECISIONS)]
        weights = ", ".join(f"`{name}`" for name in self.weights) or "none"
        return [f"`{self.model}`", f"`{self.trunk}`", *figures, weights]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns 0 when all works, 1 when something does not, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.support_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="(all)")
    parser.add_argument("--size", type=frame_size, default=(96, 160), metavar="HxW", help="(96x160)")
    options = parser.parse_args(arguments)
    try:
        require_packages("exporting networks")
        rows = list(_rows(options.models, options.size))
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    for row in rows:
        for reason in row.reasons:
            print(f"{row.model} {row.trunk}: {reason}")
    return 1 if any(row.reasons for row in rows) else 0


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    return markdown([HEADINGS, *(row.cells() for row in rows)])


def _rows(models: Sequence[str] | None, size: tuple[int, int]) -> Iterator[Row]:
    from vosrt.models.catalog import MODELS

    unknown = sorted(set(models or ()) - MODELS.keys())
    if unknown:
        raise InputError("--models", value=", ".join(unknown), allowed=", ".join(MODELS))
    for model in models or MODELS:
        for trunk in MODELS[model][0]:
            print(f"{model} {trunk} ...", file=sys.stderr, flush=True)
            yield _row(model, trunk, size)


def _row(model: str, trunk: str, size: tuple[int, int]) -> Row:
    from vosrt.export.bundle_writer import ExportSettings, export_bundle
    from vosrt.manifest import Checkpoint
    from vosrt.models import build_network, load_stand_in_weights, stand_in_source

    network = build_network(model, trunk)
    load_stand_in_weights(network)
    row = Row(model, trunk, sum(weights.numel() for weights in network.parameters()))
    row.weights = tuple(_shipped(model, trunk))
    source = Checkpoint(stand_in_source("f"), "0" * 64, True)

    def try_together(precisions: tuple[str, ...]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            export_bundle(network, source, bundle, ExportSettings(precisions=precisions))
            for precision in precisions:
                _run(bundle, precision, size)
        row.works |= dict.fromkeys(precisions, WORKS)

    try:
        try_together(PRECISIONS)
    except Error:  # which of them?
        for precision in PRECISIONS:
            try:
                try_together((precision,))
            except Error as error:
                row.works[precision] = "no"
                row.reasons.append(f"{precision}: {error}")
    return row


def _run(bundle: Path, precision: str, size: tuple[int, int]) -> None:
    """A stream of two objects, every result checked.

    Raises:
        Error: the bundle cannot be opened or run, or gives labels of no object.
    """
    stream = Segmenter(bundle, precision=precision, device="cpu").stream()
    clip = generated_clip(size, 2, frames=_FRAMES)
    for index in range(_FRAMES):
        labels = stream.step(clip.frame(index), mask=clip.mask if index == 0 else None).labels
        if labels.shape != size or labels.max() > 2:
            raise Error("labels of no object", value=(labels.shape, int(labels.max())))


def _shipped(model: str, trunk: str) -> Iterator[str]:
    """Bundles that come with the package and hold weights of a network."""
    for name in TERMS:
        options = Bundle.open(name).manifest.options
        if (options.get("model"), options.get("backbone")) == (model, trunk):
            yield name


if __name__ == "__main__":
    sys.exit(main())
