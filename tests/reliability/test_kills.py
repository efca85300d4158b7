"""`kill -9` at any moment: what is left can be read, and the same command completes afterwards."""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.reliability.bundle_copy import outcome_of
from tests.reliability.cache_process import ENGINE_BYTES, ENGINES, MOST_BYTES, engine_of, key_of
from tests.reliability.effort import effort
from tests.reliability.killed import moments, run, run_and_kill
from tests.reliability.outputs import check_outputs, stream_line
from tests.runtime.batch.moving_squares import command, digests, write_videos
from tests.runtime.batch.moving_squares import run as run_batch
from vosrt.bundle import Bundle
from vosrt.engine_cache import EngineCache

ROOT = Path(__file__).parents[2]
FRAMES = 40


@effort("count", 2, 50)
def test_a_killed_stream_leaves_readable_outputs_and_the_next_one_completes(
    colour_bundle, count, tmp_path, tally
):
    found = []
    for number, after in enumerate(moments(count, 0.5, seed=12)):
        folder = tmp_path / str(number)
        line = ["-m", "vosrt", *stream_line(colour_bundle, folder, 100_000)]
        assert run_and_kill(line, ROOT, after=after, begun=partial(has_content, folder / "masks.jsonl"))
        tally.fault()
        found.append(check_outputs(folder))
        if number % 10 == 0:
            again = run(["-m", "vosrt", *stream_line(colour_bundle, folder, FRAMES)], ROOT)
            assert again.returncode == 0, again.stderr
            counts = check_outputs(folder)
            assert counts["video"] == counts["lines"] == FRAMES  # whatever was there before
            assert min(counts["masks"], counts["cutouts"]) >= FRAMES
            assert not [path for path in folder.rglob(".*") if path.is_file()]
    print(found)
    assert all(counts["lines"] for counts in found)


@effort("count", 3, 30)
def test_a_cache_of_engines_is_usable_after_any_kill(count, tmp_path, caplog, tally):
    """Every second time while a file is being written."""
    folder, begun = tmp_path / "cache", tmp_path / "begun"
    for number, after in enumerate(moments(count, 0.4, seed=13)):
        for left in (begun, *folder.glob(".*.part")):
            left.unlink(missing_ok=True)
        line = ["-m", "tests.reliability.cache_process", str(folder)]
        if number % 2:
            assert run_and_kill(line, ROOT, after=after, begun=begun.exists)
        else:
            assert run_and_kill(line, ROOT, after=0.0, begun=partial(is_growing, folder))
        tally.fault()
        cache = EngineCache(folder, most_bytes=MOST_BYTES)
        with caplog.at_level(logging.WARNING):
            for path in cache.engines():
                name, turn = path.name.split(".")[1], _turn_of(path)
                engine = cache.get(key_of(int(name), turn), lambda: pytest.fail("it is there"))
                assert engine == engine_of(int(name), turn)
        assert "torn" not in caplog.text
        for number in range(ENGINES):
            assert cache.get(key_of(number, -1), lambda number=number: engine_of(number, -1))


@effort("count", 3, 10)
def test_a_bundle_is_whole_after_any_kill_of_what_replaces_it(colour_bundle, count, tmp_path, tally):
    target, begun = tmp_path / "bundle", tmp_path / "begun"
    for after in moments(count, 0.4, seed=14):
        begun.unlink(missing_ok=True)
        line = ["-m", "tests.reliability.bundle_process", str(colour_bundle), str(target)]
        assert run_and_kill(line, ROOT, after=after, begun=begun.exists)
        tally.fault()
        found = outcome_of(lambda: opened(target)) if target.exists() else "none"
        assert found in ("whole", "none"), found


@effort("count", 1, 30)
def test_a_killed_batch_keeps_whole_results_and_the_next_one_completes(colour_bundle, count, tmp_path, tally):
    write_videos(tmp_path, 6, 40)
    line = command(colour_bundle, tmp_path, tmp_path / "whole", "--outputs", "masks,rle,video")
    run_batch(line)
    expected, output = digests(tmp_path / "whole"), tmp_path / "killed"
    line[line.index(str(tmp_path / "whole"))] = str(output)
    finished = []
    for after in moments(count, 1.5, seed=17):
        if len(digests(output)) == len(expected):
            shutil.rmtree(output)
        begun = partial(has_begun, output / "unfinished", len(digests(output)))
        tally.fault(run_and_kill(line[1:], ROOT, after=after, begun=begun))
        found = digests(output)
        finished.append(len(found))
        assert found == {name: expected[name] for name in found}
        for name in found:
            assert contents(output / "results" / name) == contents(tmp_path / "whole" / "results" / name)
    print(finished)
    run_batch(line)
    assert digests(output) == expected
    assert not (output / "unfinished").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def has_begun(unfinished: Path, done: int) -> bool:
    """Whether a worker makes a result, or has made one more than there were."""
    return unfinished.exists() or len(digests(unfinished.parent)) > done


def is_growing(folder: Path) -> bool:
    """Whether a file in a folder of engines holds a part of one."""
    for path in [*folder.glob("*.engine"), *folder.glob(".*.part")]:
        with suppress(OSError):
            if 0 < path.stat().st_size < ENGINE_BYTES:
                return True
    return False


def has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def opened(bundle: Path) -> str:
    Bundle.open(bundle)
    return "whole"


@pytest.mark.full
def test_a_killed_export_leaves_no_bundle_and_the_next_one_completes(tmp_path, tally):
    sizes = ["--frame", "65x65", "--objects", "1", "--references", "1"]
    output = tmp_path / "bundle"
    line = ["-m", "vosrt", "export", "--model", "cfbi-lite", "--stand-in", "1", *sizes]
    line += ["--output", str(output)]
    for after in moments(4, 25.0, seed=15):
        was_running = run_and_kill(line, ROOT, after=after)
        tally.fault(was_running)
        assert not was_running or not output.exists()
    done = run([*line, "--overwrite"], ROOT)
    assert done.returncode == 0, done.stderr
    assert Bundle.open(output)


TINY = {"share": 1, "height": 33, "width": 49, "predicted": 1}


@pytest.mark.full
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, tally):
    torch = pytest.importorskip("torch")
    from vosrt.models.checkpoint import read_tensors

    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"steps": 4, "batch": 1, "bfloat16": False, "stages": [TINY]}))
    line = ["-m", "vosrt", "train", "--synthetic", "1", "--recipe", str(recipe)]
    line += ["--save-every", "1", "--log-every", "1", "--output"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run([*line, str(whole)], ROOT)
    assert done.returncode == 0, done.stderr
    for after in moments(6, 12.0, seed=16):
        tally.fault(run_and_kill([*line, str(killed)], ROOT, after=after))
    done = run([*line, str(killed)], ROOT)
    assert done.returncode == 0, done.stderr
    assert not list(killed.glob(".*.part"))
    weights = [read_tensors(folder / "weights.safetensors") for folder in (whole, killed)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert (whole / "steps.csv").read_text().count("\n") == (killed / "steps.csv").read_text().count("\n")


def _turn_of(path: Path) -> int:
    with path.open("rb") as file:
        file.readline()
        return int(json.loads(file.readline())["facts"]["turn"])
