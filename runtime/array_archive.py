"""Archives of arrays (`.npz`), whoever made them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read all arrays of an archive. Nothing in it is executed.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no archive of arrays, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile, its decompressors and NumPy's headers raise some dozen kinds
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # a member that is no array comes as bytes
            raise ValueError(f"{name} is no array")
    return arrays
