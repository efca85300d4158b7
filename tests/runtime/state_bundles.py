"""Small real bundles for single rules of the state; their graphs are written as ONNX text.

`write_memory_bundle`: remembers the brightness of frames in a memory; probabilities are what it holds, so
that tests can read it: `[rows, 1, 2 * slots]`, the values and then which slots are valid.
`write_box_bundle`: one box per object. Its labels are the boxes; each frame moves them by a pixel.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx.parser

from tests.runtime.manifest_examples import Json, fed, graph, manifest, remembered, typed
from vosrt.manifest import sha256_of_file

IMAGE = [1, "height", "width", 3]
LABELS = ["height", "width"]
_TYPES = {"float32": "float", "int32": "int32", "int64": "int64", "uint8": "uint8", "bool": "bool"}


def write_memory_bundle(
    folder: Path,
    *,
    capacity: int = 3,
    every: int = 2,
    pin_first: bool = True,
    objects: int | None = None,
    open_slots: bool = False,
) -> Path:
    """Write the memory bundle: with `objects` for exactly so many, with `open_slots` for any capacity."""
    n, rows = objects or "objects", objects + 1 if objects else "rows"
    slots: int | str = "slots" if open_slots else capacity + 1
    read: int | str = "read" if open_slots else 2 * (capacity + 1)
    brightness = fed("encode.brightness", "float32", [1])
    probabilities = typed("float32", [rows, 1, read])
    graphs = {
        "encode": graph(
            "encode",
            {"frame": fed("frame", "uint8", IMAGE)},
            {"brightness": typed("float32", [1]), "blank": typed("int32", LABELS)},
        ),
        "segment": graph(
            "segment",
            {
                "values": fed("state.memory.value", "float32", [n, slots]),
                "valid": fed("state.memory.valid", "float32", [n, slots]),
                "blank": fed("encode.blank", "int32", LABELS),
            },
            {"probabilities": probabilities, "labels": typed("int32", LABELS)},
        ),
        "memorize": graph(
            "memorize",
            {"brightness": brightness, "rows": fed("rows", "int32", [rows])},
            {"value": typed("float32", [n])},
        ),
    }
    nodes = {
        "encode": _BRIGHTNESS,
        "segment": """both = Concat <axis = 1> (values, valid)
                      first = Constant <value_ints = [0]> ()
                      one = Constant <value_ints = [1]> ()
                      top = Gather <axis = 0> (both, first)
                      zero = Constant <value = float {0.0}> ()
                      background = Mul (top, zero)
                      all = Concat <axis = 0> (background, both)
                      probabilities = Unsqueeze (all, one)
                      labels = Identity (blank)""",
        "memorize": """one = Constant <value_ints = [1]> ()
                       end = Constant <value_ints = [255]> ()
                       objects = Slice (rows, one, end)
                       numbers = Cast <to = 1> (objects)
                       zero = Constant <value = float {0.0}> ()
                       zeros = Mul (numbers, zero)
                       value = Add (zeros, brightness)""",
    }
    memory = {
        "rule": "memory",
        "capacity": capacity,
        "every": every,
        "pin_first": pin_first,
        "tensors": {
            "value": remembered("memorize.value", "float32", [n, slots], ["object", "slot"], "row", fill=-1)
        },
    }
    return _write(folder, "memory", graphs, nodes, {"memory": memory}, objects)


def write_box_bundle(folder: Path) -> Path:
    """Write the box bundle."""
    box = ["objects", 4]
    graphs = {
        "encode": graph(
            "encode",
            {"frame": fed("frame", "uint8", IMAGE)},
            {"brightness": typed("float32", [1]), "blank": typed("int32", LABELS)},
        ),
        "reference": graph(
            "reference",
            {"labels": fed("step.labels", "int32", LABELS), "rows": fed("rows", "int32", ["rows"])},
            {"box": typed("int32", box)},
        ),
        "segment": graph(
            "segment",
            {
                "box": fed("state.search.box", "int32", box),
                "blank": fed("encode.blank", "int32", LABELS),
                "rows": fed("rows", "int32", ["rows"]),
            },
            {"labels": typed("int32", LABELS), "box": typed("int32", box)},
        ),
    }
    nodes = {
        "encode": _BRIGHTNESS,
        "reference": _GRID.replace("MAP", "labels")
        + """member = Equal (labels, objects)
             far = Constant <value = int32 {9999}> ()
             near = Constant <value = int32 {-1}> ()
             xs = Where (member, columns, far)
             x0 = ReduceMin <axes = [1, 2], keepdims = 0> (xs)
             ys = Where (member, lines, far)
             y0 = ReduceMin <axes = [1, 2], keepdims = 0> (ys)
             xe = Where (member, columns, near)
             x1 = ReduceMax <axes = [1, 2], keepdims = 0> (xe)
             ye = Where (member, lines, near)
             y1 = ReduceMax <axes = [1, 2], keepdims = 0> (ye)
             a = Unsqueeze (x0, one)
             b = Unsqueeze (y0, one)
             c = Unsqueeze (x1, one)
             d = Unsqueeze (y1, one)
             box = Concat <axis = 1> (a, b, c, d)""",
        "segment": """step = Constant <value = int32[4] {1, 0, 1, 0}> ()
                      moved = Add (box_in, step)
                      box = Identity (moved)
                      zero = Constant <value_ints = [0]> ()
                      one64 = Constant <value_ints = [1]> ()
                      two = Constant <value_ints = [2]> ()
                      three = Constant <value_ints = [3]> ()
                      both = Constant <value_ints = [2]> ()
                      x0 = Gather <axis = 1> (moved, zero)
                      y0 = Gather <axis = 1> (moved, one64)
                      x1 = Gather <axis = 1> (moved, two)
                      y1 = Gather <axis = 1> (moved, three)
                      x0w = Unsqueeze (x0, both)
                      y0w = Unsqueeze (y0, both)
                      x1w = Unsqueeze (x1, both)
                      y1w = Unsqueeze (y1, both)"""
        + _GRID.replace("MAP", "blank")
        + """right = GreaterOrEqual (columns, x0w)
             below = GreaterOrEqual (lines, y0w)
             left = LessOrEqual (columns, x1w)
             above = LessOrEqual (lines, y1w)
             h = And (right, left)
             v = And (below, above)
             inside = And (h, v)
             none = Constant <value = int32 {0}> ()
             ids = Where (inside, objects, none)
             labels = ReduceMax <axes = [0], keepdims = 0> (ids)""",
    }
    search = {
        "rule": "previous",
        "tensors": {
            "box": remembered(
                "segment.box", "int32", box, ["object", "corner"], "row", initial="reference.box", fill=0
            )
        },
    }
    nodes["segment"] = nodes["segment"].replace("box_in", "old")
    inputs = graphs["segment"]["inputs"]
    inputs["old"] = inputs.pop("box")
    return _write(folder, "box", graphs, nodes, {"search": search}, None)


_BRIGHTNESS = """numbers = Cast <to = 1> (frame)
    mean = ReduceMean <keepdims = 0> (numbers)
    one = Constant <value_ints = [1]> ()
    brightness = Reshape (mean, one)
    zero = Constant <value_ints = [0]> ()
    last = Constant <value = int64 {0}> ()
    image = Squeeze (frame, zero)
    blue = Gather <axis = 2> (image, last)
    whole = Cast <to = 6> (blue)
    none = Constant <value = int32 {0}> ()
    blank = Mul (whole, none)"""

# columns [1, 1, W] and lines [1, H, 1] of a map, objects [n, 1, 1]
_GRID = """
    g0 = Constant <value = int64 {0}> ()
    g1 = Constant <value = int64 {1}> ()
    size = Shape (MAP)
    height = Gather <axis = 0> (size, g0)
    width = Gather <axis = 0> (size, g1)
    across = Range (g0, width, g1)
    down = Range (g0, height, g1)
    across32 = Cast <to = 6> (across)
    down32 = Cast <to = 6> (down)
    cshape = Constant <value_ints = [1, 1, -1]> ()
    lshape = Constant <value_ints = [1, -1, 1]> ()
    oshape = Constant <value_ints = [-1, 1, 1]> ()
    columns = Reshape (across32, cshape)
    lines = Reshape (down32, lshape)
    one = Constant <value_ints = [1]> ()
    end = Constant <value_ints = [255]> ()
    flat = Slice (rows, one, end)
    objects = Reshape (flat, oshape)
    """


def _write(
    folder: Path, name: str, graphs: Json, nodes: dict[str, str], state: Json, objects: int | None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for role, one in graphs.items():
        inputs = ", ".join(_port(key, value) for key, value in one["inputs"].items())
        outputs = ", ".join(_port(key, value) for key, value in one["outputs"].items())
        text = (
            f'<ir_version: 8, opset_import: ["" : 17]> {role} ({inputs}) => ({outputs}) {{ {nodes[role]} }}'
        )
        model = onnx.parser.parse_model(text)
        onnx.checker.check_model(model)
        path = folder / f"{role}.onnx"
        onnx.save(model, path)
        one["file"] = {"float32": {"path": path.name, "sha256": sha256_of_file(path)}}
    document = manifest(
        name, family="toy", color="bgr", resize={"rule": "native"}, graphs=graphs, state=state
    )
    (folder / "bundle.json").write_text(json.dumps(document | {"objects": objects}))
    return folder


def _port(name: str, value: Json) -> str:
    return f"{_TYPES[value['dtype']]}[{', '.join(map(str, value['shape']))}] {name}"
