"""The checkpoint that a bundle was exported from, for PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vosrt.errors import InputError
from vosrt.manifest import Manifest, sha256_of_file

# The package holds some weights; a clone, in whose folder a program runs, all of them.
SHIPPED = (Path(__file__).parents[1] / "models" / "weights", Path("models/weights"))


def find_weights(manifest: Manifest, files: Sequence[str]) -> str | None:
    """The one of some files, or of those that came along, that holds a bundle's weights.

    Args:
        manifest: of the bundle.
        files: that the user gave.

    Returns:
        None where weights are generated.

    Raises:
        InputError: a given file is not there, or none holds the weights.
    """
    source = manifest.source
    if source.stand_in:
        return None
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"no checkpoint at {file}", cure="give the path of a .pth or .safetensors file")
    shipped = [folder / Path(source.file).name for folder in SHIPPED]
    for file in [*files, *(str(path) for path in shipped if path.is_file())]:
        if sha256_of_file(file) == source.sha256:
            return file
    raise InputError(
        f"PyTorch needs the weights of {manifest.name}",
        allowed=f"--checkpoint with the file {source.file}, sha256 {source.sha256}",
    )
