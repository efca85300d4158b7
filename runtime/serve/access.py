"""Who may use the page."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping

from vosrt.errors import InputError

COOKIE = "vosrt_token"
_LEAST_TOKEN = 16  # characters


def checked_token(host: str, token: str | None) -> str | None:
    """The token that clients must show; None on a loopback address without one.

    Args:
        host: address that the server listens on.
        token: what the user gave.

    Raises:
        InputError: the address can be reached by others and there is no token, or a short one.
    """
    if token is not None and len(token) < _LEAST_TOKEN:
        raise InputError("token", value=f"{len(token)} characters", allowed=f"at least {_LEAST_TOKEN}")
    if token is None and not is_loopback(host):
        raise InputError(
            f"address {host} can be reached by other machines",
            allowed="a loopback address, or --token",
            cure="--token " + secrets.token_urlsafe(24),
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shows_token(token: str | None, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
    """Whether a request has the token, in its header or cookie; compared in constant time."""
    if token is None:
        return True
    given = headers.get("authorization", "").removeprefix("Bearer ") or cookies.get(COOKIE, "")
    return secrets.compare_digest(given.encode(), token.encode())


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from the page itself, or from no page at all: other sites may not ask."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")
