"""Options of every command that runs bundles over frames."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from vosrt.commands import option_readers
from vosrt.shipped_bundles import DEFAULT, terms_of

LOOK_NAMES = ("scales", "flip", "long_edge", "memory_every", "memory_capacity", "memory_limit")
NAMES = ("precision", "device", "executor", "require", "threads", *LOOK_NAMES)
ENGINE_NAMES = ("objects", "allow_drift")  # of `EngineSettings`


def print_terms(bundles: Iterable[str | os.PathLike[str]]) -> None:
    """Print the terms of shipped weights to standard error: they are others than those of the code."""
    for terms in dict.fromkeys(filter(None, map(terms_of, bundles))):
        print(f"note: {terms}", file=sys.stderr)


def add_bundles(parser: Any) -> None:
    """Add the bundles of a segmenter to a parser: `bundle`, a list."""
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        nargs="+",
        help=f"folder that `vosrt export` wrote, or {DEFAULT}, which comes along; several are averaged",
    )


def add_bundle_settings(group: Any) -> None:
    """Add what decides how bundles run to a parser or a group of its options."""
    group.add_argument(
        "--precision",
        help="one of the bundles' precisions (float32 where there is one), or fastest for what is on this "
        "machine; +bf16 behind one matches in it",
    )
    group.add_argument("--device", help="cpu or cuda (the fastest there is)")
    group.add_argument("--executor", help="onnxruntime or tensorrt (the fastest there is)")
    group.add_argument(
        "--require", metavar="WHAT", help="cuda or tensorrt: end with an error where it does not work"
    )
    add_engine_settings(group)
    group.add_argument(
        "--threads", type=option_readers.threads, metavar="N", help="threads per graph (one per core)"
    )
    add_look_settings(group)


def add_look_settings(group: Any) -> None:
    """Add what decides how often, how large and how long ago a frame is looked at."""
    group.add_argument(
        "--scales",
        type=option_readers.scales,
        metavar="LIST",
        help="input scales to average over, such as 1,1.3",
    )
    group.add_argument(
        "--long-edge",
        type=option_readers.positive,
        metavar="PIXELS",
        help="most of the long edge of the network's input: smaller is faster (the bundle's own limit)",
    )
    group.add_argument("--flip", action="store_true", default=None, help="average with the mirrored frame")
    group.add_argument(
        "--memory-every",
        type=option_readers.positive,
        metavar="K",
        help="remember each K-th frame with its masks (the bundle's own rhythm; references: none)",
    )
    group.add_argument(
        "--memory-capacity",
        type=option_readers.positive,
        metavar="N",
        help="remember so many frames; the oldest give way (the bundle's own number)",
    )
    group.add_argument(
        "--memory-limit",
        type=option_readers.memory,
        metavar="SIZE",
        help="take no more memory than this, such as 2G",
    )


def add_engine_settings(group: Any) -> None:
    """Add what decides which TensorRT engines are built and used."""
    group.add_argument(
        "--objects",
        type=option_readers.positive,
        metavar="N",
        help="with TensorRT: room for so many objects; each costs time whether it is there or not (4)",
    )
    group.add_argument(
        "--allow-drift",
        action="store_true",
        default=None,
        help="with TensorRT: use engines that differ too much from float32",
    )


def look_settings(arguments: Namespace) -> dict[str, Any]:
    """Arguments of a `Segmenter` of `add_look_settings`: those that the user has given."""
    return _given(arguments, LOOK_NAMES)


def bundle_settings(arguments: Namespace) -> dict[str, Any]:
    """Arguments of a `Segmenter`: those that the user has given."""
    settings = _given(arguments, NAMES)
    engines = _given(arguments, ENGINE_NAMES)
    if engines:
        from vosrt.trt.checked_engines import EngineSettings

        settings["engines"] = EngineSettings(**engines)
    return settings


def _given(arguments: Namespace, names: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
