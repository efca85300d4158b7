"""How much memory a frame will need, and in how many parts its rows are computed so that it fits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise

from vosrt.available_memory import available_memory
from vosrt.errors import InputError
from vosrt.manifest_graph import Graph

ROW_DIMENSIONS = ("rows", "objects")
MOST_BYTES = 1 << 30  # more at a time gains no speed
OVERHEAD = 3  # ONNX Runtime's arena grows to about so many times what the values of a graph need
_SHARE = 4  # of the memory that is free now
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def default_limit() -> int:
    """Bytes that a frame's graphs may take: a quarter of what is free, and at most 1 GiB."""
    free = available_memory()
    return MOST_BYTES if free is None else min(MOST_BYTES, free // _SHARE)


def gpu_limit(memory: int) -> int:
    """Bytes that a frame's graphs may take on a GPU with so much memory, whatever is free now.

    The parts that rows are computed in follow from it, and engines are built for parts.
    """
    return memory // 2


def parse_bytes(text: str) -> int:
    """Read `2G`, `1500M` or a number of bytes.

    Raises:
        InputError: another text.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if not 1 <= size < 1 << 60:
        raise InputError("memory limit", value=text, allowed="a size such as 2G, 1500M or 800000000")
    return int(size)


def row_parts(
    graphs: Mapping[str, Graph],
    role: str,
    rows: int,
    *,
    frame_pixels: int,
    network_pixels: int,
    limit: int,
    one_size: bool = False,
) -> list[tuple[int, int]]:
    """Parts `(start, stop)` of the rows that a graph computes at a time, as equal as possible.

    Where the graph is open in objects and not in rows, they are parts of the objects, without the background.
    A graph whose memory the manifest does not tell is taken to need none.

    Args:
        graphs: of the bundle; all are checked.
        role: whose parts.
        rows: background, objects and unused capacity.
        frame_pixels: of the frame, at which `finish` works.
        network_pixels: of the network's input, at which all others work.
        limit: bytes.
        one_size: make all parts equal, by letting neighbours overlap: some rows are computed twice.

    Raises:
        InputError: not even one row at a time fits.
    """
    needs = _needs(graphs, rows, frame_pixels, network_pixels)
    for name, need in needs.items():
        if need > limit:
            raise InputError(
                f"{rows - 1} objects on {network_pixels} pixels need about {need / 2**20:.0f} MiB in {name}",
                value=f"{limit / 2**20:.0f} MiB free for it",
                allowed="no more than the limit",
                cure="give fewer objects or smaller frames, or raise memory_limit (--memory-limit)",
            )
    dimension, memory = split_dimension(graphs, role), graphs[role].memory
    total = rows if dimension in (None, "rows") else rows - 1
    largest = total
    if dimension is not None and memory is not None and memory.row:
        fitting = (limit / network_pixels / OVERHEAD - memory.fixed) / memory.row
        largest = min(total, int(fitting))
    count = -(-total // max(1, largest)) or 1
    if one_size:
        size = -(-total // count)
        starts = [min(index * size, total - size) for index in range(count)]
        return [(start, start + size) for start in starts]
    edges = [total * index // count for index in range(count + 1)]
    return list(pairwise(edges))


def least_limit(graphs: Mapping[str, Graph], rows: int, *, frame_pixels: int, network_pixels: int) -> int:
    """The smallest limit that `row_parts` accepts; its arguments."""
    return math.ceil(max(_needs(graphs, rows, frame_pixels, network_pixels).values(), default=0))


def _needs(
    graphs: Mapping[str, Graph], rows: int, frame_pixels: int, network_pixels: int
) -> dict[str, float]:
    """Bytes that each graph takes, with one row at a time where it can be computed in parts."""
    return {
        name: estimate(
            graph,
            rows if split_dimension(graphs, name) is None else 1,
            frame_pixels if name == "finish" else network_pixels,
        )
        for name, graph in graphs.items()
    }


def estimate(graph: Graph, rows: int, pixels: int) -> float:
    """Bytes that a graph takes while it runs; 0 where the manifest does not tell."""
    if graph.memory is None:
        return 0.0
    return OVERHEAD * pixels * (graph.memory.fixed + rows * graph.memory.row)


def split_dimension(graphs: Mapping[str, Graph], role: str) -> str | None:
    """The one dimension in which a graph computes any number of rows or objects, each by itself.

    Rows or objects in `segment`, where a `finish` joins the parts; `part` in `memorize`, where the objects to
    be computed are an input. None for all others.
    """
    graph = graphs[role]
    dimensions = {"segment": ROW_DIMENSIONS if "finish" in graphs else (), "memorize": ("part",)}
    open_in = [
        name
        for name in dimensions.get(role, ())
        if any(name in value.shape for value in graph.inputs.values())
    ]
    if len(open_in) != 1:
        return None
    apart = all(output.shape[:1] == (open_in[0],) for output in graph.outputs.values())
    return open_in[0] if apart else None
