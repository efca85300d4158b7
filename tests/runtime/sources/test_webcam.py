"""Cameras, with a video file in the place of a device: OpenCV opens both."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.clips import CLOSE, differences, picture, write_video
from vosrt.errors import InputError
from vosrt.sources.webcam import Webcam


def test_camera_gives_numbered_frames_with_increasing_times_until_it_stops(tmp_path):
    camera = Webcam(str(write_video(tmp_path / "device.mp4", 4, rate=20)))
    assert (camera.is_live, camera.length, camera.names, camera.rate) == (True, None, None, 20)
    frames = []
    with pytest.raises(InputError, match=r"stopped delivering after 4 frames.*check its cable"), camera:
        frames.extend(camera)
    assert [frame.name for frame in frames] == ["00000", "00001", "00002", "00003"]
    times = [frame.timestamp for frame in frames]
    assert times[0] >= 0
    assert (np.diff(times) > 0).all()
    for index, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8
        assert differences(frame.image, picture(index)).max() <= 2 * CLOSE  # OpenCV's colours differ a little


def test_closed_camera_is_free_and_may_be_closed_again(tmp_path):
    camera = Webcam(str(write_video(tmp_path / "device.mp4", 4)))
    camera.close()
    camera.close()
    with pytest.raises(InputError, match="stopped delivering after 0 frames"):
        next(iter(camera))


def test_file_that_is_no_camera_cannot_be_opened(tmp_path, capfd):
    (tmp_path / "device").write_text("no camera")
    with pytest.raises(InputError, match="cannot be opened; check that no other program uses it"):
        Webcam(str(tmp_path / "device"))
    assert capfd.readouterr().err == ""


def test_device_that_is_not_there_is_named():
    with pytest.raises(InputError, match="camera /dev/video98 is not there"):
        Webcam("/dev/video98")


def test_number_without_a_camera_is_named():
    with pytest.raises(InputError, match="camera 97 cannot be opened"):
        Webcam(97)
