"""Videos over HTTP, from a real server."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from tests.runtime.clips import CLOSE, differences, picture, turn, write_plain_mp4, write_video
from tests.runtime.sources.http_video import RATE, video_server
from vosrt.errors import InputError
from vosrt.serve.camera_list import camera
from vosrt.sources import network_reader
from vosrt.sources.adjusted_source import AdjustedReader, Adjustment
from vosrt.sources.live_status import LiveState
from vosrt.sources.network_reader import NetworkReader
from vosrt.sources.open_source import open_source
from vosrt.sources.reader import ReadError
from vosrt.video_writer import VideoWriter

FRAMES = 12


@pytest.fixture
def server(tmp_path):
    write_video(tmp_path / "film.mp4", FRAMES)
    (tmp_path / "text.mp4").write_text("no video")
    with video_server(tmp_path, user="me:secret") as found:
        yield found


def test_camera_gives_its_newest_frames(server):
    with open_source(server.address("camera")) as source:
        assert source.is_live
        assert source.name == server.address("camera")
        frames = list(islice(source, 10))
        assert source.status.state is LiveState.LIVE
    assert [frame.name for frame in frames] == [f"{index:05d}" for index in range(10)]
    assert (np.diff([frame.timestamp for frame in frames]) > 0).all()
    assert frames[-1].timestamp < 10 * 5 / RATE  # they are not those of a queue
    assert len({frame.image.tobytes() for frame in frames}) >= 3


class WithoutSize:
    """A container that is told no size, as from PyAV 19 on; before it was a negative one."""

    size = None

    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)


def test_a_camera_has_no_size(server, monkeypatch):
    opened = av.open
    monkeypatch.setattr(av, "open", lambda *args, **options: WithoutSize(opened(*args, **options)))
    with open_source(server.address("camera")) as source:
        assert source.is_live
        assert next(iter(source)).image.shape == picture(0).shape


def test_password_opens_and_never_shows(server, caplog):
    with open_source(server.address("locked", user="me:secret")) as source:
        assert next(iter(source)).image.shape == picture(0).shape
        assert "secret" not in source.name
    with pytest.raises(InputError, match=r"it refuses the user or the password.*check the address") as caught:
        open_source(server.address("locked", user="me:wrong"))
    assert "wrong" not in str(caught.value) + caplog.text


def test_path_that_is_not_there_is_refused(server):
    with pytest.raises(InputError, match="it knows no such path"):
        open_source(server.address("nothing"))


def test_what_is_no_video_is_an_error(server):
    with pytest.raises(ReadError, match="Invalid data"):
        NetworkReader(server.address("text.mp4"))


def test_of_a_film_every_frame_comes_once(server):
    with open_source(server.address("film.mp4")) as source:
        assert not source.is_live
        frames = list(source)
        assert source.status.state is LiveState.ENDED
        assert source.status.dropped == 0
    assert len(frames) == FRAMES
    for index, frame in enumerate(frames):
        assert differences(frame.image, picture(index)).max() <= CLOSE


def test_film_that_does_not_say_how_long_it_is_is_no_camera(server, tmp_path):
    """A browser's recording, for one."""
    with av.open(str(tmp_path / "film.webm"), "w", options={"live": "1"}) as film:
        stream = film.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="bgr24")))
        film.mux(stream.encode())
    with open_source(server.address("film.webm")) as source:
        assert not source.is_live
        assert len(list(source)) == FRAMES


