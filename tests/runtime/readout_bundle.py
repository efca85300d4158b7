"""A small real bundle whose probabilities are what it remembers, so that tests can read a stream's state.

Column by column, `[rows, 1, slots + 3]`: the weight of each reference slot; a count that starts with the
brightness of the frame on which the object was given and grows by one per frame; the brightness of the
previous frame; how many slots are in use. A weight is the frame's brightness for objects given on that
frame, 0 for the others, and -1 where an object had not joined yet or a slot is not in use. Labels are zero.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.runtime.manifest_examples import Json, fed, graph, manifest, remembered, typed
from tests.runtime.toy_bundle import GraphBuilder
from vosrt.manifest_graph import Graph
from vosrt.strict_json import Node

SIZE = 16


def write_readout_bundle(folder: Path, *, objects: int | None = None, capacity: int = 4) -> Path:
    """Write the bundle; with `objects` for exactly so many, slots fixed to the capacity."""
    folder.mkdir(parents=True, exist_ok=True)
    n, rows = (objects, objects + 1) if objects else ("objects", "rows")
    slots: int | str = capacity if objects else "slots"
    columns: int | str = capacity + 3 if objects else "columns"
    image = [1, "height", "width", 3]
    brightness = fed("encode.brightness", "float32", [1])
    count = typed("float32", [n])
    graphs = {
        "encode": graph(
            "encode",
            {"frame": fed("frame", "uint8", image)},
            {"brightness": typed("float32", [1]), "blank": typed("int32", ["height", "width"])},
        ),
        "reference": graph(
            "reference",
            {"brightness": brightness, "given": fed("given", "int32", [rows])},
            {"weight": typed("float32", [n]), "count": count},
        ),
        "segment": graph(
            "segment",
            {
                "weights": fed("state.reference.weight", "float32", [n, slots]),
                "valid": fed("state.reference.valid", "float32", [slots]),
                "count": fed("state.appearance.count", "float32", [n]),
                "last_frame": fed("state.appearance.frame", "uint8", image),
                "blank": fed("encode.blank", "int32", ["height", "width"]),
            },
            {
                "probabilities": typed("float32", [rows, 1, columns]),
                "labels": typed("int32", ["height", "width"]),
            },
        ),
        "memorize": graph(
            "memorize", {"count": fed("state.appearance.count", "float32", [n])}, {"next": count}
        ),
    }
    weight = remembered("reference.weight", "float32", [n, slots], ["object", "slot"], "append", fill=-1)
    appearance = {
        "count": remembered("memorize.next", "float32", [n], ["object"], "row", initial="reference.count"),
        "frame": remembered("frame", "uint8", image, ["batch", "h", "w", "channel"]),
    }
    nodes = {
        "encode": _encode_nodes(),
        "reference": _reference_nodes(),
        "segment": _segment_nodes(),
        "memorize": _memorize_nodes(),
    }
    for role, builder in nodes.items():
        spec = Graph.parse(Node(graphs[role]))
        graphs[role]["file"] = {"float32": builder.save(folder / f"{role}.onnx", spec).to_json()}
    document: Json = manifest(
        "readout",
        family="toy",
        color="bgr",
        resize={"rule": "native"},
        graphs=graphs,
        state={
            "reference": {"rule": "reference", "capacity": capacity, "tensors": {"weight": weight}},
            "appearance": {"rule": "previous", "tensors": appearance},
        },
    )
    (folder / "bundle.json").write_text(json.dumps(document | {"objects": objects}))
    return folder


def frame_of(brightness: int) -> np.ndarray:
    """A frame whose brightness is known."""
    return np.full((SIZE, SIZE, 3), brightness, np.uint8)


def mask_of(*ids: int) -> np.ndarray:
    """A mask with a pixel for each object."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0, : len(ids)] = ids
    return mask


def _encode_nodes() -> GraphBuilder:
    b = GraphBuilder()
    b.reshape(b.node("ReduceMean", b.to_float("frame"), keepdims=0), [1], output="brightness")
    first = b.node("Gather", b.node("Squeeze", "frame", b.constant([0])), b.constant(0), axis=2)
    b.node("Mul", b.node("Cast", first, to=6), b.constant(0, "int32"), output="blank")  # 6: int32
    return b


def _reference_nodes() -> GraphBuilder:
    b = GraphBuilder()
    objects = b.node("Slice", "given", b.constant([1]), b.constant([255]))
    b.node("Mul", b.to_float(objects), "brightness", output="weight")
    zero = b.node("Mul", b.to_float(objects), b.constant(0, "float32"))
    b.node("Add", zero, "brightness", output="count")
    return b


def _segment_nodes() -> GraphBuilder:
    b = GraphBuilder()
    zero = b.node("Mul", "count", b.constant(0, "float32"))  # [objects]
    last = b.node("ReduceMean", b.to_float("last_frame"), keepdims=0)
    used = b.node("ReduceSum", "valid", keepdims=0)
    columns = [
        b.node("Unsqueeze", column, b.constant([1]))
        for column in ("count", b.node("Add", zero, last), b.node("Add", zero, used))
    ]
    objects = b.node("Concat", "weights", *columns, axis=1)  # [objects, slots + 3]
    background = b.node("Mul", b.node("Gather", objects, b.constant([0])), b.constant(0, "float32"))
    rows = b.node("Concat", background, objects, axis=0)
    b.node("Unsqueeze", rows, b.constant([1]), output="probabilities")
    b.node("Identity", "blank", output="labels")
    return b


def _memorize_nodes() -> GraphBuilder:
    b = GraphBuilder()
    b.node("Add", "count", b.constant(1, "float32"), output="next")
    return b
