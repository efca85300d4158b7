"""Addresses as they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def scheme_of(address: str) -> str | None:
    """Return what stands before `://`, in lower case; None for a path or the number of a camera."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", address)
    return match.group(1).lower() if match else None


def archive_of(address: str) -> tuple[str, str]:
    """An address in an archive, and that of the archive behind `::`, with it: `zip://clips::s3://all.zip`."""
    found = re.search(r"::(?![\da-fA-F:.]*\])", address)  # not in a number of a machine, [::1]
    end = found.start() if found and scheme_of(address) else len(address)
    return address[:end], address[end:]


def shown_address(address: str) -> str:
    """A network address without what may be secret: user, password and everything behind the path."""
    scheme = scheme_of(address)
    if scheme is None:
        return address
    inside, archive = archive_of(address)
    if archive:
        return f"{inside}::{shown_address(archive[2:])}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{scheme}://…"
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port else ''}{parts.path}"
