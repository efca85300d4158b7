"""Small real bundles: a few ONNX nodes that segment by colour, and the manifests that describe them.

`write_colour_bundle`: each pixel goes to the row whose mean reference colour is nearest; a pixel that the
previous frame gave to a row is a little nearer to it. Uses the rules `reference` (slots) and `previous`.
`write_running_mean_bundle`: the same with one mean colour per row that follows the video. Uses `previous`
with rows, a first value, and the graphs `reference` and `memorize`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vosrt.manifest import (
    Checkpoint,
    Graph,
    GraphFile,
    GraphInput,
    InputRule,
    Manifest,
    StateEntry,
    StateTensor,
    TensorType,
    sha256_of_file,
    write_bundle_manifest,
)
from vosrt.resize_rule import NativeSize, ResizeRule

ONNX_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}
ONNX_TYPES |= {"uint8": TensorProto.UINT8}
LOYALTY = 500.0  # squared colour distance by which the previous row of a pixel is favoured
ABSENT = 1e9  # distance to a row without pixels
LEARNED = 0.5  # share of a new frame in a running mean


class GraphBuilder:
    """Collects nodes and constants; `node` returns the name of the node's output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: str = "int64") -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def to_float(self, value: str) -> str:
        return self.node("Cast", value, to=TensorProto.FLOAT)

    def reshape(self, value: str, shape: list[int], **kwargs: str) -> str:
        return self.node("Reshape", value, self.constant(shape), **kwargs)

    def save(self, path: Path, graph: Graph) -> GraphFile:
        inputs = [
            helper.make_tensor_value_info(name, ONNX_TYPES[value.dtype], list(value.shape))
            for name, value in graph.inputs.items()
        ]
        outputs = [
            helper.make_tensor_value_info(name, ONNX_TYPES[value.dtype], list(value.shape))
            for name, value in graph.outputs.items()
        ]
        body = helper.make_graph(self.nodes, path.stem, inputs, outputs, self.constants)
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return GraphFile(path.name, sha256_of_file(path))


def write_colour_bundle(
    folder: Path,
    *,
    objects: int | None = None,
    frame_size: tuple[int, int] | None = None,
    capacity: int = 3,
    resize: ResizeRule | None = None,
    labels: bool = True,
    ids: bool = False,
    loyalty: float = LOYALTY,
) -> Path:
    """Write the colour bundle; with `objects` and `frame_size` for exactly these, slots as the capacity.

    With `ids` its manifest says which tensors hold object ids.
    """
    folder.mkdir(parents=True, exist_ok=True)
    height, width = frame_size or ("height", "width")
    rows: int | str = "rows" if objects is None else objects + 1
    slots: int | str = "slots" if objects is None else capacity
    image = TensorType("float32", (3, height, width))
    encode = _encode_graph(height, width)
    segment = Graph(
        {},
        {
            "embedding": GraphInput("encode.embedding", image.dtype, image.shape),
            "reference_embedding": GraphInput("state.reference.embedding", "float32", (slots, *image.shape)),
            "reference_labels": GraphInput("state.reference.labels", "int32", (slots, height, width)),
            "reference_valid": GraphInput("state.reference.valid", "float32", (slots,)),
            "previous_labels": GraphInput("state.previous.labels", "int32", (height, width)),
            "rows": GraphInput("rows", "int32", (rows,)),
        },
        {
            "probabilities": TensorType("float32", (rows, height, width)),
            **({"labels": TensorType("int32", (height, width))} if labels else {}),
        },
    )
    graphs = {
        "encode": _saved(_encode_nodes(), folder / "encode.onnx", encode),
        "segment": _saved(_colour_nodes(labels, loyalty), folder / "segment.onnx", segment),
    }
    state = {
        "reference": StateEntry(
            "reference",
            {
                "embedding": StateTensor(
                    "encode.embedding",
                    "float32",
                    (slots, *image.shape),
                    ("slot", "channel", "h", "w"),
                    "append",
                ),
                "labels": StateTensor(
                    "step.labels",
                    "int32",
                    (slots, height, width),
                    ("slot", "h", "w"),
                    "append",
                    fill=255,
                    ids=ids,
                ),
            },
            capacity=capacity,
        ),
        "previous": StateEntry(
            "previous", {"labels": StateTensor("step.labels", "int32", (height, width), ("h", "w"), ids=ids)}
        ),
    }
    return _write(folder, "colour", graphs, state, objects=objects, frame_size=frame_size, resize=resize)


