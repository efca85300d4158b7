"""What a stream job writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from vosrt.errors import InputError
from vosrt.output_checks import (
    check_file,
    check_folder,
    check_free,
    check_mask_is_elsewhere,
    is_same_path,
)
from vosrt.sinks.cutout_folder import CutoutFolder
from vosrt.sinks.mask_folder import MaskFolder
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sinks.rle_file import RleFile
from vosrt.sinks.sink import Sink

_RLE_SUFFIXES = (".jsonl", ".json", ".ndjson", ".txt")


@dataclass(frozen=True)
class StreamOutputs:
    """Files and folders, and what writes them.

    Attributes:
        paths: of those that are wanted, by their names in a `StreamJob`.
        keep_colour: leave colours under the transparent pixels of cut-outs.
        overwrite: replace outputs that exist.
    """

    paths: Mapping[str, str]
    keep_colour: bool = False
    overwrite: bool = False

    def check(self, *, source: str, mask: str | None) -> None:
        """Check every output; nothing is written.

        Args:
            source: address of the source.
            mask: file or folder of masks that is read, or None.

        Raises:
            InputError: an output exists, is no place for it, or is also an input or another output.
        """
        paths = self.paths.values()
        for path in paths:
            if is_same_path(path, source):
                raise InputError(f"output {path} is the source", cure="choose another name")
        for name, folder in self.folders().items():
            if mask is not None:
                check_mask_is_elsewhere(f"--{name}", folder, mask)
        for path in paths:
            if mask is not None and is_same_path(path, mask):
                raise InputError(f"output {path} is the mask", cure="choose another name")
            check_free(path, overwrite=self.overwrite)
        for one, other in combinations(paths, 2):
            if is_same_path(one, other):
                raise InputError(f"output {one} is given twice", cure="choose a name for each output")
        self._check_kinds()

    def sinks(self) -> list[Sink]:
        """What writes them."""
        writers: dict[str, Callable[[str], Sink]] = {
            "video": OverlayVideo,
            "masks": MaskFolder,
            "rle": RleFile,
            "cutout": partial(CutoutFolder, keep_colour=self.keep_colour),
        }
        return [writers[name](path) for name, path in self.paths.items()]

    def folders(self) -> dict[str, str]:
        """The folders of images among them."""
        return {name: path for name, path in self.paths.items() if name in ("masks", "cutout")}

    def _check_kinds(self) -> None:
        if "video" in self.paths:
            check_file("--out", self.paths["video"], suffixes=(".mp4",), shown_suffixes=".mp4")
        if "rle" in self.paths:
            shown = f"{', '.join(_RLE_SUFFIXES[:-1])} or {_RLE_SUFFIXES[-1]}"
            check_file("--rle", self.paths["rle"], suffixes=_RLE_SUFFIXES, shown_suffixes=shown)
        for name, folder in self.folders().items():
            check_folder(f"--{name}", folder, own_files=self.paths.values())
