"""The server: pages, an interface for programs, and live pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

import fastapi
from fastapi import HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute

import vosrt
from vosrt.cameras import View
from vosrt.errors import Error
from vosrt.serve.access import cookie_name, is_own_name, is_own_origin, shows_token
from vosrt.serve.answers import binary, refusals
from vosrt.serve.camera_group import CameraGroup
from vosrt.serve.limited_body import LimitedBody
from vosrt.serve.live_message import live_message
from vosrt.serve.marks import Mark, Name
from vosrt.serve.measures import Measures
from vosrt.serve.recordings import Recordings
from vosrt.serve.watched_camera import WatchedCamera

_SCRIPTS = ("page.js", "tile.js", "crosshair.js", "live_view.js", "ask.js")
_PAGES = {  # by path
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    **{name: (name, "text/javascript") for name in _SCRIPTS},
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ANY = refusals(401, 403, 413)  # may be the answer to any request
_OPEN = ("/healthz",)  # needs no token: it says nothing but whether frames come
_MOST_CLIENTS = 256  # live channels
_MARK_WITHIN = 60.0  # seconds
_MOST_MISTAKES = 20  # of a request that are told
MOST_OBJECTS = 20  # of a camera

Opener = Callable[[Callable[[str, View], object]], CameraGroup]


class Site:
    """What all requests share.

    Args:
        open_cameras: opens the cameras, given what is to be called with every view.
        token: that clients must show; None for none.
        most_objects: of each camera.
        ended: called when the cameras are closed.
        reuses_ids: see `WatchedCamera`.
    """

    def __init__(
        self,
        open_cameras: Opener,
        token: str | None,
        most_objects: int,
        ended: Callable[[], object] | None,
        *,
        reuses_ids: bool,
    ) -> None:
        self.token = token
        self._ended = ended
        self._most_objects = most_objects
        self._reuses_ids = reuses_ids
        self.measures = Measures()
        self.recordings = Recordings()
        self.watched: dict[str, WatchedCamera] = {}
        self._open = open_cameras
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cameras: CameraGroup

    async def start(self) -> None:
        """Open the cameras."""
        self._loop = asyncio.get_running_loop()
        self.cameras = await asyncio.to_thread(self._open, self._seen)
        self.watched = {
            name: WatchedCamera(name, self.cameras, self._most_objects, reuses_ids=self._reuses_ids)
            for name in self.cameras.names
        }

    async def stop(self) -> None:
        """Close everything."""
        try:
            await asyncio.to_thread(self.cameras.close)
            self.recordings.close()
        finally:
            if self._ended is not None:
                await asyncio.to_thread(self._ended)

    def camera(self, name: str, object_id: int | None = None) -> WatchedCamera:
        """A camera by its name; 404 where there is none, or it has not this object."""
        if name not in self.watched:
            raise HTTPException(404, f"there is no camera {name!r}")
        if object_id is not None and object_id not in self.cameras.status(name)["objects"]:
            raise HTTPException(404, f"there is no object {object_id}")
        return self.watched[name]

    def _seen(self, name: str, view: View) -> None:
        """Called by the cameras' thread."""
        if not view.is_again:
            self.measures.seen(name, view)
            self.recordings.write(name, view)
        if self._loop is not None and name in self.watched and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.watched[name].wake)


