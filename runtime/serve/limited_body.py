"""Requests that are larger than any mark are refused, and nothing of them is kept."""

from __future__ import annotations

from typing import Any

MOST_BYTES = 6 << 20  # of a request's body
_MOST_DRAINED = 64 << 20  # bytes that are read and forgotten, so that the answer arrives


class LimitedBody:
    """ASGI middleware.

    Args:
        app: what comes next.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, size, more = [], 0, True
        while more and size <= _MOST_DRAINED:
            message = await receive()
            if message["type"] == "http.disconnect":
                await _refuse(send)  # nobody hears it, but who called waits for an answer
                return
            size += len(message.get("body", b""))
            if size <= MOST_BYTES:
                body.append(message.get("body", b""))
            else:
                body.clear()
            more = message.get("more_body", False)
        if size > MOST_BYTES:
            await _refuse(send)
            return
        sent = False

        async def receive_whole() -> dict[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": b"".join(body), "more_body": False}

        await self._app(scope, receive_whole, send)


async def _refuse(send: Any) -> None:
    body = b'{"detail": "the request is too large"}'
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), length]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
