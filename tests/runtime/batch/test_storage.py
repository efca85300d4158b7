"""Where results are kept, whoever else writes there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from vosrt.batch.storage import LocalStorage


def test_scratch_folders_that_come_and_go_do_not_disturb_each_other(tmp_path):
    def make_many(worker: int) -> None:
        storage = LocalStorage(str(tmp_path))
        for number in range(1500):
            with storage.scratch(f"video_{worker}_{number}") as folder:
                assert folder.is_dir()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(make_many, range(2)))
    assert not (tmp_path / "unfinished").exists()
