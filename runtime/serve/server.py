"""Opens the port of a server."""

from __future__ import annotations

import socket
from typing import Any

from vosrt.optional_import import import_for

_PACKAGES = ("fastapi", "uvicorn", "websockets", "prometheus_client")


def require_packages() -> None:
    """Check that everything that serves pages is installed.

    Raises:
        MissingDependencyError: names what is missing.
    """
    for package in _PACKAGES:
        import_for("serving pages", package)


def open_server(app: Any, *, host: str, port: int) -> tuple[Any, socket.socket, str]:
    """Listen at an address; who connects before the server runs waits for it.

    Args:
        app: the application.
        host: name or number of this machine's address.
        port: 0 for a free one.

    Returns:
        uvicorn's server, the socket that its `run` takes, and the address for people.
    """
    uvicorn = import_for("serving pages", "uvicorn")
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", ws="websockets-sansio")
    listener = config.bind_socket()
    listener.listen()
    name, number = listener.getsockname()[:2]
    return uvicorn.Server(config), listener, f"http://{f'[{name}]' if ':' in name else name}:{number}/"
