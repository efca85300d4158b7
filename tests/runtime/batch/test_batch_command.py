"""`vosrt batch` with processes: what is printed, and what kills leave."""

from __future__ import annotations

import functools
import http.server
import json
import os
import signal
import subprocess
import threading

import pytest

from tests.runtime.batch.moving_squares import (
    command,
    digests,
    is_alive,
    killed,
    records,
    run,
    workers_of,
    write_videos,
)
from tests.waiting import wait_for
from vosrt.cli import main
from vosrt.errors import Error
from vosrt.video_writer import VideoWriter


@pytest.fixture
def videos(tmp_path):
    write_videos(tmp_path, 4, 6)
    return tmp_path


def write_slow_video(path, source):
    """Frames that take so long that there is time to kill what segments them."""
    import av

    with av.open(str(source)) as container, VideoWriter(path, rate=10) as writer:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        for _ in range(120):
            for image in images:
                writer.write(image)


def test_two_processes_do_what_one_does_and_status_tells(videos, scene, capsys):
    assert run(command(scene / "bundle", videos, videos / "two", "--workers", 2))["done"] == 4
    run(command(scene / "bundle", videos, videos / "one"))
    assert digests(videos / "two") == digests(videos / "one")
    assert main(["batch", "status", str(videos / "two")]) == 0
    assert capsys.readouterr().out.startswith("4 videos: 4 done, 0 failed, 0 left\n24 frames in ")
    assert main(["batch", "status", str(videos)]) == 2
    assert "holds no batch.json of a batch" in capsys.readouterr().err


def test_failures_are_listed_and_give_status_1(videos, scene, capsys):
    (videos / "videos" / "clip_003.mp4").write_bytes(b"no video")
    line = command(scene / "bundle", videos, videos / "out", "--retry", 0)[3:]
    line.remove("--json")
    assert main(line) == 1
    out, err = capsys.readouterr()
    assert "clip_003" in out
    assert "3 done, 1 failed, 0 had their results" in out
    assert "failed: clip_003: " in err
    assert "Traceback" not in out + err


def test_a_dry_run_writes_a_plan_and_no_results(videos, scene, capsys):
    assert main([*command(scene / "bundle", videos, videos / "out", "--dry-run")[3:]]) == 0
    assert json.loads(capsys.readouterr().out)["videos"] == [f"clip_{i:03d}" for i in range(4)]
    assert not (videos / "out" / "results").exists()


def test_as_many_workers_as_are_wanted_share_a_video_that_a_manifest_splits(videos, scene, monkeypatch):
    started = []

    def start(setups):
        started.extend(setups)
        raise Error("enough")

    monkeypatch.setattr("vosrt.batch.local_pool.LocalPool", start)
    (videos / "masks" / "parts").mkdir()
    (videos / "masks" / "clip_000.png").rename(videos / "masks" / "parts" / "0.png")
    line = {"video": "videos/clip_000.mp4", "mask": "masks/parts", "split": True}
    (videos / "list.jsonl").write_text(json.dumps(line))
    options = command(scene / "bundle", videos, videos / "out", "--workers", "2")[3:]
    options[options.index("--videos") + 1] = str(videos / "list.jsonl")
    assert main(options) == 2
    assert len(started) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "3/2"], "is no shard"),
        (["--outputs", "masks,depth"], "are no outputs"),
        (["--output", ""], "--output: the path is empty"),
        (["--masks", ""], "--masks: the path is empty"),
    ],
)
def test_mistakes_end_with_status_2(videos, scene, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main(command(scene / "bundle", videos, videos / "out", *options)[3:])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_videos_are_not_split_where_frames_are_left_out(videos, scene, capsys):
    assert main(command(scene / "bundle", videos, videos / "out", "--split", "--fps", "5")[3:]) == 2
    assert "give --split or --fps, not both" in capsys.readouterr().err
    assert not (videos / "out").exists()


def test_a_bundle_that_cannot_be_used_ends_it(videos, scene, capsys):
    assert main(command(videos, videos, videos / "out")[3:]) == 2
    assert "bundle.json" in capsys.readouterr().err
    assert main(command(scene / "bundle", videos, videos / "out", "--precision", "float16")[3:]) == 2
    assert "float16" in capsys.readouterr().err


def test_a_killed_worker_is_replaced_and_its_video_tried_again(videos, scene):
    write_slow_video(videos / "videos" / "clip_001.mp4", videos / "videos" / "clip_002.mp4")
    line = command(scene / "bundle", videos, videos / "out")
    batch = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any("clip_001" in path.name for path in (videos / "out" / "unfinished").glob("*")))
    os.kill(workers_of(videos / "out")[0], signal.SIGKILL)
    out, err = batch.communicate(timeout=300)
    assert json.loads(out)["done"] == 4, err
    failures = {name: record["failures"] for name, record in records(videos / "out").items()}
    assert [len(failures[name]) for name in sorted(failures)] == [0, 1, 0, 0]
    assert "SIGKILL" in failures["clip_001"][0]["reason"]
    assert not (videos / "out" / "unfinished").exists()


def test_a_killed_batch_takes_its_workers_along_and_goes_on_where_it_was(videos, scene):
    write_slow_video(videos / "videos" / "clip_002.mp4", videos / "videos" / "clip_001.mp4")
    line = command(scene / "bundle", videos, videos / "out")
    batch = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: any("clip_002" in path.name for path in (videos / "out" / "unfinished").glob("*")))
    (worker,) = workers_of(videos / "out")
    killed(batch)
    wait_for(lambda: not is_alive(worker))
    before = records(videos / "out")
    assert set(before) == {"clip_000", "clip_001"}
    assert run(line) == {"done": 2, "failed": {}, "current": 2, "left": 0}
    assert {name: records(videos / "out")[name] for name in before} == before


def test_videos_come_from_a_server(videos, scene, capsys):
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Silent, directory=str(videos))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        signed = f"?key=id/{'0' * 300}"  # as buckets give it; too long for a file's name
        lines = [
            {
                "video": f"{base}/videos/clip_{i:03d}.mp4{signed}",
                "mask": f"{base}/masks/clip_{i:03d}.png{signed}",
            }
            for i in range(2)
        ]
        (videos / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
        line = command(scene / "bundle", videos, videos / "out")
        line[line.index("--videos") + 1] = str(videos / "list.jsonl")
        del line[line.index("--masks") : line.index("--masks") + 2]
        assert run(line)["done"] == 2
        assert run(line)["current"] == 2
        os.utime(videos / "videos" / "clip_001.mp4", (1e9, 1e9))  # of the same size, at another time
        assert run(line)["done"] == 1
        assert main(command(scene / "bundle", videos, f"{base}/out")[3:]) == 2  # it takes no files
        assert f"output {base}/out cannot be written" in capsys.readouterr().err
        server.shutdown()
    run(command(scene / "bundle", videos, videos / "local", "--limit", 2))
    assert digests(videos / "out") == digests(videos / "local")


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Nothing."""
