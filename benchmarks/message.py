"""Messages between the measuring process and a candidate's, whatever Python and NumPy each of them has."""

from __future__ import annotations

import io
import pickle
from multiprocessing.connection import Connection
from pathlib import PurePath
from typing import Any

import numpy as np

_PROTOCOL = 4  # Pythons have different defaults


def send_message(connection: Connection, message: Any) -> None:
    """Send what `Connection.recv` of the other end returns.

    Args:
        connection: to the other process.
        message: of numbers, texts, arrays and vosrt's own classes. Paths arrive as texts: where their class
            lies in the library differs between Pythons.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, _PROTOCOL).dump(message)
    connection.send_bytes(buffer.getbuffer())


class _Pickler(pickle.Pickler):
    """Names no module of NumPy: 2 moved them to where 1.24 and 1.25 find none."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray:
            return _array, (value.tobytes(), value.dtype.str, value.shape)
        if isinstance(value, np.generic):
            return _same, (value.item(),)
        if isinstance(value, PurePath):
            return _same, (str(value),)
        return NotImplemented


def _same(value: Any) -> Any:
    return value


def _array(data: bytes, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(data, kind).reshape(shape).copy()  # may be written to
