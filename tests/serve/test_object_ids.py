"""Which ids objects get that clients add."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)
httpx = pytest.importorskip("httpx")

from tests.serve.running_site import running_site  # noqa: E402
from vosrt.serve.watched_camera import WatchedCamera  # noqa: E402


def test_a_late_correction_of_a_removed_object_changes_no_other():
    """In another browser it was being corrected still when a new one was added."""
    with running_site() as site, httpx.Client(base_url=site.address, timeout=60) as client:
        path, mark = "/api/cameras/door/objects", {"polygon": [[10, 10], [60, 10], [60, 60], [10, 60]]}
        number = client.post(path, json=mark).json()["id"]
        frozen = int(client.post("/api/cameras/door/freeze").headers["X-Frame"])
        assert client.delete(f"{path}/{number}").status_code == 204
        assert client.post(path, json=mark).status_code == 200
        late = {"frame": frozen, "id": number, "box": [1, 1, 30, 30]}
        assert client.post(path, json=late).status_code == 404


@pytest.mark.parametrize(("reuses", "given"), [(True, 255 * [1]), (False, [1, *range(3, 255), 1, 3])])
def test_the_id_of_a_removed_object_comes_last_or_first(reuses, given):
    watched = WatchedCamera("door", SimpleNamespace(status=lambda _: {"objects": [2]}), reuses_ids=reuses)
    numbers = []
    for _ in range(255):
        watched.refused(watched.new_id(None))  # takes none
        numbers.append(watched.new_id(None))
        watched.left(numbers[-1])
    assert numbers == given


def test_the_id_of_a_removed_object_of_a_mask_comes_last():
    there = {"objects": [1, 2]}
    watched = WatchedCamera("door", SimpleNamespace(status=lambda _: there))
    there["objects"].remove(2)
    watched.left(2)
    assert watched.new_id(None) == 3
