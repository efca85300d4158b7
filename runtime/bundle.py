"""A bundle folder, opened and verified."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vosrt.errors import BundleError
from vosrt.external_data import has_external_data
from vosrt.manifest import Manifest, read_manifest, sha256_of_file
from vosrt.manifest_graph import PRECISIONS, GraphFile
from vosrt.regular_file import require_regular_file, stat_of
from vosrt.shipped_bundles import find_bundle

BFLOAT16_MATCHING = "+bf16"  # behind a precision: ONNX Runtime's operators on the CPU match in bfloat16


class Bundle:
    """A bundle whose manifest is valid and whose files are all there, inside the folder and unchanged."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Open a bundle folder and verify every file that its manifest lists.

        Args:
            folder: its path, or the name of a bundle that comes with the package.

        Raises:
            BundleError: the manifest is wrong, or a file is missing, altered or outside the folder.
        """
        folder = find_bundle(folder)
        bundle = cls(folder, read_manifest(folder))
        verified: dict[str, str] = {}
        for role, graph in bundle.manifest.graphs.items():
            for precision, file in graph.files.items():
                if verified.get(file.path) != file.sha256:
                    bundle._verify(f"graphs.{role}.file.{precision}", file)
                    verified[file.path] = file.sha256
        return bundle

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions in which every graph is there, float32 first."""
        return tuple(sorted(self.manifest.graphs["encode"].files, key=PRECISIONS.index))

    def graph_path(self, role: str, *, precision: str) -> Path:
        """Return the file of a graph in one precision.

        Args:
            role: of the graph.
            precision: with or without `BFLOAT16_MATCHING` behind it.

        Raises:
            BundleError: the bundle does not hold that precision.
        """
        precision = precision.removesuffix(BFLOAT16_MATCHING)
        if precision not in self.precisions:
            raise BundleError(
                f"bundle {self.manifest.name}: precision",
                value=precision,
                allowed=", ".join(self.precisions),
                cure=f"choose one of these, or export again with --precision {precision}",
            )
        return self.folder / self.manifest.graphs[role].files[precision].path

    def _verify(self, place: str, file: GraphFile) -> None:
        path = self.folder / file.path
        try:
            found = stat_of(path)
        except OSError as error:
            raise BundleError(f"{place}.path: {path} cannot be read ({error.strerror})") from error
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder)):
            raise BundleError(
                f"{place}.path leaves the bundle folder through a link",
                value=file.path,
                allowed=f"a file inside {self.folder}",
                cure="copy the file into the folder",
            )
        if found is None or stat.S_ISDIR(found.st_mode):
            raise BundleError(
                f"{place}.path: {path} is not there", cure="copy the whole bundle folder, or export again"
            )
        try:
            require_regular_file(path)
            digest = sha256_of_file(path)
        except OSError as error:
            raise BundleError(f"{place}.path: {path} cannot be read ({error.strerror})") from error
        if digest != file.sha256:
            raise BundleError(
                f"{place}.sha256: {path} is not the file that was exported",
                value=digest,
                allowed=file.sha256,
                cure="copy the bundle again, or export again; never edit a graph in place",
            )
        self._check_whole(place, path)

    def _check_whole(self, place: str, path: Path) -> None:
        """Weights in files beside the graph would be covered by no hash."""
        cure = "export again; every graph is one file"
        try:
            is_whole = not has_external_data(path)
        except (OSError, ValueError) as error:
            raise BundleError(f"{place}.path: {path} is no ONNX file ({error})", cure=cure) from error
        if not is_whole:
            raise BundleError(f"{place}.path: {path} keeps weights in other files", cure=cure)
