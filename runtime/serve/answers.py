"""What the interface's description says of answers that are no JSON, and of refusals."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_REASONS = {
    400: "What was sent is no JSON.",
    401: "A token is needed.",
    403: "Another site's page may not ask, nor may anybody by another name than this machine's.",
    404: "There is no such camera, object or recording.",
    413: "The request is too large.",
    422: "What was sent cannot be used, or not now.",
    503: "The cameras have no time.",
}

Described = dict[int | str, dict[str, Any]]


class Mistake(BaseModel):
    """A value that cannot be used: where it stands, and what is wrong."""

    type: str
    loc: list[str | int]
    msg: str


class Refusal(BaseModel):
    """Why a request is refused."""

    detail: str | list[Mistake]


def refusals(*statuses: int) -> Described:
    """How requests may be refused, by status."""
    return {status: {"model": Refusal, "description": _REASONS[status]} for status in statuses}


def binary(media_type: str, *headers: str) -> Described:
    """An answer of bytes, with headers that hold numbers."""
    numbers = {name: {"schema": {"type": "integer"}} for name in headers}
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": "The bytes.", "content": content, "headers": numbers}}
