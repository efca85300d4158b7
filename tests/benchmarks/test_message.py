"""Messages that another Python with another NumPy can read."""

import multiprocessing
import pickle
import pickletools
from pathlib import Path

import numpy as np

from vosrt.benchmarks.candidate_server import Step
from vosrt.benchmarks.message import send_message
from vosrt.errors import InputError


def test_arrays_arrive_as_they_were_and_may_be_written_to():
    ours, theirs = multiprocessing.Pipe()
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::2]
    for array in (frame, np.zeros((0, 3), np.float32), np.array(2.5, ">f8")):
        send_message(ours, ("step", (array, None)))
        method, (found, mask) = theirs.recv()
        assert (method, mask) == ("step", None)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        found[...] = 1


def test_no_name_of_numpy_and_no_late_protocol_is_in_them():
    """NumPy 1.24 cannot read arrays that NumPy 2 has pickled, nor Python 3.10 what later protocols hold."""
    ours, theirs = multiprocessing.Pipe()
    error = InputError("scale", value=np.float64(1.5), allowed=[Path("folder")])
    for message in (Step(1.0, {"encode": 0.5}, np.zeros((2, 2), np.uint8)), error):
        send_message(ours, message)
        sent = theirs.recv_bytes()
        assert b"numpy" not in sent
        assert b"pathlib" not in sent
        assert max(operation.proto for operation, _, _ in pickletools.genops(sent)) <= 4
    assert str(pickle.loads(sent)) == str(error)