def build_app(
    open_cameras: Opener,
    *,
    token: str | None = None,
    most_objects: int = MOST_OBJECTS,
    save: Callable[[], str] | None = None,
    ended: Callable[[], object] | None = None,
) -> fastapi.FastAPI:
    """The application that `vosrt serve` runs.

    Args:
        open_cameras: opens `Cameras`, given what they are to call with every view (`seen`).
        token: that clients must show; None where only this machine can ask.
        most_objects: that clients may add to a camera (20).
        save: where objects are only picked: keeps what is picked, returns where in words.
        ended: called when the cameras are closed.
    """
    site = Site(open_cameras, token, most_objects, ended, reuses_ids=save is not None)

    @asynccontextmanager
    async def life(_: fastapi.FastAPI) -> AsyncIterator[None]:
        await site.start()
        try:
            yield
        finally:
            await site.stop()

    app = fastapi.FastAPI(
        title="vosrt", version=vosrt.__version__, lifespan=life, docs_url=None, redoc_url=None, responses=_ANY
    )
    app.add_middleware(LimitedBody)

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _refusal(site, request) or await call(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(Error)
    async def told(_: Request, error: Error) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def refused(_: Request, error: RequestValidationError) -> JSONResponse:
        """Without what was sent: it may be no JSON at all, an infinite number for one."""
        kept = ("type", "loc", "msg")
        told = [{key: one[key] for key in kept} for one in error.errors()[:_MOST_MISTAKES]]
        return JSONResponse({"detail": told}, 422)

    _add_pages(app, site)
    _add_cameras(app, site, can_save=save is not None)
    _add_objects(app, site)
    if save is not None:
        _add_save(app, save)
    _add_recordings(app, site)
    _add_live(app, site)
    for route in [one for one in app.routes if isinstance(one, APIRoute) and "GET" in (one.methods or ())]:
        app.head(route.path, include_in_schema=False)(route.endpoint)
    return app


def _refusal(site: Site, request: HTTPConnection) -> Response | None:
    """What a request or a live channel gets in place of an answer; None where there is one."""
    path = request.scope["path"]  # that is answered; in `request.url` it stands behind any `Host`
    if path not in _OPEN and not is_own_name(site.token, request.headers):
        told = "without a token the server answers at addresses of its own machine alone, 127.0.0.1 for one"
        return JSONResponse({"detail": told}, 403)
    given = request.query_params.get("token")
    if given is not None and path == "/" and shows_token(site.token, {"authorization": given}, {}):
        page = RedirectResponse(".", 303)  # wherever a proxy has put the page
        # To follow a link from another site is no request of that site's page: "lax" shows the token then.
        page.set_cookie(cookie_name(request.headers), given, httponly=True, samesite="lax")
        return page
    if path not in _OPEN and not shows_token(site.token, request.headers, request.cookies):
        told = "a token is needed: /?token=TOKEN opens the page, programs send Authorization: Bearer TOKEN"
        return JSONResponse({"detail": told}, 401, headers={"WWW-Authenticate": "Bearer"})
    reads = request.scope.get("method") in ("GET", "HEAD")  # a live channel has none, and any page may ask
    if not reads and not is_own_origin(request.headers):
        return JSONResponse({"detail": "another site's page may not ask for this"}, 403)
    return None


def _add_pages(app: fastapi.FastAPI, site: Site) -> None:
    def page_of(file: str, kind: str) -> Callable[[], Awaitable[Response]]:
        content = resources.files("vosrt.serve").joinpath("page", file).read_bytes()

        async def page() -> Response:
            return Response(content, media_type=kind)

        return page

    for path, (file, kind) in _PAGES.items():
        app.get(f"/{path}", include_in_schema=False)(page_of(file, kind))

    @app.get("/healthz", responses={503: {"description": "Those of a camera do not."}})
    async def healthz() -> JSONResponse:
        """Whether frames come and are segmented."""
        found = {name: site.cameras.status(name) for name in site.cameras.names}
        states = {name: one["state"] == "live" and not one["is_failing"] for name, one in found.items()}
        return JSONResponse({"is_live": states}, 200 if all(states.values()) else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(site.measures.text(site.cameras), media_type="text/plain; version=0.0.4")


def _add_save(app: fastapi.FastAPI, save: Callable[[], str]) -> None:
    @app.post("/api/save", responses=refusals(422))
    async def keep() -> dict[str, str]:
        """Keep what is picked, where the server was told to."""
        return {"saved": await asyncio.to_thread(save)}


def _add_cameras(app: fastapi.FastAPI, site: Site, *, can_save: bool) -> None:
    @app.get("/api/cameras")
    async def cameras() -> list[dict[str, Any]]:
        """All cameras and how they are."""
        return [
            {
                "name": name,
                **site.cameras.status(name),
                "names": watched.names,
                **site.recordings.status(name),
                "can_save": can_save,
            }
            for name, watched in site.watched.items()
        ]

    kind = "application/octet-stream"

    @app.post(
        "/api/cameras/{camera}/freeze",
        response_class=Response,
        responses=binary(kind, "X-Frame") | refusals(404, 422),
    )
    async def freeze(camera: str) -> Response:
        """Keep the frame that is shown, to mark objects on it: a live message, its number in `X-Frame`."""
        watched = site.camera(camera)
        number, view = watched.freeze()
        content = await asyncio.to_thread(
            live_message, view, site.cameras.status(camera), dict(watched.names)
        )
        return Response(content, media_type=kind, headers={"X-Frame": str(number)})


def _add_objects(app: fastapi.FastAPI, site: Site) -> None:
    refused = refusals(400, 404, 422, 503)

    @app.post("/api/cameras/{camera}/objects", responses=refused)
    async def mark(camera: str, mark: Mark) -> dict[str, Any]:
        """Add an object, or correct one."""
        watched = site.camera(camera, mark.id)
        view = watched.frozen(mark.frame)
        object_id = mark.id or watched.new_id(mark.name)
        try:
            prompts = await asyncio.to_thread(mark.prompts, object_id, view.result.labels)
            asked = asyncio.wrap_future(site.cameras.mark(camera, view.frame.image, **prompts))
            result = await _in_time(asked)
        except BaseException:
            if mark.id is None:
                watched.refused(object_id)
            raise
        watched.joined(object_id, mark.name or watched.names.get(object_id, f"object {object_id}"))
        return {"id": object_id, "name": watched.names[object_id], "objects": list(result.ids)}

    @app.patch("/api/cameras/{camera}/objects/{object_id}", responses=refused)
    async def rename(camera: str, object_id: int, name: Name) -> dict[str, Any]:
        """Name an object."""
        watched = site.camera(camera, object_id)
        watched.joined(object_id, name.name)
        return {"id": object_id, "name": name.name}

    @app.delete("/api/cameras/{camera}/objects/{object_id}", status_code=204, responses=refused)
    async def remove(camera: str, object_id: int) -> None:
        """Forget an object."""
        watched = site.camera(camera, object_id)
        await _in_time(asyncio.wrap_future(site.cameras.remove(camera, [object_id])))
        watched.left(object_id)


async def _in_time(asked: asyncio.Future[Any]) -> Any:
    """What the cameras do for a client, and 503 where they do not come to it."""
    try:
        return await asyncio.wait_for(asked, _MARK_WITHIN)
    except asyncio.TimeoutError as error:
        told = f"the cameras have been busy for {_MARK_WITHIN:.0f} s; try it again"
        raise HTTPException(503, told) from error


def _add_recordings(app: fastapi.FastAPI, site: Site) -> None:
    @app.post("/api/cameras/{camera}/recording", responses=refusals(404, 422))
    async def start(camera: str) -> dict[str, str]:
        """Begin to record what a camera shows, with its masks."""
        site.camera(camera)
        return {"recording": site.recordings.start(camera)}

    @app.delete("/api/cameras/{camera}/recording", responses=refusals(404, 422))
    async def stop(camera: str) -> dict[str, str]:
        """Finish the recording."""
        site.camera(camera)
        return {"recording": await asyncio.to_thread(site.recordings.stop, camera)}

    @app.get(
        "/api/recordings/{recording}.mp4",
        response_class=FileResponse,
        responses=binary("video/mp4") | refusals(404, 422),
    )
    async def download(recording: str) -> FileResponse:
        """A finished recording."""
        path = site.recordings.file(recording)
        if path is None:
            raise HTTPException(404, "there is no such recording")
        return FileResponse(path, media_type="video/mp4")  # the page names it


def _add_live(app: fastapi.FastAPI, site: Site) -> None:
    @app.websocket("/api/cameras/{camera}/live")
    async def live(socket: WebSocket, camera: str) -> None:
        """Every new view as one binary message; a slow client misses some."""
        clients = sum(len(watched.clients) for watched in site.watched.values())
        if _refusal(site, socket) or camera not in site.watched or clients >= _MOST_CLIENTS:
            await socket.close(1008)
            return
        await socket.accept()
        with suppress(asyncio.CancelledError):  # the server ends, and this client does not hear of it
            await _serve_client(socket, site.watched[camera])


async def _serve_client(socket: WebSocket, watched: WatchedCamera) -> None:
    new = asyncio.Event()
    new.set()
    watched.clients.add(new)
    sending = asyncio.create_task(_send_views(socket, watched, new))
    listening = asyncio.create_task(_until_closed(socket))
    try:
        done, _ = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        if sending in done:
            sending.result()
    finally:
        watched.clients.discard(new)
        sending.cancel()
        listening.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)


async def _send_views(socket: WebSocket, watched: WatchedCamera, new: asyncio.Event) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await new.wait()
            new.clear()
            message = await watched.message()
            if message is not None:
                await socket.send_bytes(message)


async def _until_closed(socket: WebSocket) -> None:
    """Read and forget what a client sends, until it goes."""
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
    except (WebSocketDisconnect, RuntimeError):
        return
