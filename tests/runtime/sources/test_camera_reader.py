"""Cameras, with a video file in the place of a device: OpenCV opens both."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.clips import CLOSE, differences, picture, write_video
from vosrt.errors import InputError
from vosrt.sources.camera_reader import CameraReader, csi_pipeline, require_gstreamer
from vosrt.sources.open_source import open_source
from vosrt.sources.reader import ReadError


def test_camera_gives_frames_until_it_stops(tmp_path):
    camera = CameraReader(str(write_video(tmp_path / "device.mp4", 4, rate=20)))
    assert (camera.rate, camera.is_finite) == (20, False)
    for index in range(4):
        image = camera.read()()
        assert image.dtype == np.uint8
        assert differences(image, picture(index)).max() <= 2 * CLOSE  # OpenCV's colours differ a little
    with pytest.raises(ReadError, match="stopped delivering: check its cable"):
        camera.read()
    camera.close()
    camera.close()


def test_file_that_is_no_camera_cannot_be_opened(tmp_path, capfd):
    (tmp_path / "device").write_text("no camera")
    with pytest.raises(InputError, match="cannot be opened: another program uses it"):
        open_source(f"v4l2://{tmp_path / 'device'}")
    assert capfd.readouterr().err == ""


def test_opencv_4_is_kept_from_printing_too(tmp_path, monkeypatch, capfd):
    cv2 = pytest.importorskip("cv2")
    if hasattr(cv2, "setLogLevel"):
        pytest.skip("this OpenCV is an older one")
    monkeypatch.setattr(cv2, "setLogLevel", cv2.utils.logging.setLogLevel, raising=False)
    monkeypatch.delattr(cv2.utils, "logging")
    test_file_that_is_no_camera_cannot_be_opened(tmp_path, capfd)


def test_device_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"camera /dev/video98 cannot be used .it is not there"):
        open_source("v4l2:///dev/video98")


def test_number_without_a_camera_is_named():
    with pytest.raises(InputError, match=r"camera 97 cannot be used .it cannot be opened: there is none"):
        open_source("97")


def test_csi_camera_is_a_pipeline_of_its_sensor():
    assert csi_pipeline(1).startswith("nvarguscamerasrc sensor-id=1 ! ")
    assert "max-buffers=1" in csi_pipeline(1)


@pytest.mark.parametrize("address", ["csi://0", "gstreamer://videotestsrc ! videoconvert ! appsink"])
def test_without_gstreamer_the_cure_is_named(address):
    try:
        require_gstreamer()
    except InputError:
        with pytest.raises(InputError, match="built without GStreamer; use the system's OpenCV"):
            open_source(address)
    else:
        pytest.skip("this OpenCV has GStreamer")


def test_number_of_a_csi_camera_is_checked():
    with pytest.raises(InputError, match="number of a CSI camera: got 'front'"):
        open_source("csi://front")