def test_film_that_is_damaged_or_cut_off_on_its_server_is_an_error(server, tmp_path, caplog):
    data = write_plain_mp4(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: 2 * len(data) // 3])
    (tmp_path / "damaged.mp4").write_bytes(data[:20_000] + bytes(2_000) + data[22_000:])
    with av.open(str(tmp_path / "whole.avi"), "w") as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for noise in np.random.default_rng(0).integers(0, 256, (FRAMES, 48, 64, 3), np.uint8):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    for name in ("cut.mp4", "damaged.mp4", "cut.avi"):
        with (
            open_source(server.address(name)) as source,
            pytest.raises(
                InputError, match=rf"{name} breaks off .(Invalid data|its last packet is incomplete)"
            ),
        ):
            list(source)
    assert "tried again" not in caplog.text


def test_kind_of_video_that_ffmpeg_does_not_know_is_refused(server, tmp_path):
    data = write_plain_mp4(tmp_path / "film.mp4", count=3).read_bytes()
    (tmp_path / "strange.mp4").write_bytes(data.replace(b"avc1", b"zzz1").replace(b"avcC", b"zzzC"))
    with pytest.raises(InputError, match="this FFmpeg cannot decode the video"):
        open_source(server.address("strange.mp4"))


def test_film_goes_on_where_its_connection_broke(tmp_path):
    """Servers end one that a slow reader leaves alone for a minute."""
    size = write_plain_mp4(tmp_path / "film.mp4").stat().st_size
    with (
        video_server(tmp_path, most_bytes=size // 3) as server,
        open_source(server.address("film.mp4")) as source,
    ):
        assert len(list(source)) == 30


def test_frames_of_a_film_are_shown_when_it_shows_them_not_when_they_come(server, tmp_path):
    times = [0, 0.04, 0.3, 0.31, 0.9, 20]
    with VideoWriter(tmp_path / "variable.mp4", rate=25) as writer:
        for index, time in enumerate(times):
            writer.write(picture(index), time)
    with open_source(server.address("variable.mp4")) as source:
        frames = list(source)
    np.testing.assert_allclose([frame.timestamp for frame in frames], times, atol=1e-4)
    assert all(frame.gap == 0 for frame in frames)
    reader = AdjustedReader(NetworkReader(server.address("variable.mp4")), Adjustment(rate=Fraction(4)))
    found = [reader.read() and reader.time for _ in range(4)]
    reader.close()
    np.testing.assert_allclose(found, [0, 0.3, 0.9, 20], atol=1e-4)


@pytest.mark.parametrize(("rotate", "shown"), [(0, Fraction(16, 11)), (90, Fraction(11, 16))])
def test_pixels_that_are_no_squares_are_none_of_what_is_made_of_them(server, tmp_path, rotate, shown):
    with VideoWriter(tmp_path / "wide.mp4", rate=25, pixel_aspect=Fraction(16, 11)) as writer:
        writer.write(picture(0))
    adjustment = Adjustment(rotate=rotate)
    with open_source(server.address("wide.mp4")) as source:
        assert next(iter(source)).pixel_aspect == Fraction(16, 11)
    for address in (server.address("wide.mp4"), str(tmp_path / "wide.mp4")):
        with camera(address, adjustment)(lambda: None) as live:
            assert next(iter(live)).pixel_aspect == shown


def test_turned_pixels_are_turned(server, tmp_path):
    turn(write_plain_mp4(tmp_path / "turned.mp4", count=3), (0, 1, -1, 0))
    for address in (server.address("turned.mp4"), tmp_path / "turned.mp4"):
        with open_source(address) as source:
            frame = next(iter(source))
        assert (frame.image.shape, frame.pixel_aspect) == ((64, 48, 3), Fraction(3, 4))


def test_playlist_is_followed_to_its_segments(server, tmp_path):
    write_segments(tmp_path)
    with open_source(server.address("list.m3u8")) as source:
        assert len(list(source)) == FRAMES


def test_playlist_of_a_camera_brings_frames_at_their_own_pace(server, tmp_path):
    """Segments come whole, and all but their last frames would be dropped."""
    write_segments(tmp_path)
    text = (tmp_path / "list.m3u8").read_text()
    (tmp_path / "list.m3u8").write_text(text.replace("#EXT-X-ENDLIST", ""))
    reader = NetworkReader(server.address("list.m3u8"))
    assert not reader.is_finite
    times = [reader.read() and time.monotonic() for _ in range(FRAMES)]
    reader.close()
    assert times[-1] - times[0] >= (FRAMES - 2) / RATE  # the first is looked at a little late


def test_other_qualities_of_a_playlist_are_not_fetched(server, tmp_path):
    write_video(tmp_path / "film.mp4", 200)
    write_segments(tmp_path)
    text = (tmp_path / "list.m3u8").read_text()
    (tmp_path / "other.m3u8").write_text(text.replace("list", "other"))
    for path in tmp_path.glob("list*.ts"):
        (tmp_path / path.name.replace("list", "other")).write_bytes(path.read_bytes())
    lines = [
        f"#EXT-X-STREAM-INF:BANDWIDTH={rate}\n{name}.m3u8\n" for rate, name in ((9, "list"), (5, "other"))
    ]
    (tmp_path / "all.m3u8").write_text("#EXTM3U\n" + "".join(lines))
    with open_source(server.address("all.m3u8")) as source:
        assert len(list(source)) == 200
    fetched = {name: sum(path.startswith(f"/{name}") for path in server.asked) for name in ("list", "other")}
    assert fetched["other"] < fetched["list"]


def test_playlist_does_not_lead_to_files_of_this_machine(server, tmp_path):
    write_segments(tmp_path)
    text = (tmp_path / "list.m3u8").read_text()
    lines = [f"file://{tmp_path / line}" if line.endswith(".ts") else line for line in text.splitlines()]
    (tmp_path / "list.m3u8").write_text("\n".join(lines) + "\n")
    with pytest.raises((ReadError, StopIteration)):
        NetworkReader(server.address("list.m3u8")).read()


def test_silent_server_is_given_up(monkeypatch):
    import socket

    monkeypatch.setattr(network_reader, "OPEN_WITHIN", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for scheme in ("http", "rtsp"):
            with pytest.raises(ReadError, match="nothing came in time"):
                NetworkReader(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/camera")


def write_segments(folder) -> None:
    """An HLS playlist and its segments, from the film."""
    with av.open(str(folder / "film.mp4")) as film:
        stream = film.streams.video[0]
        options = {"hls_time": "0.2", "hls_list_size": "0"}
        with av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as playlist:
            copy = playlist.add_stream_from_template(stream)
            for packet in film.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    playlist.mux(packet)
