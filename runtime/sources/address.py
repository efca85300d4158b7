"""Addresses as they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Of these alone: in other addresses `::` may be of a password, a query or the number of a machine.
_IN_ARCHIVE = re.compile(
    r"((?:zip|tar|libarchive|dir|reference)://.*?)(::(?:\w+::)*)(.*)", re.DOTALL | re.IGNORECASE
)


def scheme_of(address: str) -> str | None:
    """Return what stands before `://`, in lower case; None for a path or the number of a camera."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", address)
    return match.group(1).lower() if match else None


def archive_of(address: str) -> tuple[str, str]:
    """An address in an archive, and that of the archive behind `::`, with it: `zip://clips::s3://all.zip`."""
    inside, chain, archive = _parts(address)
    return inside, chain + archive


def shown_address(address: str) -> str:
    """A network address without what may be secret: user, password and everything behind the path."""
    scheme = scheme_of(address)
    if scheme is None:
        return address
    inside, chain, archive = _parts(address)
    if chain:
        return inside + chain + shown_address(archive)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{scheme}://…"
    behind = parts.path + parts.query + parts.fragment
    if "@" in behind and ":" in parts.netloc.rpartition("]")[2]:  # a password may hold the / ? # before it
        return f"{scheme}://…"
    host = f"[{host}]" if ":" in host else host
    path = re.split(r"::[\w:]+://", parts.path)[0]  # `filecache://clips::https://user:password@host`
    return f"{scheme}://{host}{f':{port}' if port else ''}{path}"


def _parts(address: str) -> tuple[str, str, str]:
    """What lies in an archive, `::` or `::simplecache::`, and the archive; elsewhere all is the first."""
    found = _IN_ARCHIVE.fullmatch(address)
    return (found[1], found[2], found[3]) if found else (address, "", "")