def write_running_mean_bundle(folder: Path) -> Path:
    """Write the bundle whose mean colours follow the video."""
    folder.mkdir(parents=True, exist_ok=True)
    embedding = GraphInput("encode.embedding", "float32", (3, "height", "width"))
    labels = GraphInput("step.labels", "int32", ("height", "width"))
    rows = GraphInput("rows", "int32", ("rows",))
    mean = TensorType("float32", ("rows", 3))
    remembered = GraphInput("state.appearance.mean", mean.dtype, mean.shape)
    reference = Graph({}, {"embedding": embedding, "labels": labels, "rows": rows}, {"mean": mean})
    segment = Graph(
        {},
        {"embedding": embedding, "mean": remembered, "rows": rows},
        {"labels": TensorType("int32", ("height", "width"))},
    )
    memorize = Graph(
        {}, {"embedding": embedding, "labels": labels, "rows": rows, "old": remembered}, {"mean": mean}
    )
    graphs = {
        "encode": _saved(_encode_nodes(), folder / "encode.onnx", _encode_graph("height", "width")),
        "reference": _saved(_mean_nodes(output="mean"), folder / "reference.onnx", reference),
        "segment": _saved(_nearest_mean_nodes(), folder / "segment.onnx", segment),
        "memorize": _saved(_running_mean_nodes(), folder / "memorize.onnx", memorize),
    }
    tensor = StateTensor(
        "memorize.mean", "float32", mean.shape, ("row", "channel"), "row", initial="reference.mean"
    )
    return _write(folder, "running-mean", graphs, {"appearance": StateEntry("previous", {"mean": tensor})})


def _write(
    folder: Path,
    name: str,
    graphs: dict[str, Graph],
    state: dict[str, StateEntry],
    *,
    objects: int | None = None,
    frame_size: tuple[int, int] | None = None,
    resize: ResizeRule | None = None,
) -> Path:
    manifest = Manifest(
        name=name,
        family="toy",
        source=Checkpoint("none.pth", "0" * 64, stand_in=True),
        input=InputRule("bgr", resize or NativeSize()),
        graphs=graphs,
        state=state,
        producer={"onnx": onnx.__version__},
        frame_size=frame_size,
        objects=objects,
        options={"loyalty": LOYALTY},
        parity={"labels": {"agreement": 1.0}},
    )
    write_bundle_manifest(folder, manifest)
    return folder


def _saved(builder: GraphBuilder, path: Path, graph: Graph) -> Graph:
    return Graph({"float32": builder.save(path, graph)}, graph.inputs, graph.outputs)


def _encode_graph(height: int | str, width: int | str) -> Graph:
    return Graph(
        {},
        {
            "frame": GraphInput("frame", "uint8", (1, height, width, 3)),
            "size": GraphInput("size", "int64", (2,)),
        },
        {
            "embedding": TensorType("float32", (3, height, width)),
            "network_size": TensorType("int64", (2,)),
        },
    )


def _encode_nodes() -> GraphBuilder:
    b = GraphBuilder()
    squeezed = b.node("Squeeze", b.to_float("frame"), b.constant([0]))
    b.node("Transpose", squeezed, output="embedding", perm=[2, 0, 1])
    b.node("Identity", "size", output="network_size")
    return b


