"""Connections are few, and one that asks for nothing ends: anybody can open them, without a token too."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST_CONNECTIONS = 512  # live channels among them; a process may have 1,024 descriptors, cameras need some
ASKS_WITHIN = 10.0  # seconds


class LimitedConnection(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's, which sets no limit to either."""

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        asyncio.get_running_loop().call_later(ASKS_WITHIN, self._end_if_silent, transport)

    def _end_if_silent(self, transport: Any) -> None:
        has_asked = self.cycle is not None or transport.get_protocol() is not self  # that of a live channel
        if not has_asked and not transport.is_closing():
            transport.abort()
