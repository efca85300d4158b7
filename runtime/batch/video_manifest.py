"""Reads manifests of videos: JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vosrt.batch.job import LONGEST_NAME, OUTPUTS, BatchJob
from vosrt.errors import BundleError, InputError
from vosrt.strict_json import Node, parse_json
from vosrt.user_input import LARGEST_ID

_FIELDS = ("video", "name", "mask", "boxes", "outputs", "frames", "split")
_NAME = r"(?!\.)[^/\\\x00-\x1f\x7f]+"
_LARGEST_SIDE = 65536


def manifest_jobs(text: str, *, document: str) -> Iterator[BatchJob]:
    """Read a manifest.

    Args:
        text: of the file: a JSON object per line. "video" is an address, "name" that of the results (the
            video's own), "mask" an address, "boxes" `{"1": [x0, y0, x1, y1]}`, "outputs" kinds of
            `OUTPUTS`, "frames" a number to stop after, "split" true where every mask starts anew.
        document: name of the file, for messages.

    Yields:
        a job per line; what a line leaves open is empty.

    Raises:
        InputError: names the line and the field that is wrong.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            job = _job(line, f"{document}, line {number}")
        except BundleError as error:  # what reads JSON complains of bundles
            cure = "" if error.cure == "export again" else error.cure
            raise InputError(error.what, value=error.value, allowed=error.allowed, cure=cure) from error
        yield job


def _job(line: str, place: str) -> BatchJob:
    fields = Node(parse_json(line.encode(), document=place), document=place).fields(
        required=("video",), optional=_FIELDS[1:]
    )
    if "mask" in fields and "boxes" in fields:
        raise fields["boxes"].error(allowed="a mask or boxes, not both")
    return BatchJob(
        name=_name(fields["name"]) if "name" in fields else "",
        video=fields["video"].text(),
        mask=fields["mask"].text() if "mask" in fields else None,
        boxes=_boxes(fields["boxes"]) if "boxes" in fields else {},
        outputs=_outputs(fields["outputs"]) if "outputs" in fields else (),
        frames=fields["frames"].integer(1) if "frames" in fields else None,
        split=fields["split"].boolean() if "split" in fields else False,
    )


def _name(node: Node) -> str:
    allowed = f"a file name of {LONGEST_NAME} bytes at most"
    name = node.text(_NAME, allowed=allowed)
    if len(name.encode()) > LONGEST_NAME:
        raise node.error(allowed=allowed)
    return name


def _boxes(node: Node) -> dict[int, tuple[int, int, int, int]]:
    found: dict[int, tuple[int, int, int, int]] = {}
    for key, box in node.mapping().items():
        if not re.fullmatch("[1-9][0-9]{0,2}", key) or int(key) > LARGEST_ID:
            raise node.error(allowed=f"object ids from 1 to {LARGEST_ID} as keys")
        sides = [side.integer(-_LARGEST_SIDE, _LARGEST_SIDE) for side in box.items()]
        if len(sides) != 4:
            raise box.error(allowed="[x0, y0, x1, y1] in pixels")
        x0, y0, x1, y1 = sides
        found[int(key)] = (x0, y0, x1, y1)
    if not found:
        raise node.error(allowed="at least one box")
    return found


def _outputs(node: Node) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(item.choice(tuple(OUTPUTS)) for item in node.items()))
    if not kinds:
        raise node.error(allowed=f"at least one of {', '.join(OUTPUTS)}")
    return kinds
