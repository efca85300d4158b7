"""Requests that are larger than any mark are refused before they are read."""

from __future__ import annotations

from typing import Any

MOST_BYTES = 6 << 20


class LimitedBody:
    """ASGI middleware.

    Args:
        app: what comes next.
        most: bytes of a request's body.
    """

    def __init__(self, app: Any, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self._most:
            await _refuse(send)
            return
        body, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            if size > self._most:
                await _refuse(send)
                return
            body.append(message.get("body", b""))
            more = message.get("more_body", False)
        sent = False

        async def receive_whole() -> dict[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": b"".join(body), "more_body": False}

        await self._app(scope, receive_whole, send)


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"detail": "the request is too large"}'})
