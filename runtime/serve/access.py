"""Who may use the page."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from vosrt.errors import InputError

_LEAST_TOKEN = 16  # characters


def checked_token(host: str, token: str | None) -> str | None:
    """The token that clients must show; None on a loopback address without one.

    Args:
        host: address that the server listens on.
        token: what the user gave.

    Raises:
        InputError: the address can be reached by others and there is no token, or a short one; or it holds
            what no header can.
    """
    if token is not None and len(token) < _LEAST_TOKEN:
        raise InputError("token", value=f"{len(token)} characters", allowed=f"at least {_LEAST_TOKEN}")
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError("token", value="other characters", allowed="printable ASCII without spaces")
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


def page_address(address: str, token: str | None) -> str:
    """What a browser opens: the server's address, with the token where there is one."""
    return address if token is None else f"{address}?token={quote(token, safe='')}"


def cookie_name(headers: Mapping[str, str]) -> str:
    """Of the cookie that holds the token: browsers do not keep those of a machine's ports apart."""
    port = re.search(r":(\d+)$", headers.get("host", ""))
    return f"vosrt_token_{port[1]}" if port else "vosrt_token"


def shows_token(token: str | None, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
    """Whether a request has the token, in its header or its cookie; compared in constant time.

    The header may be for a proxy, whose users have names and passwords: then the cookie counts.
    """
    if token is None:
        return True
    given = headers.get("authorization", "").removeprefix("Bearer "), cookies.get(cookie_name(headers), "")
    return any([secrets.compare_digest(one.encode(), token.encode()) for one in given])


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from the page itself, or from no page at all: other sites may not ask."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


def is_own_name(token: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request calls the server by an address of this machine, where no token keeps others out.

    The owner of any other name can have it point here; to a browser, pages of that name are then the
    server's own.
    """
    if token is not None:
        return True
    try:
        return is_loopback(urlsplit(f"//{headers.get('host', '')}").hostname or "")
    except ValueError:
        return False
