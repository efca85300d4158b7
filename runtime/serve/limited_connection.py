"""Connections are few, and one that asks for nothing ends: anybody can open them, without a token too."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST_CONNECTIONS = 512  # live channels among them; a process may have 1,024 descriptors, cameras need some
# Seconds, twice at most, for the first request, each one after an answer, a part of a body.
ASKS_WITHIN = 10.0


class LimitedConnection(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's, which sets no limit to either."""

    _came = 0  # bytes

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._watch(transport, self._heard())

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        self._came += len(data)
        super().data_received(data)

    def shutdown(self) -> None:
        """The server ends, and waits for its own answers alone."""
        if self._is_in_body():
            self.transport.abort()
        else:
            super().shutdown()

    def _watch(self, transport: Any, before: tuple[Any, int] | None) -> None:
        asyncio.get_running_loop().call_later(ASKS_WITHIN, self._end_if_silent, transport, before)

    def _end_if_silent(self, transport: Any, before: tuple[Any, int] | None) -> None:
        """End a connection whose client was waited for all the time, and of which nothing was heard."""
        if transport.is_closing() or transport.get_protocol() is not self:  # that of a live channel
            return
        now = self._heard()
        if now is not None and now == before:
            transport.abort()
        else:
            self._watch(transport, now)

    def _heard(self) -> tuple[Any, int] | None:
        """What a client that is waited for has done; None where it waits for the server."""
        if self._is_in_body():
            return self.cycle, self._came
        is_answered = self.cycle is None or self.cycle.response_complete
        return (self.cycle, self.transport.get_write_buffer_size()) if is_answered else None

    def _is_in_body(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body
