"""Connections are few, and one that asks for nothing ends: anybody can open them, without a token too."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST_CONNECTIONS = 512  # live channels among them; a process may have 1,024 descriptors, cameras need some
ASKS_WITHIN = 10.0  # seconds, for the first request and for each one after an answer; twice as long at most


class LimitedConnection(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's, which sets no limit to either."""

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._watch(transport, (None, 0))

    def _watch(self, transport: Any, before: tuple[Any, int] | None) -> None:
        asyncio.get_running_loop().call_later(ASKS_WITHIN, self._end_if_silent, transport, before)

    def _end_if_silent(self, transport: Any, before: tuple[Any, int] | None) -> None:
        """End a connection whose last request was answered, where nothing has been asked or read since."""
        if transport.is_closing() or transport.get_protocol() is not self:  # that of a live channel
            return
        is_answered = self.cycle is None or self.cycle.response_complete
        now = (self.cycle, transport.get_write_buffer_size()) if is_answered else None
        if now is not None and now == before:
            transport.abort()
        else:
            self._watch(transport, now)
