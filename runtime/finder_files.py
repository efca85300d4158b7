"""What finds objects in boxes and at clicks, by the files that hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vosrt.errors import InputError
from vosrt.shipped_bundles import FINDER

if TYPE_CHECKING:
    from vosrt.marked_objects import MaskFinder

GRAB_CUT = "grabcut"  # in the place of a bundle


@dataclass(frozen=True)
class FinderFiles:
    """At most one of the two.

    Attributes:
        networks: encoder and decoder of Segment Anything or alike.
        bundle: of location-sensitive embeddings, or `GRAB_CUT`.
    """

    networks: tuple[str, str] | None = None
    bundle: str | None = None

    def facts(self) -> str:
        """What finds, by content: the default where none is named.

        Raises:
            BundleError: the bundle is damaged.
            OSError: a file cannot be read.
        """
        from vosrt.bundle import Bundle  # here, so that the command line needs no numpy for its help
        from vosrt.manifest import sha256_of_file
        from vosrt.snapshot import bundle_digest

        if self.networks is not None:
            return " ".join(sha256_of_file(file) for file in self.networks)
        if self.bundle == GRAB_CUT:
            return GRAB_CUT
        bundle = Bundle.open(self.bundle or FINDER)
        return f"{bundle.manifest.name} {bundle_digest(bundle.manifest)}"

    def open(self) -> MaskFinder | None:
        """The finder; None where none is named.

        Raises:
            BundleError: the bundle is damaged, or finds nothing in boxes.
            InputError: the files cannot be used, or both are given.
        """
        if self.bundle is not None:
            if self.networks is not None:
                raise InputError("--finder and --finder-bundle exclude each other", cure="give one of them")
            if self.bundle == GRAB_CUT:
                from vosrt.marked_objects import grab_cut

                return grab_cut
            from vosrt.bundle_finder import BundleFinder

            return BundleFinder.open(self.bundle)
        if self.networks is None:
            return None
        from vosrt.prompted_segmenter import PromptedSegmenter

        return PromptedSegmenter(*self.networks)
