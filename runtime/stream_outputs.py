"""What a stream job writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    """Paths of outputs, each None when it is not wanted.

    Attributes:
        video: overlay video.
        masks: folder for one indexed PNG per frame.
        rle: JSON lines with run-length encoded masks.
        cutout: folder for one transparent PNG per frame.
        keep_colour: leave colours under the transparent pixels of cut-outs.
        overwrite: replace outputs that exist.
    """

    video: str | None = None
    masks: str | None = None
    rle: str | None = None
    cutout: str | None = None
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
        for path in self.paths():
            if is_same_path(path, source):
                raise InputError(f"output {path} is the source", cure="choose another name")
        for option, folder in self._folders():
            if mask is not None:
                check_mask_is_elsewhere(option, folder, mask)
        for path in self.paths():
            if mask is not None and is_same_path(path, mask):
                raise InputError(f"output {path} is the mask", cure="choose another name")
            check_free(path, overwrite=self.overwrite)
        for one, other in combinations(self.paths(), 2):
            if is_same_path(one, other):
                raise InputError(f"output {one} is given twice", cure="choose a name for each output")
        self._check_kinds()

    def paths(self) -> list[str]:
        """The wanted ones."""
        return [path for path in (self.video, self.masks, self.rle, self.cutout) if path is not None]

    def sinks(self) -> list[Sink]:
        """What writes them."""
        sinks: list[Sink] = []
        if self.video is not None:
            sinks.append(OverlayVideo(self.video))
        if self.masks is not None:
            sinks.append(MaskFolder(self.masks))
        if self.rle is not None:
            sinks.append(RleFile(self.rle))
        if self.cutout is not None:
            sinks.append(CutoutFolder(self.cutout, keep_colour=self.keep_colour))
        return sinks

    def folders(self) -> list[str]:
        """The folders of images among them."""
        return [folder for _, folder in self._folders()]

    def _check_kinds(self) -> None:
        if self.video is not None:
            check_file("--out", self.video, suffixes=(".mp4",), shown_suffixes=".mp4")
        if self.rle is not None:
            shown = f"{', '.join(_RLE_SUFFIXES[:-1])} or {_RLE_SUFFIXES[-1]}"
            check_file("--rle", self.rle, suffixes=_RLE_SUFFIXES, shown_suffixes=shown)
        for option, folder in self._folders():
            check_folder(option, folder, own_files=self.paths())

    def _folders(self) -> Iterator[tuple[str, str]]:
        """Option and path of the folders that are written."""
        if self.masks is not None:
            yield "--masks", self.masks
        if self.cutout is not None:
            yield "--cutout", self.cutout