def _colour_nodes(labels: bool, loyalty: float) -> GraphBuilder:
    """Mean colour per row over all valid reference slots, then the nearest row of each pixel."""
    b = GraphBuilder()
    shape = b.node("Shape", "previous_labels")  # [H, W]
    # one-hot reference labels with slots and pixels as one axis: [rows, slots*H*W]
    rows = b.reshape("rows", [-1, 1])
    member = b.to_float(b.node("Equal", b.reshape("reference_labels", [1, -1]), rows))
    valid = b.node("Mul", b.to_float("reference_labels"), b.constant(0, "float32"))
    valid = b.reshape(b.node("Add", valid, b.reshape("reference_valid", [-1, 1, 1])), [1, -1])
    member = b.node("Mul", member, valid)
    colours = b.node("Transpose", "reference_embedding", perm=[1, 0, 2, 3])
    count, mean = _means(b, member, b.reshape(colours, [3, -1]))
    distance = _distances(b, mean, count, "embedding")  # [rows, H*W]
    loyal = b.to_float(b.node("Equal", b.reshape("previous_labels", [1, -1]), rows))
    distance = b.node("Sub", distance, b.node("Mul", loyal, b.constant(loyalty, "float32")))
    scores = b.node("Div", distance, b.constant(-1000, "float32"))
    probabilities = b.node("Softmax", scores, axis=0)
    full_shape = b.node("Concat", b.constant([-1]), shape, axis=0)
    b.node("Reshape", probabilities, full_shape, output="probabilities")
    if labels:
        best = b.node("ArgMin", distance, axis=0, keepdims=0)
        b.node("Reshape", b.node("Gather", "rows", best), shape, output="labels")
    return b


def _means(b: GraphBuilder, member: str, colours: str, output: str = "") -> tuple[str, str]:
    """Pixel count [rows, 1] and mean colour [rows, 3] of one-hot rows [rows, M] and colours [3, M]."""
    count = b.node("ReduceSum", member, b.constant([1]), keepdims=1)
    total = b.node("MatMul", member, b.node("Transpose", colours, perm=[1, 0]))
    at_least_one = b.node("Max", count, b.constant(1, "float32"))
    return count, b.node("Div", total, at_least_one, **({"output": output} if output else {}))


def _distances(b: GraphBuilder, mean: str, count: str, embedding: str) -> str:
    """Squared colour distances [rows, H*W]; ABSENT for rows without pixels."""
    colours = b.reshape(embedding, [1, 3, -1])
    difference = b.node("Sub", colours, b.reshape(mean, [-1, 3, 1]))
    square = b.node("Mul", difference, difference)
    distance = b.node("ReduceSum", square, b.constant([1]), keepdims=0)
    present = b.node("Greater", count, b.constant(0, "float32"))
    return b.node("Where", present, distance, b.constant(ABSENT, "float32"))


def _mean_nodes(output: str) -> GraphBuilder:
    b = GraphBuilder()
    rows = b.reshape("rows", [-1, 1])
    member = b.to_float(b.node("Equal", b.reshape("labels", [1, -1]), rows))
    _means(b, member, b.reshape("embedding", [3, -1]), output=output)
    return b


def _running_mean_nodes() -> GraphBuilder:
    b = _mean_nodes(output="new")
    old = b.node("Mul", "old", b.constant(1 - LEARNED, "float32"))
    b.node("Add", old, b.node("Mul", "new", b.constant(LEARNED, "float32")), output="mean")
    return b


def _nearest_mean_nodes() -> GraphBuilder:
    b = GraphBuilder()
    distance = _distances(b, "mean", b.constant([[1]], "float32"), "embedding")
    best = b.node("ArgMin", distance, axis=0, keepdims=0)
    shape = b.node("Shape", "embedding", start=1)
    b.node("Reshape", b.node("Gather", "rows", best), shape, output="labels")
    return b


def extend_graph(
    folder: Path, role: str, output: str, nodes: list[onnx.NodeProto], **constants: np.ndarray
) -> None:
    """Add nodes to a graph of a bundle: they make `output` from what was it before, `<output>_before`."""
    path = folder / f"{role}.onnx"
    model = onnx.load(path)
    (maker,) = (node for node in model.graph.node if output in node.output)
    maker.output[list(maker.output).index(output)] = f"{output}_before"
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    document = json.loads((folder / "bundle.json").read_text())
    document["graphs"][role]["file"]["float32"]["sha256"] = sha256_of_file(path)
    (folder / "bundle.json").write_text(json.dumps(document))


def write_failing_bundle(folder: Path) -> Path:
    """The running mean, whose last graph fails on a white pixel: everything else has run by then."""
    path = write_running_mean_bundle(folder)
    nodes = [
        helper.make_node("ReduceMax", ["embedding"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["position"], to=TensorProto.INT64),
        helper.make_node("Gather", ["zeros", "position"], ["zero"]),  # 255 is out of bounds
        helper.make_node("Add", ["mean_before", "zero"], ["mean"]),
    ]
    extend_graph(path, "memorize", "mean", nodes, zeros=np.zeros(255, np.float32))
    return path
