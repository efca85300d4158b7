"""What a batch does, leaves alone and keeps, with a worker in this process."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.batch.inline_pool import InlinePool
from tests.runtime.batch.moving_squares import digests, records, write_videos
from vosrt.batch.batch_display import BatchDisplay
from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.batch_run import BatchRun, Shard
from vosrt.batch.batch_status import BatchStatus
from vosrt.batch.input_facts import stamp_of
from vosrt.batch.job import LONGEST_NAME
from vosrt.batch.job_list import JobDefaults, find_jobs
from vosrt.batch.reported_run import reported_run
from vosrt.batch.worker import BatchWorker, WorkerSetup
from vosrt.errors import InputError
from vosrt.label_map import read_label_map, write_label_map
from vosrt.stream_job import StreamJob

FRAMES = 5


@pytest.fixture
def batch(scene, tmp_path):
    """Three videos, and a function that runs a batch over them: returns the report and what was run."""
    write_videos(tmp_path, 3, FRAMES)

    def run(*videos, output=tmp_path / "out", shard=(1, 1), limit=None, needs=None, retries=0, **defaults):
        setup = WorkerSetup(str(output), [str(scene / "bundle")], needs=needs or {})
        given = JobDefaults(**({"masks": str(tmp_path / "masks")} | defaults))
        jobs = find_jobs([str(video) for video in videos] or [str(tmp_path / "videos")], given)
        batch_run = BatchRun(BatchFolder.open(str(output)), setup, BatchDisplay(is_shown=False))
        todo = batch_run.plan(jobs, shard=Shard(*shard), limit=limit)
        pool = InlinePool(setup)
        report = batch_run.run(todo, lambda: pool, retries=retries)
        return report, pool.ran

    return run


def test_results_are_those_of_a_stream(batch, scene, tmp_path):
    batch(outputs=("masks", "rle", "video", "cutout"))
    alone = tmp_path / "alone"
    StreamJob(
        str(scene / "bundle"),
        str(tmp_path / "videos" / "clip_001.mp4"),
        mask=str(tmp_path / "masks" / "clip_001.png"),
        masks=str(alone / "masks"),
        rle=str(alone / "masks.jsonl"),
        video=str(alone / "overlay.mp4"),
        cutout=str(alone / "cutout"),
        show_progress=False,
    ).run()
    for file in (path for path in alone.rglob("*") if path.is_file()):
        result = tmp_path / "out" / "results" / "clip_001" / file.relative_to(alone)
        assert result.read_bytes() == file.read_bytes()
    assert not (tmp_path / "out" / "unfinished").exists()


def test_a_record_says_what_was_read_made_and_how(batch, tmp_path):
    batch(needs={"bundles": [["colour", "abc"]]})
    record = records(tmp_path / "out")["clip_002"]
    assert record["state"] == "done"
    assert record["frames"] == FRAMES
    assert record["objects"] == 2
    assert record["needs"]["bundles"] == [["colour", "abc"]]
    assert set(record["inputs"]) == {"video", "mask"}
    assert len(record["inputs"]["video"]["sha256"]) == len(record["outputs"]["masks"]) == 64
    assert record["worker"].endswith(f":{os.getpid()}")


def test_a_second_run_does_nothing(batch):
    batch()
    report, ran = batch()
    assert (report.current, ran) == (3, [])


def test_only_what_changed_runs_again(batch, tmp_path):
    batch()
    mask = read_label_map(tmp_path / "masks" / "clip_001.png")
    mask[mask == 2] = 0
    write_label_map(tmp_path / "masks" / "clip_001.png", mask)
    os.utime(tmp_path / "videos" / "clip_002.mp4", (1, 1))  # another stamp, the same content
    report, ran = batch()
    assert ran == ["clip_001"]
    assert report.current == 2


def test_other_networks_settings_outputs_or_missing_results_run_again(batch, tmp_path):
    batch()
    assert len(batch(needs={"bundles": [["other", "1"]]})[1]) == 3
    assert len(batch(outputs=("rle",))[1]) == 3
    assert not (tmp_path / "out" / "results" / "clip_000" / "masks").exists()  # the older results have gone
    shutil.rmtree(tmp_path / "out" / "results" / "clip_000")
    assert batch(outputs=("rle",))[1] == ["clip_000"]


def test_a_damaged_record_is_no_record(batch, tmp_path):
    batch()
    (tmp_path / "out" / "records" / "clip_001.json").write_text('{"format": 1')
    assert batch()[1] == ["clip_001"]


def test_bad_videos_fail_and_stop_no_other(batch, tmp_path):
    videos = tmp_path / "videos"
    (videos / "clip_000.mp4").write_bytes(b"this is no video")
    whole = (videos / "clip_001.mp4").read_bytes()
    (videos / "clip_001.mp4").write_bytes(whole[: len(whole) // 3])
    shutil.copy(videos / "clip_002.mp4", videos / "unmarked.mp4")
    report, ran = batch(retries=1)
    assert ran == ["clip_000", "clip_001", "clip_002", "unmarked", "clip_000", "clip_001", "unmarked"]
    reasons = {record.key: record.failures[-1].reason for record in report.failed}
    assert set(reasons) == {"clip_000", "clip_001", "unmarked"}
    assert "unmarked.png" in reasons["unmarked"]
    assert all(len(record.failures) == 2 for record in report.failed)
    assert sorted(path.name for path in (tmp_path / "out" / "results").iterdir()) == ["clip_002"]
    status = BatchStatus.of(BatchFolder.open(str(tmp_path / "out")))
    assert status.lines()[0] == "4 videos: 1 done, 3 failed, 0 left"
    (videos / "clip_001.mp4").write_bytes(whole)
    assert batch()[1] == ["clip_000", "clip_001", "unmarked"]
    assert records(tmp_path / "out")["clip_001"]["state"] == "done"


def test_a_pipe_is_no_video_and_stops_no_other(batch, tmp_path):
    (tmp_path / "videos" / "clip_001.mp4").unlink()
    os.mkfifo(tmp_path / "videos" / "clip_001.mp4")
    report, _ = batch()
    assert [record.key for record in report.failed] == ["clip_001"]
    assert "not an ordinary file" in report.failed[0].failures[0].reason


def test_a_worker_whose_program_is_gone_ends_without_a_word(batch, scene, tmp_path, caplog):
    def report(progress):
        raise BrokenPipeError

    (job, *_) = find_jobs([str(tmp_path / "videos")], JobDefaults(masks=str(tmp_path / "masks")))
    worker = BatchWorker(WorkerSetup(str(tmp_path / "out"), [str(scene / "bundle")]))
    with pytest.raises(BrokenPipeError):
        reported_run(worker, "one", job, report)
    assert not caplog.records


def test_a_failure_leaves_older_results_alone(batch, tmp_path):
    batch()
    before = (tmp_path / "out" / "results" / "clip_000" / "masks" / "00003.png").read_bytes()
    (tmp_path / "videos" / "clip_000.mp4").write_bytes(b"damaged")
    batch()
    assert records(tmp_path / "out")["clip_000"]["state"] == "failed"
    assert (tmp_path / "out" / "results" / "clip_000" / "masks" / "00003.png").read_bytes() == before


def test_shards_share_videos_out_and_a_limit_leaves_some(batch, tmp_path):
    assert batch(shard=(2, 2))[1] == ["clip_001"]
    report, ran = batch(shard=(1, 2), limit=1)
    assert (ran, report.left) == (["clip_000"], 1)
    status = BatchStatus.of(BatchFolder.open(str(tmp_path / "out"))).to_json()
    assert (status["done"], status["left"]) == (2, ["clip_002"])


def test_manifests_name_masks_boxes_outputs_and_lengths(batch, tmp_path):
    lines = [
        {"video": "videos/clip_000.mp4", "mask": "masks/clip_000.png", "name": "first", "outputs": ["rle"]},
        {"video": "videos/clip_001.mp4", "boxes": {"3": [4, 4, 30, 27]}, "frames": 2},
        {"video": "test://64x96?objects=1&frames=2", "name": "generated"},
    ]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    report, _ = batch(manifest, masks=None)
    assert not report.failed
    results = tmp_path / "out" / "results"
    assert sorted(path.name for path in results.iterdir()) == ["clip_001", "first", "generated"]
    assert [path.name for path in (results / "first").iterdir()] == ["masks.jsonl"]
    labels = [read_label_map(path) for path in sorted((results / "clip_001" / "masks").iterdir())]
    assert len(labels) == 2
    assert set(np.unique(labels[0])) == {0, 3}


def test_names_may_be_as_long_as_files_allow(batch, tmp_path):
    name = "ж" * (LONGEST_NAME // 2)  # two bytes each
    (tmp_path / "videos" / "clip_000.mp4").rename(tmp_path / "videos" / f"{name}.mp4")
    (tmp_path / "masks" / "clip_000.png").rename(tmp_path / "masks" / f"{name}.png")
    report, _ = batch()
    assert (name in report.records, report.failed) == (True, [])
    assert len(list((tmp_path / "out" / "results" / name / "masks").iterdir())) == FRAMES


def test_split_videos_start_anew_at_every_mask_and_are_put_together(batch, tmp_path):
    masks = tmp_path / "masks" / "clip_000"
    masks.mkdir()
    first = tmp_path / "masks" / "clip_000.png"
    shutil.copy(first, masks / "00000.png")
    shutil.copy(first, masks / "00003.png")
    first.unlink()
    (tmp_path / "list.jsonl").write_text(
        json.dumps({"video": "videos/clip_000.mp4", "mask": "masks/clip_000", "split": True})
    )
    _, ran = batch(tmp_path / "list.jsonl", outputs=("masks", "rle"))
    assert ran == ["clip_000/0000", "clip_000/0001"]
    results = tmp_path / "out" / "results" / "clip_000"
    assert [path.stem for path in sorted((results / "masks").iterdir())] == [
        f"{i:05d}" for i in range(FRAMES)
    ]
    indices = [json.loads(line)["index"] for line in (results / "masks.jsonl").read_text().splitlines()]
    assert indices == list(range(FRAMES))
    given = read_label_map(masks / "00003.png")
    assert np.array_equal(read_label_map(results / "masks" / "00003.png"), given)
    record = records(tmp_path / "out")["clip_000"]
    assert (record["state"], record["frames"]) == ("done", FRAMES)
    assert not (tmp_path / "out" / "parts" / "clip_000").exists()
    assert batch(tmp_path / "list.jsonl", outputs=("masks", "rle"))[1] == []


def test_parts_that_are_done_stay_done(batch, tmp_path):
    masks = tmp_path / "masks" / "clip_000"
    masks.mkdir()
    for name in ("00000.png", "00002.png"):
        shutil.copy(tmp_path / "masks" / "clip_000.png", masks / name)
    (masks / "00002.png").write_bytes(b"no mask")
    (tmp_path / "list.jsonl").write_text(
        json.dumps({"video": "videos/clip_000.mp4", "mask": "masks/clip_000", "split": True})
    )
    report, _ = batch(tmp_path / "list.jsonl")
    assert "part clip_000/0001" in report.failed[0].failures[-1].reason
    shutil.copy(tmp_path / "masks" / "clip_000.png", masks / "00002.png")
    report, ran = batch(tmp_path / "list.jsonl")
    assert (ran, len(report.failed)) == (["clip_000/0001"], 0)


def test_the_last_part_ends_where_the_video_is_to_end(batch, tmp_path):
    masks = tmp_path / "masks" / "clip_000"
    masks.mkdir()
    for name in ("00000.png", "00002.png", "00004.png"):
        shutil.copy(tmp_path / "masks" / "clip_000.png", masks / name)
    (tmp_path / "masks" / "clip_000.png").unlink()
    report, ran = batch(tmp_path / "videos" / "clip_000.mp4", split=True, frames=3)
    assert (ran, report.records["clip_000"].frames) == (["clip_000/0000", "clip_000/0001"], 3)
    assert len(list((tmp_path / "out" / "results" / "clip_000" / "masks").iterdir())) == 3


def test_split_folders_of_images_go_by_names_wherever_they_are(batch, scene, tmp_path):
    pytest.importorskip("fsspec")
    masks = tmp_path / "masks" / "frames"
    masks.mkdir()
    shutil.copy(scene / "mask.png", masks / "shot_00.png")
    shutil.copy(scene / "mask.png", masks / "shot_03.png")
    given = {"split": True, "outputs": ("masks", "rle")}
    _, ran = batch(scene / "frames", output=tmp_path / "local", **given)
    shutil.copytree(scene / "frames", tmp_path / "frames")
    inside = f"::file://{shutil.make_archive(str(tmp_path / 'all'), 'zip', tmp_path)}"
    places = [((scene / "frames").as_uri(), (tmp_path / "masks").as_uri())]
    places.append((f"zip://frames{inside}", f"zip://masks{inside}"))
    for number, (video, masks_there) in enumerate(places):
        report, remote_ran = batch(video, masks=masks_there, output=tmp_path / str(number), **given)
        assert (remote_ran, report.failed) == (ran, [])
        assert digests(tmp_path / str(number)) == digests(tmp_path / "local")


def test_a_split_video_without_masks_on_a_server_fails_and_stops_no_other(batch, tmp_path):
    pytest.importorskip("fsspec")
    masks = tmp_path / "masks" / "clip_000"
    masks.mkdir()
    (tmp_path / "masks" / "clip_000.png").rename(masks / "0.png")
    (tmp_path / "masks" / "clip_001.png").unlink()
    videos = [tmp_path / "videos" / f"clip_{number:03d}.mp4" for number in range(2)]
    report, ran = batch(*videos, masks=(tmp_path / "masks").as_uri(), split=True)
    assert (ran, [record.key for record in report.failed]) == (["clip_000/0000"], ["clip_001"])
    assert "is not there" in report.failed[0].failures[0].reason


def test_addresses_of_file_systems_are_fetched_and_written(batch, tmp_path):
    pytest.importorskip("fsspec")
    base, output = tmp_path.as_uri(), (tmp_path / "remote").as_uri()
    report, ran = batch(
        f"{base}/videos/*.mp4", output=output, masks=f"{base}/masks", outputs=("masks", "rle")
    )
    assert (len(ran), report.failed) == (3, [])
    batch(output=tmp_path / "local", outputs=("masks", "rle"))
    assert digests(tmp_path / "remote") == digests(tmp_path / "local")
    assert (tmp_path / "remote" / "results" / "clip_002" / "masks" / "00004.png").is_file()
    report, ran = batch(
        f"{base}/videos/*.mp4", output=output, masks=f"{base}/masks", outputs=("masks", "rle")
    )
    assert (report.current, ran) == (3, [])


def test_no_name_is_a_pattern_to_a_file_system(batch, scene, tmp_path):
    files = pytest.importorskip("fsspec").filesystem("memory")
    place = f"memory://{tmp_path.name}"
    for kind in ("videos", "masks"):
        files.put(str(tmp_path / kind), f"/{tmp_path.name}/{kind}", recursive=True)
    files.put(str(scene / "frames"), f"/{tmp_path.name}/more/[1]", recursive=True)
    files.put_file(str(scene / "mask.png"), f"/{tmp_path.name}/masks/_1_.png")
    names = [{"video": f"videos/clip_{i:03d}.mp4", "name": name} for i, name in enumerate(("ab", "ac", "a*"))]
    masks = [{"mask": f"masks/clip_{i:03d}.png"} for i in range(3)]
    lines = [json.dumps(one | other) for one, other in zip(names, masks, strict=True)]
    files.pipe(f"/{tmp_path.name}/list.jsonl", "\n".join(lines).encode())
    addresses = [f"{place}/list.jsonl", f"{place}/more"]
    for frames in (None, 2):  # the second time what was there goes
        report, ran = batch(*addresses, masks=f"{place}/masks", output=f"{place}/out", frames=frames)
        assert (len(ran), report.failed) == (4, [])
    found = {Path(file).parts[4] for file in files.find(f"/{tmp_path.name}/out/results")}
    assert found == {"ab", "ac", "a*", "_1_"}
    assert all(len(files.find(f"/{tmp_path.name}/out/results/{name}")) == 2 for name in found)


def test_videos_and_masks_may_lie_in_an_archive(batch, tmp_path):
    pytest.importorskip("fsspec")

    def pack(listed: bytes) -> Path:
        (tmp_path / "list.txt").write_bytes(listed)
        os.utime(tmp_path / "list.txt", (1e9, 1e9))
        return Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path))

    pack(b"")
    inside = f"::file://{tmp_path}/all.zip"
    for videos, count in ((f"zip://videos{inside}", 3), (f"zip://videos/*_001.mp4{inside}", 1)):
        report, ran = batch(videos, masks=f"zip://masks{inside}", output=tmp_path / str(count))
        assert (len(ran), report.failed) == (count, [])
    (tmp_path / "list.txt").write_text(f"zip://videos/clip_002.mp4{inside}")
    assert batch(f"{tmp_path}/list.txt", masks=f"zip://masks/{{name}}.png{inside}")[1] == ["clip_002"]
    before = stamp_of(f"zip://list.txt::file://{pack(b'1')}")
    assert stamp_of(f"zip://list.txt::file://{pack(b'2')}") != before  # as long and as old as the other


def test_status_names_the_videos_in_work(batch, tmp_path):
    folder = BatchFolder.open(str(tmp_path / "out"))
    folder.start(["left", "split", "take~2"])
    with folder.storage.scratch("take~2"), folder.storage.scratch("split/0003"):
        assert BatchStatus.of(folder).unfinished == ["split", "take~2"]


def test_a_folder_of_something_else_is_refused(batch, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"not empty and holds no batch\.json"):
        batch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_an_output_that_takes_no_records_is_named(batch, tmp_path):
    batch(limit=1)
    shutil.rmtree(tmp_path / "out" / "records")
    (tmp_path / "out" / "records").write_text("in the way")
    with pytest.raises(InputError, match=r"output .*out cannot be written"):
        batch()


def test_leftovers_of_dead_workers_go(batch, tmp_path):
    import socket

    left = tmp_path / "out" / "unfinished" / f"clip_000~{socket.gethostname()}~999999999~abc"
    batch(limit=1)
    left.mkdir(parents=True)
    shutil.rmtree(tmp_path / "out" / "results" / "clip_000")
    assert batch(limit=1)[1] == ["clip_000"]
    assert not left.exists()
