"""The engine cache under kills, tears, changes and crowds."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vosrt.engine_cache import EngineCache, EngineKey, default_folder
from vosrt.errors import InputError

KEY = EngineKey("net.segment.float16.96x160x2", {"graph": "a1", "tensorrt": "10.3.0", "GPU": "Orin (sm_87)"})


def never() -> bytes:
    raise AssertionError("there is an engine already")


def path_of(folder: Path, key: EngineKey = KEY) -> Path:
    return folder / key.file_name


def test_an_engine_is_built_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert EngineCache(tmp_path).get(KEY, lambda: b"engine") == b"engine"
    assert EngineCache(tmp_path).get(KEY, never) == b"engine"
    (line,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert line == f"{KEY.name}: building an engine for this GPU; it is kept in {tmp_path}"


@pytest.mark.parametrize("cut", [0, 5, 15, 40, -7, -1])
def test_a_torn_file_is_built_again(tmp_path, caplog, cut):
    EngineCache(tmp_path).get(KEY, lambda: b"engine" * 9)
    path = path_of(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    assert EngineCache(tmp_path).get(KEY, lambda: b"anew") == b"anew"
    assert f"{KEY.name}: {path} is torn or no engine; it is built again" in caplog.messages
    assert EngineCache(tmp_path).get(KEY, never) == b"anew"


def test_a_flipped_bit_anywhere_is_seen(tmp_path):
    EngineCache(tmp_path).get(KEY, lambda: b"engine")
    path = path_of(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert EngineCache(tmp_path).get(KEY, lambda: b"anew") == b"anew", place


def test_an_engine_of_another_machine_under_this_name_is_not_used(tmp_path, caplog):
    other = EngineKey(KEY.name, {**KEY.facts, "GPU": "V100 (sm_70)"})
    EngineCache(tmp_path).get(other, lambda: b"foreign")
    path_of(tmp_path, other).rename(path_of(tmp_path))
    assert EngineCache(tmp_path).get(KEY, lambda: b"own") == b"own"
    assert any("is of something else; it is built again" in line for line in caplog.messages)


@pytest.mark.parametrize("fact", ["graph", "tensorrt", "GPU"])
def test_what_has_changed_is_named(tmp_path, caplog, fact):
    EngineCache(tmp_path).get(KEY, lambda: b"old")
    caplog.clear()
    changed = EngineKey(KEY.name, {**KEY.facts, fact: "other"})
    assert EngineCache(tmp_path).get(changed, lambda: b"new") == b"new"
    (line,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert (
        line
        == f"{KEY.name}: building, because the engine there is stale ({fact} was {KEY.facts[fact]}, is other)"
    )
    assert EngineCache(tmp_path).get(KEY, never) == b"old"  # both are kept


def test_what_was_not_used_for_longest_gives_way(tmp_path):
    cache = EngineCache(tmp_path, most_bytes=1100)
    keys = [EngineKey(f"net{index}", {}) for index in range(4)]
    for age, key in enumerate(keys[:3]):
        cache.get(key, lambda: b"x" * 200)
        os.utime(path_of(tmp_path, key), (age, age))
    cache.get(keys[0], never)  # used now
    cache.get(keys[3], lambda: b"x" * 200)
    left = {path.name.partition(".")[0] for path in cache.engines()}
    assert left == {"net0", "net2", "net3"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(InputError, match="VOSRT_CACHE"):
        EngineCache(blocked / "engines").get(KEY, lambda: b"engine")


def test_a_full_disk_costs_the_file_only(tmp_path, monkeypatch, caplog):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vosrt.engine_cache.write_whole_file", full)
    assert EngineCache(tmp_path).get(KEY, lambda: b"engine") == b"engine"
    assert any("cannot be kept" in line and "No space left" in line for line in caplog.messages)


def test_the_default_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("VOSRT_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own"
    monkeypatch.delenv("VOSRT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "vosrt/engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home/.cache/vosrt/engines"


def test_a_user_without_home_lacks_it_only_where_engines_are_kept(monkeypatch):
    """As one that a container is started with, whom no list of users knows."""

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for variable in ("VOSRT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    cache = EngineCache()
    with pytest.raises(InputError, match=r"the user has no home; name one in VOSRT_CACHE"):
        _ = cache.folder


BUILDER = """
import sys, time
from pathlib import Path
from vosrt.engine_cache import EngineCache, EngineKey
folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def build():
    with log.open("a") as stream:
        stream.write("built\\n")
    time.sleep(seconds)
    return b"engine" * 2_000_000
engine = EngineCache(folder).get(EngineKey("net", {}), build)
assert engine == b"engine" * 2_000_000
"""


def start(folder: Path, log: Path, seconds: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(folder), str(log), str(seconds)])


def test_processes_that_need_the_same_engine_build_it_once(tmp_path):
    log = tmp_path / "log"
    processes = [start(tmp_path / "cache", log, 0.5) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_a_kill_at_any_moment_leaves_a_usable_cache(tmp_path):
    for moment in range(6):
        folder, log = tmp_path / str(moment), tmp_path / f"log{moment}"
        process = start(folder, log, 0.0)
        while not log.exists():
            time.sleep(0.001)
        time.sleep(moment * 0.01)  # building, writing, or through with it
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert start(folder, log, 0.0).wait() == 0


def test_what_was_found_with_a_torn_engine_is_dropped(tmp_path):
    cache = EngineCache(tmp_path)
    cache.get(KEY, lambda: b"engine")
    cache.keep_record("of.this", {"frames": [1.0], "engines": [KEY.file_name]})
    cache.keep_record("of.another", {"frames": [1.0], "engines": ["another.engine"]})
    cache.get(KEY, lambda: b"engine")
    assert cache.record("of.this") is not None
    (tmp_path / KEY.file_name).write_bytes(b"torn")
    cache.get(KEY, lambda: b"built otherwise")
    assert cache.record("of.this") is None
    assert cache.record("of.another") is not None
