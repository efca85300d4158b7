"""Opens the port of a server."""

from __future__ import annotations

import socket
from typing import Any

from vosrt.errors import InputError
from vosrt.optional_import import import_for

_END_WITHIN = 3  # seconds that answers in progress have when the server ends

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

    Raises:
        InputError: the address is not this machine's, or the port is taken.
    """
    uvicorn = import_for("serving pages", "uvicorn")
    from vosrt.serve.limited_connection import LimitedConnection

    config = uvicorn.Config(
        app,
        http=LimitedConnection,
        log_level="warning",
        ws="websockets-sansio",
        timeout_graceful_shutdown=_END_WITHIN,
    )
    is_new = ":" in host  # of IPv6; `::` takes clients of IPv4, too
    family = socket.AF_INET6 if is_new else socket.AF_INET
    both = is_new and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # what follows is the address again
        raise InputError(
            f"nothing can listen at {host}, port {port} ({reason})",
            cure="choose an address of this machine and another port; 0 takes a free one",
        ) from error
    # Connections take this over. asyncio sets it for sockets alone that name their protocol; without it each
    # answer's body waits for the head's acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name, number = listener.getsockname()[:2]
    return uvicorn.Server(config), listener, f"http://{f'[{name}]' if ':' in name else name}:{number}/"
