"""What programs, and those who mean harm, may ask of the server."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)
httpx = pytest.importorskip("httpx")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from tests.serve.running_site import RunningSite, running_site  # noqa: E402
from tests.waiting import wait_for  # noqa: E402
from vosrt import InputError  # noqa: E402
from vosrt.benchmarks.live.server_process import server_process  # noqa: E402
from vosrt.cli import main  # noqa: E402
from vosrt.serve.access import checked_token, page_address  # noqa: E402
from vosrt.serve.marks import Mark  # noqa: E402

TOKEN = "a-token-of-the-test-0123"


@pytest.fixture(scope="module")
def site() -> Iterator[RunningSite]:
    with running_site(("door", "yard")) as found:
        yield found


@pytest.fixture(scope="module")
def client(site: RunningSite) -> Iterator:
    with httpx.Client(base_url=site.address, timeout=30) as found:
        yield found


def live(site: RunningSite, name: str = "door"):
    return connect(f"ws{site.address[4:]}/api/cameras/{name}/live", max_size=None)


def opened(message: bytes) -> tuple[dict, np.ndarray, np.ndarray]:
    text, picture = struct.unpack("<II", message[:8])
    numbers = json.loads(message[8 : 8 + text])
    parts = message[8 + text : 8 + text + picture], message[8 + text + picture :]
    image, labels = (cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_UNCHANGED) for part in parts)
    return numbers, image, labels


def test_object_is_added_named_corrected_and_removed(site, client):
    frozen = client.post("/api/cameras/door/freeze")
    numbers, image, labels = opened(frozen.content)
    assert image.shape == (*labels.shape, 3) == (*numbers["size"], 3)
    truth = site.truth["door", numbers["frame"]]
    rows, columns = np.nonzero(truth == 1)
    box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
    mark = {"frame": int(frozen.headers["X-Frame"]), "box": box, "name": "left"}
    added = client.post("/api/cameras/door/objects", json=mark).json()
    assert added["name"] == "left"
    number = added["id"]
    assert (
        client.patch(f"/api/cameras/door/objects/{number}", json={"name": "first"}).json()["name"] == "first"
    )
    plane = np.zeros(truth.shape, np.uint8)
    plane[2:30, 2:30] = 1
    frozen = client.post("/api/cameras/door/freeze")
    strokes = base64.b64encode(cv2.imencode(".png", plane)[1]).decode()
    corrected = {"frame": int(frozen.headers["X-Frame"]), "id": number, "strokes": strokes}
    assert client.post("/api/cameras/door/objects", json=corrected).status_code == 200
    assert (site.marked[-1][2:30, 2:30] == number).all()
    with live(site) as socket:
        shown = opened(socket.recv())[0]
        assert [(entry["id"], entry["name"]) for entry in shown["objects"]] == [(number, "first")]
    assert client.delete(f"/api/cameras/door/objects/{number}").status_code == 204
    assert client.delete(f"/api/cameras/door/objects/{number}").status_code == 404


def test_an_object_is_never_seen_without_its_name(site, client):
    with live(site) as socket:
        marked = client.post("/api/cameras/door/objects", json={"box": [20, 20, 90, 90], "name": "left"})
        number = marked.json()["id"]
        names = set()
        for _ in range(4):
            names |= {one["name"] for one in opened(socket.recv())[0]["objects"] if one["id"] == number}
    assert client.delete(f"/api/cameras/door/objects/{number}").status_code == 204
    assert names == {"left"}


HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1 << 30, 1 << 30)
MISTAKES = {
    "nothing": ({}, 422, "a box, clicks, a polygon or strokes"),
    "box outside": ({"box": [0, 0, 9999, 9]}, 422, "box: got"),
    "unknown frame": ({"frame": 2**50, "box": [1, 1, 30, 30]}, 422, "freeze it again"),
    "unknown object": ({"id": 200, "box": [1, 1, 30, 30]}, 404, "there is no object 200"),
    "id out of range": ({"id": 255, "box": [1, 1, 30, 30]}, 422, "less_than_equal"),
    "unknown field": ({"path": "/etc/passwd"}, 422, "extra_forbidden"),
    "no base64": ({"strokes": "&&&"}, 422, "no base64"),
    "no PNG": ({"strokes": base64.b64encode(b"GIF89a" * 9).decode()}, 422, "no PNG"),
    "huge PNG": (
        {
            "strokes": base64.b64encode(
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1 << 30, 1 << 30)
            ).decode()
        },
        422,
        "1073741824x1073741824",
    ),
    "infinite polygon": ({"polygon": [[1, 1], [5, 1e400], [1, 5]]}, 422, "polygon"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_and_cost_nothing(client, name):
    body, status, text = MISTAKES[name]
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/cameras/door/objects", content=json.dumps(body), headers=headers)
    assert answer.status_code == status
    assert text in answer.text
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/cameras/..%2f..%2fetc/freeze",
        "/api/cameras/window/freeze",
        "/../../etc/passwd",
        "/page/page.html",
        "/page.js/../app.py",
        "/api/recordings/..%2f..%2fetc%2fpasswd.mp4",
        "/api/recordings/0123456789abcdef.mp4",
    ],
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code in (404, 405)
    assert client.post(path).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/", "/page.css", "/healthz", "/metrics", "/api/cameras", "/openapi.json"])
def test_monitors_may_ask_for_heads_alone(client, path):
    head, whole = client.head(path), client.get(path)
    assert head.status_code == whole.status_code == 200
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) > 0
    assert head.content == b""


def test_strokes_that_take_long_to_read_hold_up_nobody(client, monkeypatch):
    reads, is_answered = threading.Event(), threading.Event()

    def prompts(mark: Mark, object_id: int, labels: np.ndarray) -> dict:
        reads.set()
        assert is_answered.wait(20)
        raise InputError("strokes", value="many", allowed="few")

    monkeypatch.setattr(Mark, "prompts", prompts)
    mark = {"box": [1, 1, 60, 60]}
    with ThreadPoolExecutor(1) as other:
        marked = other.submit(client.post, "/api/cameras/door/objects", json=mark, timeout=60)
        assert reads.wait(20)
        assert client.get("/healthz", timeout=10).status_code == 200
        is_answered.set()
        assert marked.result().status_code == 422


def test_a_frame_of_an_earlier_run_is_no_frame_of_this_one(client):
    number = int(client.post("/api/cameras/door/freeze").headers["X-Frame"])
    with running_site() as later, httpx.Client(base_url=later.address, timeout=30) as again:
        assert int(again.post("/api/cameras/door/freeze").headers["X-Frame"]) != number
        answer = again.post("/api/cameras/door/objects", json={"frame": number, "box": [1, 1, 60, 60]})
    assert (answer.status_code, "freeze it again" in answer.text) == (422, True)


def test_cameras_that_have_no_time_are_told(client, monkeypatch):
    monkeypatch.setattr("vosrt.serve.app._MARK_WITHIN", 0.0)
    answer = client.post("/api/cameras/yard/objects", json={"box": [10, 10, 60, 60]})
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "the cameras have been busy for 0 s; try it again",
    )


def test_no_client_can_add_objects_without_end():
    with running_site(most_objects=2) as site, httpx.Client(base_url=site.address, timeout=60) as client:
        mark = {"polygon": [[10, 10], [60, 10], [60, 60], [10, 60]]}
        statuses = [client.post("/api/cameras/door/objects", json=mark).status_code for _ in range(3)]
        assert statuses == [200, 200, 422]
        assert site.cameras.status("door")["objects"] == [1, 2]
        assert client.delete("/api/cameras/door/objects/1").status_code == 204
        assert client.post("/api/cameras/door/objects", json=mark).status_code == 200


def test_requests_that_are_too_large_are_refused(client):
    assert client.post("/api/cameras/door/objects", content=b" " * (7 << 20)).status_code == 413

    def pieces():
        for _ in range(8):
            yield b" " * (1 << 20)

    assert client.post("/api/cameras/door/objects", content=pieces()).status_code == 413
    assert client.get("/healthz").status_code == 200


def test_a_request_that_breaks_off_is_no_failure(site, client, caplog):
    port = int(site.address.rpartition(":")[2])
    head = b"POST /api/cameras/door/objects HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(head)
        assert client.get("/healthz").status_code == 200  # by then it is waited for
    with socket.create_connection(("127.0.0.1", port)) as whole:  # who comes later is answered later
        whole.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert whole.recv(12) == b"HTTP/1.1 200"
    assert client.get("/healthz").status_code == 200
    assert "Exception in ASGI application" not in caplog.text


def test_few_of_many_mistakes_are_told(client):
    answer = client.post("/api/cameras/door/objects", json={f"key {index}": 1 for index in range(5000)})
    assert answer.status_code == 422
    assert len(answer.content) < 5000


def test_other_sites_may_not_ask_for_their_visitors(site, client):
    foreign = {"Origin": "https://elsewhere.example"}
    assert client.post("/api/cameras/door/freeze", headers=foreign).status_code == 403
    own = {"Origin": site.address}
    assert client.post("/api/cameras/door/freeze", headers=own).status_code == 200
    address = f"ws{site.address[4:]}/api/cameras/door/live"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, additional_headers=foreign)


def test_a_name_that_others_let_point_here_opens_nothing(site, client):
    """A page of such a name is the server's own to a browser: only the name tells."""
    rebound = {"Host": "elsewhere.example:8000", "Origin": "http://elsewhere.example:8000"}
    assert client.get("/api/cameras", headers=rebound).status_code == 403
    assert client.post("/api/cameras/door/freeze", headers=rebound).status_code == 403
    assert client.get("/healthz", headers=rebound).status_code == 200
    port = site.address.rpartition(":")[2]
    address = f"ws://elsewhere.example:{port}/api/cameras/door/live"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, sock=socket.create_connection(("127.0.0.1", int(port))))
    for own in ("localhost:1234", "127.0.0.1", "[::1]:8000"):
        assert client.get("/api/cameras", headers={"Host": own}).status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in ("/", "/page.js", "/api/cameras", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_without_the_token_nothing_is_told():
    with running_site(token=TOKEN) as site, httpx.Client(base_url=site.address) as client:
        assert client.get("/healthz").status_code == 200
        for path in ("/", "/page.js", "/api/cameras", "/metrics", "/openapi.json"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/?token=wrong").status_code == 401
        opened = client.get(f"/?token={TOKEN}")
        assert (opened.status_code, opened.headers["location"]) == (303, ".")  # a proxy's prefix stays
        with pytest.raises(InvalidStatus, match="403"):
            live(site)
        # The cookie of another server's port:
        other = {"Cookie": f"vosrt_token_8001={TOKEN}", "Host": "cameras.example:8000"}
        assert client.get("/api/cameras", headers=other).status_code == 401
        cookie = {"Cookie": f"vosrt_token={TOKEN}", "Host": "cameras.example"}  # through a proxy …
        assert client.get("/api/cameras", headers=cookie).status_code == 200
        of_proxy = client.get("/api/cameras", headers=cookie, auth=("user", "word"))  # … with passwords
        assert of_proxy.status_code == 200


def test_no_request_passes_for_another_that_needs_no_token():
    """Starlette makes an address of `Host` and path, and reads another path from it."""
    with running_site(token=TOKEN) as site, httpx.Client(base_url=site.address) as client:
        for host in ("127.0.0.1/healthz?", "127.0.0.1/healthz#"):  # older versions of it take any
            assert client.get("/api/cameras", headers={"Host": host}).status_code == 401
        assert client.get("/%0Ahealthz").status_code == 401  # all of them drop the break


def test_the_address_that_is_printed_opens_the_page():
    token = "0123+456/789=a&b#c%d;e"
    with running_site(token=token) as site, httpx.Client() as client:
        answer = client.get(page_address(site.address + "/", token), follow_redirects=True)
        assert (answer.status_code, answer.url) == (200, site.address + "/")
    with pytest.raises(InputError, match="printable ASCII"):
        checked_token("127.0.0.1", "Schlüssel zum Hof")


def test_other_machines_need_a_token(capsys):
    assert checked_token("127.0.0.1", None) is None
    assert checked_token("::1", None) is None
    assert checked_token("0.0.0.0", TOKEN) == TOKEN
    with pytest.raises(InputError, match="can be reached by other machines"):
        checked_token("0.0.0.0", None)
    with pytest.raises(InputError, match="at least 16"):
        checked_token("127.0.0.1", "short")
    assert main(["serve", "cfbi-lite-davis", "--source", "test://64x96", "--host", "0.0.0.0"]) == 2
    assert "--token" in capsys.readouterr().err


def test_a_server_whose_frames_cannot_be_segmented_is_not_healthy(tmp_path):
    cameras = tmp_path / "cameras.toml"
    cameras.write_text('[camera.door]\nsource = "test://64x96?frames=0&fps=10"\ncrop = [0, 0, 500, 40]\n')
    with server_process("cfbi-lite-davis", [], ["--cameras", str(cameras)]) as server:
        wait_for(lambda: httpx.get(f"{server.address}/api/cameras").json()[0]["error"])
        answer = httpx.get(f"{server.address}/healthz")
        assert (answer.status_code, answer.json()) == (503, {"is_live": {"door": False}})


def test_figures_for_prometheus(client):
    text = client.get("/metrics").text
    for name in (
        "frames_total",
        "frame_age_seconds_bucket",
        "stage_seconds_count",
        "frames_per_second",
        "dropped_frames",
        "is_live",
    ):
        assert f'vosrt_{name}{{camera="door"' in text
    assert "process_resident_memory_bytes " in text
    assert "process_open_fds " in text


def test_clients_that_break_off_leave_nothing_and_are_no_failure(site, caplog):
    def breaks_off() -> None:
        with live(site) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()

    before = len(threading.enumerate())
    for _ in range(30):
        with contextlib.suppress(ConnectionClosed, OSError):
            breaks_off()
    with live(site) as client:
        assert len(client.recv(timeout=5)) > 100
    gc.collect()  # a task that failed unheard is told when it goes
    assert "never retrieved" not in caplog.text
    assert len(threading.enumerate()) <= before + 3


def test_clients_that_never_read_hold_up_nobody(site):
    """Fifty clients, ten of which read nothing: the others get the newest frames, and memory stays."""
    stack = contextlib.ExitStack()
    sockets = [stack.enter_context(live(site)) for _ in range(50)]
    counts = [0] * 40
    is_over = threading.Event()

    def read(index: int) -> None:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            while not is_over.is_set():
                sockets[index].recv(timeout=5)
                counts[index] += 1

    threads = [threading.Thread(target=read, args=(index,), daemon=True) for index in range(40)]
    for thread in threads:
        thread.start()
    before, started = site.cameras.status("door")["segmented"], time.monotonic()
    wait_for(lambda: site.cameras.status("door")["segmented"] >= before + 12)
    rate = 12 / (time.monotonic() - started)
    wait_for(lambda: min(counts) >= 6)
    is_over.set()
    for thread in threads:
        thread.join(10)
    stack.close()
    assert rate > 2  # of 4 that the camera gives, with all of them in this process
