"""Scores as tables: with rules on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vosrt.counted import counted

_STATISTICS = ("J&F", "J", "F", "J_recall", "J_decay", "F_recall", "F_decay")
_HEADINGS = ("clip", "objects", "frames", *(name.replace("_", " ") for name in _STATISTICS), "fps")
_ATTRIBUTE_HEADINGS = ("attribute", "clips", "J&F", "J", "F", "J&F without")


def print_scores(document: Mapping[str, Any]) -> None:
    """Print every clip, the means, and the attributes if there are any.

    Args:
        document: what `summary.document` made.
    """
    clips: Mapping[str, Any] = document["clips"]
    rows = [_clip_row(name, clip) for name, clip in clips.items()]
    count, objects = document["scored_clips"], document["scored_objects"]
    if count:
        frames = str(sum(clip["frames"] for clip in clips.values()))
        mean = [_number(document["mean"][name]) for name in _STATISTICS]
        rows.append(
            [f"mean over {counted(objects, 'object')}", str(objects), frames, *mean, _number(document["fps"])]
        )
    _print_table(_HEADINGS, rows)
    if document["attributes"]:
        print()
        _print_table(_ATTRIBUTE_HEADINGS, [_attribute_row(*item) for item in document["attributes"].items()])
    for line in _remarks(document):
        print(line)


def _clip_row(name: str, clip: Mapping[str, Any]) -> list[str]:
    statistics = [_number(clip[key]) for key in _STATISTICS]
    return [name, str(len(clip["objects"])), str(clip["frames"]), *statistics, _number(clip["fps"])]


def _attribute_row(name: str, found: Mapping[str, Any]) -> list[str]:
    scores = [_number(found["with"][key]) for key in ("J&F", "J", "F")]
    return [name, str(found["clips"]), *scores, _number(found["without"]["J&F"])]


def _remarks(document: Mapping[str, Any]) -> list[str]:
    lines = []
    clips: Mapping[str, Any] = document["clips"]
    unscored = [name for name, clip in clips.items() if clip["J"] is None]
    if unscored:
        lines.append(f"without truth, not scored: {', '.join(unscored)}")
    for name, clip in clips.items():
        if clip["never_given"]:
            ids = ", ".join(map(str, clip["never_given"]))
            lines.append(f"{name}: objects {ids} are in no mask and were not given")
        official = [clip[f"{measure}_decay_official"] for measure in ("J", "F")]
        if clip["J"] is not None and official != [clip["J_decay"], clip["F_decay"]]:
            shown = " and ".join(_number(value) for value in official)
            lines.append(f"{name}: decay of J and F in eight bits, as DAVIS' program has it: {shown}")
    stand_ins = [bundle["name"] for bundle in document["bundles"] if bundle["stand_in"]]
    if stand_ins:
        lines.append(f"{', '.join(stand_ins)}: stand-in weights; the scores mean nothing")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 1) + 0.0:.1f}"  # the sum has no negative zero


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if sys.stdout.isatty():
        _print_rich(headings, rows)
        return
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    for row in [headings, *rows]:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def _print_rich(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column, heading in enumerate(headings):
        table.add_column(heading, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
