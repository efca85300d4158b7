"""JSON lines with run-length encoded masks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.runtime.sinks.frames import SIZE, noisy_frame, result_of, write_until_full
from vosrt.errors import InputError
from vosrt.sinks.rle import decode_mask
from vosrt.sinks.rle_file import RleFile


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_everything_about_a_frame(tmp_path):
    path = tmp_path / "new" / "masks.jsonl"
    sink = RleFile(path)
    sink.open(noisy_frame(0), 25)
    for index in range(3):
        sink.write(noisy_frame(index), result_of(index))
    sink.close()
    first, _, third = records(path)
    assert list(first) == ["frame", "index", "timestamp", "size", "objects"]
    assert (first["frame"], first["index"], first["timestamp"], first["size"]) == (
        "00000",
        0,
        3.0,
        list(SIZE),
    )
    square = first["objects"][0]
    assert list(square) == ["id", "area", "bbox", "score", "lost", "segmentation"]
    assert (square["id"], square["area"], square["bbox"]) == (3, 400, [5, 10, 20, 20])
    assert (square["score"], square["lost"]) == (0.8765, False)
    mask = decode_mask(square["segmentation"]["counts"], tuple(square["segmentation"]["size"]))
    assert np.array_equal(mask, result_of(0).labels == 3)
    gone = third["objects"][1]
    assert (gone["id"], gone["area"], gone["bbox"]) == (7, 0, [0, 0, 0, 0])
    assert (gone["score"], gone["lost"]) == (None, True)


def test_older_file_is_replaced(tmp_path):
    (tmp_path / "masks.jsonl").write_text("older\n" * 100)
    sink = RleFile(tmp_path / "masks.jsonl")
    sink.open(noisy_frame(0), 25)
    sink.write(noisy_frame(0), result_of(0))
    sink.close()
    assert len(records(tmp_path / "masks.jsonl")) == 1


def test_full_disk_is_an_error_and_leaves_whole_lines(tmp_path):
    written, error = write_until_full(RleFile(tmp_path / "masks.jsonl"), size=3000)
    assert isinstance(error, InputError)
    assert f"file {tmp_path / 'masks.jsonl'} cannot be written" in error.what
    assert "has room" in error.cure
    assert len(records(tmp_path / "masks.jsonl")) == written > 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux'")
def test_device_without_room_is_an_error():
    sink = RleFile("/dev/full")
    sink.open(noisy_frame(0), 25)
    with pytest.raises(InputError, match=r"/dev/full cannot be written .No space left"):
        sink.write(noisy_frame(0), result_of(0))
    sink.close()


def test_folder_in_the_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written .Is a directory"):
        RleFile(tmp_path).open(noisy_frame(0), 25)


def test_killed_process_leaves_whole_lines(tmp_path):
    program = """
import sys
from tests.runtime.sinks.frames import noisy_frame, result_of
from vosrt.sinks.rle_file import RleFile
sink = RleFile(sys.argv[1])
sink.open(noisy_frame(0), 25)
for index in range(100_000):
    sink.write(noisy_frame(index % 20), result_of(index % 20))
    print(index + 1, flush=True)
"""
    path = tmp_path / "masks.jsonl"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        written = 0
        while written < 30:
            written = int(process.stdout.readline())
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert path.read_text().endswith("\n")
    assert [record["index"] for record in records(path)][:written] == list(range(written))
