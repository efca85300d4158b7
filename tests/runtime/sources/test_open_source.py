"""Addresses of sources."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import pytest

from tests.runtime.clips import read_error, write_images, write_video
from vosrt.errors import InputError
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.image_folder import ImageFolder
from vosrt.sources.live_source import LiveSource
from vosrt.sources.network_reader import NetworkReader
from vosrt.sources.open_source import is_camera_number, open_source
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.sources.video_file import VideoFile


def test_paths_are_videos_or_folders_of_images(tmp_path):
    write_images(tmp_path, "0.png")
    with open_source(tmp_path) as folder, open_source(str(write_video(tmp_path / "clip.mp4"))) as video:
        assert isinstance(folder, ImageFolder)
        assert isinstance(video, VideoFile)
        assert (folder.is_live, video.is_live) == (False, False)


def test_folder_whose_name_is_a_number_is_given_with_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "00005", "0.png")
    write_images(tmp_path / "7", "0.png")
    assert isinstance(open_source("00005"), ImageFolder)
    assert isinstance(open_source("./7"), ImageFolder)


def test_numbers_and_device_files_are_cameras(tmp_path):
    assert [is_camera_number(text) for text in ("0", "12", "00", "123", "-1", "a")] == [
        True,
        True,
        *[False] * 4,
    ]
    path = write_video(tmp_path / "device.mp4")
    with open_source(f"v4l2://{path}") as camera:
        assert isinstance(camera, LiveSource)
        assert camera.name == f"camera {path}"
        assert next(iter(camera)).name == "00000"


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        ("test://", PatternSettings()),
        ("test://96x128", PatternSettings(96, 128)),
        ("TEST://?objects=3", PatternSettings(objects=3)),
        (
            "test://64x80?objects=5&frames=7&fps=29.97&seed=11",
            PatternSettings(64, 80, 5, 7, Fraction(2997, 100), 11),
        ),
        ("test://?fps=30000/1001", PatternSettings(rate=Fraction(30000, 1001))),
    ],
)
def test_pattern_takes_its_settings_from_the_address(address, settings):
    source = open_source(address)
    assert isinstance(source, TestPattern)
    assert source.settings == settings


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("test://480", "size: got '480'; allowed: HEIGHTxWIDTH from 16 to 8192"),
        ("test://4x4", "size: got '4x4'"),
        ("test://9000x9000", "size: got '9000x9000'"),
        ("test://?objects=0", "objects: got '0'; allowed: 1 to 254"),
        ("test://?objects=300", "objects: got '300'"),
        ("test://?frames=", "frames: got ''"),
        ("test://?fps=0", "fps: got '0'; allowed: frames per second up to 1000"),
        ("test://?fps=1/0", "fps: got '1/0'"),
        ("test://?seed=-1", "seed: got '-1'"),
        ("test://?colour=red", "unknown setting: got 'colour'; allowed: objects, frames, fps, seed"),
    ],
)
def test_unusable_setting_of_a_pattern_is_named(address, message):
    with pytest.raises(InputError) as caught:
        open_source(address)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:pass@camera:554/live?token=x", "rtsp://camera:554/live"),
        ("HTTP://user@camera/video.mjpg#part", "http://camera/video.mjpg"),
        ("rtsp://[::1]:8554/a", "rtsp://[::1]:8554/a"),
        ("rtsp://host:notaport/a", "rtsp://…"),
        ("zip://a.mp4::https://user:pass@host/all.zip?key=x", "zip://a.mp4::https://host/all.zip"),
        (
            "zip://A::simplecache::https://user:pass@[::1]/all.zip",
            "zip://A::simplecache::https://[::1]/all.zip",
        ),
        ("ZIP://all/a.mp4::https://user:pass@host/all.zip", "ZIP://all/a.mp4::https://host/all.zip"),
        ("dir://all/clips::https://user:pass@host/", "dir://all/clips::https://host/"),
        ("filecache://all/clips::https://user:pass@host/", "filecache://all/clips"),
        ("rtsp://user:pa::ss@camera/live", "rtsp://camera/live"),
        ("rtsp://user:12/34@camera/live", "rtsp://…"),
        ("rtsp://user:12#34@camera/live", "rtsp://…"),
        ("rtsp://user:a@1/b@camera/live", "rtsp://…"),
        ("s3://bucket/a@b.mp4", "s3://bucket/a@b.mp4"),
        ("http://user:pass@camera/live?token=a::b", "http://camera/live"),
        ("rtsp://user:pass@[fe80::1%25eth0]/a", "rtsp://[fe80::1%25eth0]/a"),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_what_may_be_secret_is_not_shown(address, shown):
    assert shown_address(address) == shown


def test_server_that_is_not_there_is_an_error_without_the_password(caplog):
    connect = partial(NetworkReader, "rtsp://u:secret@127.0.0.1:9/a")
    with pytest.raises(InputError) as caught:
        LiveSource("rtsp://127.0.0.1:9/a", connect, warm_up=0.3)
    assert "secret" not in str(caught.value) + caplog.text
    assert "Connection refused" in str(caught.value)


def test_unknown_form_names_the_allowed_ones():
    with pytest.raises(InputError, match=r"unknown form ftp://; allowed: a video file, .*v4l2://.*test://"):
        open_source("ftp://camera")


def test_scheme_is_told_from_a_path_with_a_colon():
    assert [scheme_of(text) for text in ("a:b.mp4", "V4L2:///dev/video0", "clip.mp4", "://x")] == [
        None,
        "v4l2",
        None,
        None,
    ]


def test_source_that_is_not_there_is_an_error(tmp_path):
    error = read_error(tmp_path / "none.mp4")
    assert error.what == f"source {tmp_path / 'none.mp4'} is not there"
    assert "a video file or a folder of images" in error.cure
