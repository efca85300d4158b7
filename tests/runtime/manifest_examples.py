"""Manifests as the families of networks would have them: Python dicts of JSON, a new one from each call.

`cfbi_manifest` is what export writes. The others describe networks whose state follows other rules: a growing
memory, running averages per object, a search box per object.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
Shape = list[int | str]

HEX = "0123456789abcdef" * 4
FRAME_SHAPE: Shape = [1, "H", "W", 3]


def cfbi_manifest() -> Json:
    """Matching with reference frames and with the previous frame; any frame size, any number of objects."""
    grid: Shape = ["4*h+1", "4*w+1"]
    embedding: Shape = [1, 100, *grid]
    labels: Shape = ["H", "W"]
    bank: Shape = ["slots", *grid, 100]
    thinned: Shape = ["slots", *grid]
    graphs = {
        "encode": graph(
            "encode",
            {"frame": fed("frame", "uint8", FRAME_SHAPE), "size": fed("size", "int64", [2])},
            {"embedding": typed("float32", embedding), "low_level": typed("float32", [1, 256, *grid])},
        ),
        "reference": graph(
            "reference",
            {
                "embedding": fed("encode.embedding", "float32", embedding),
                "labels": fed("step.labels", "int32", labels),
                "rows": fed("rows", "int32", ["rows"]),
            },
            {"bank": typed("float32", [1, *grid, 100]), "bank_labels": typed("int32", [1, *grid])},
        ),
        "segment": graph(
            "segment",
            {
                "embedding": fed("encode.embedding", "float32", embedding),
                "reference_bank": fed("state.reference.bank", "float32", bank),
                "reference_labels": fed("state.reference.labels", "int32", thinned),
                "previous_embedding": fed("state.previous.embedding", "float32", embedding),
                "low_level": fed("encode.low_level", "float32", [1, 256, *grid]),
                "previous_labels": fed("state.previous.labels", "int32", labels),
                "rows": fed("rows", "int32", ["rows"]),
            },
            {"probabilities": typed("float32", ["rows", "H", "W"]), "labels": typed("int32", labels)},
        ),
    }
    reference = {
        "bank": remembered(
            "reference.bank", "float32", bank, ["slot", "h", "w", "channel"], "append", fill=0
        ),
        "labels": remembered(
            "reference.bank_labels", "int32", thinned, ["slot", "h", "w"], "append", fill=255
        ),
    }
    previous = {
        "embedding": remembered("encode.embedding", "float32", embedding, ["batch", "channel", "h", "w"]),
        "labels": remembered("step.labels", "int32", labels, ["h", "w"]),
    }
    return manifest(
        "cfbi-resnet101",
        family="cfbi",
        color="bgr",
        resize={"rule": "long_edge", "max_long_edge": 1040.0, "scale": 1.0, "multiple": 16, "offset": 1},
        graphs=graphs,
        state={
            "reference": {"rule": "reference", "capacity": 8, "tensors": reference},
            "previous": {"rule": "previous", "tensors": previous},
        },
        options={"windows": [12, 2, 4], "local_atrous": 1, "max_long_edge": 1040.0, "biased": True},
        parity={"float32": {"equal_labels": 1.0, "largest": {"probabilities": 3e-6}}},
    )


def space_time_memory_manifest() -> Json:
    """STM: keys and values of kept frames per object; the network's own probabilities are fed back."""
    size: Shape = ["own_height", "own_width"]
    key: Shape = [1, 128, "h", "w"]
    value: Shape = [1, 512, "h", "w"]
    skips = {"skip8": [1, 256, "2*h", "2*w"], "skip4": [1, 256, "4*h", "4*w"]}
    probabilities: Shape = ["rows", *size]
    keys, values = ["objects", 21, 128, "h", "w"], ["objects", 21, 512, "h", "w"]
    frame = {"frame": fed("frame", "uint8", FRAME_SHAPE), "size": fed("size", "int64", [2])}
    graphs = {
        "encode": graph(
            "encode",
            frame,
            {
                "key": typed("float32", key),
                "value": typed("float32", value),
                **{name: typed("float32", shape) for name, shape in skips.items()},
            },
        ),
        "segment": graph(
            "segment",
            {
                "key": fed("encode.key", "float32", key),
                "value": fed("encode.value", "float32", value),
                **{name: fed(f"encode.{name}", "float32", shape) for name, shape in skips.items()},
                "memory_keys": fed("state.memory.keys", "float32", keys),
                "memory_values": fed("state.memory.values", "float32", values),
                "memory_valid": fed("state.memory.valid", "bool", ["objects", 21]),
                "size": fed("size", "int64", [2]),
            },
            {"probabilities": typed("float32", probabilities)},
        ),
        "memorize": graph(
            "memorize",
            frame | {"probabilities": fed("step.probabilities", "float32", probabilities)},
            {
                "keys": typed("float32", ["objects", 128, "h", "w"]),
                "values": typed("float32", ["objects", 512, "h", "w"]),
            },
        ),
    }
    axes = ["object", "slot", "channel", "h", "w"]
    memory = {
        "rule": "memory",
        "capacity": 20,  # kept frames; one slot more holds the latest
        "every": 5,
        "pin_first": True,
        "tensors": {
            "keys": remembered("memorize.keys", "float32", keys, axes, "row", fill=0),
            "values": remembered("memorize.values", "float32", values, axes, "row", fill=0),
        },
    }
    return manifest(
        "stm-resnet50-075",
        family="stm",
        color="rgb",
        resize={"rule": "scale", "scale": 0.75},
        graphs=graphs,
        state={"memory": memory},
    )


def running_appearance_manifest() -> Json:
    """Directional matching with reference frames, and a mean appearance per object that follows the video."""
    feature: Shape = [512, "h", "w"]
    mask: Shape = ["objects", 2, "h", "w"]
    mean: Shape = ["objects", 4, 512]
    weights: Shape = ["objects", 2, "slots", "h", "w"]
    features = {
        "matching": fed("encode.matching", "float32", feature),
        "appearance": fed("encode.appearance", "float32", feature),
    }
    graphs = {
        "encode": graph(
            "encode",
            {"frame": fed("frame", "uint8", FRAME_SHAPE)},
            {"matching": typed("float32", feature), "appearance": typed("float32", feature)},
        ),
        "reference": graph(
            "reference",
            features
            | {
                "labels": fed("step.labels", "int32", ["H", "W"]),
                "rows": fed("rows", "int32", ["rows"]),
                "given": fed("given", "int32", ["rows"]),
            },
            {
                "weights": typed("float32", mask),  # negative for objects that are not given
                "modulation": typed("float32", ["objects", 512, "h", "w"]),
                "mu": typed("float32", mean),
                "mask": typed("float32", mask),
            },
        ),
        "segment": graph(
            "segment",
            features
            | {
                "reference_features": fed("state.reference.features", "float32", ["slots", *feature]),
                "reference_weights": fed("state.reference.weights", "float32", weights),
                "modulation": fed("state.reference.modulation", "float32", ["objects", 512, "h", "w"]),
                "mu": fed("state.appearance.mu", "float32", mean),
                "previous_mask": fed("state.appearance.mask", "float32", mask),
            },
            {
                "probabilities": typed("float32", ["rows", "H", "W"]),
                "coarse": typed("float32", mask),
            },
        ),
        "memorize": graph(
            "memorize",
            {
                "appearance": features["appearance"],
                "mask": fed("segment.coarse", "float32", mask),
                "mu": fed("state.appearance.mu", "float32", mean),
            },
            {"mu": typed("float32", mean)},
        ),
    }
    reference = {
        "features": remembered(
            "encode.matching", "float32", ["slots", *feature], ["slot", "channel", "h", "w"], "append"
        ),
        "weights": remembered(
            "reference.weights", "float32", weights, ["object", "class", "slot", "h", "w"], "append", fill=-1
        ),
        "modulation": remembered(
            "reference.modulation",
            "float32",
            ["objects", 512, "h", "w"],
            ["object", "channel", "h", "w"],
            "row",
        ),
    }
    appearance = {
        "mu": remembered(
            "memorize.mu", "float32", mean, ["object", "component", "channel"], "row", initial="reference.mu"
        ),
        "mask": remembered(
            "segment.coarse", "float32", mask, ["object", "class", "h", "w"], "row", initial="reference.mask"
        ),
    }
    return manifest(
        "directional-resnet101",
        family="directional",
        color="rgb",
        resize={"rule": "native"},
        graphs=graphs,
        state={
            "reference": {"rule": "reference", "capacity": 8, "tensors": reference},
            "appearance": {"rule": "previous", "tensors": appearance},
        },
        options={"learning_rate": 0.1, "feedback": "coarse"},
    )


def zoom_in_manifest() -> Json:
    """A search box per object, cropped inside the graphs: the network input has one size for every video."""
    image: Shape = [1, 3, "H", "W"]
    box: Shape = ["objects", 4]
    graphs = {
        "encode": graph(
            "encode", {"frame": fed("frame", "uint8", FRAME_SHAPE)}, {"image": typed("float32", image)}
        ),
        "reference": graph(
            "reference",
            {"labels": fed("step.labels", "int32", ["H", "W"]), "rows": fed("rows", "int32", ["rows"])},
            {"box": typed("float32", box), "lost": typed("int32", ["objects"])},
        ),
        "segment": graph(
            "segment",
            {
                "image": fed("encode.image", "float32", image),
                "box": fed("state.search.box", "float32", box),
                "lost": fed("state.search.lost", "int32", ["objects"]),
                "rows": fed("rows", "int32", ["rows"]),
            },
            {
                "labels": typed("int32", ["H", "W"]),
                "box": typed("float32", box),
                "lost": typed("int32", ["objects"]),
            },
        ),
    }
    search = {
        "box": remembered(
            "segment.box", "float32", box, ["object", "corner"], "row", initial="reference.box"
        ),
        "lost": remembered("segment.lost", "int32", ["objects"], ["object"], "row", initial="reference.lost"),
    }
    return manifest(
        "location-sensitive",
        family="lse",
        color="rgb",
        resize={"rule": "fixed", "size": [321, 321]},
        graphs=graphs,
        state={"search": {"rule": "previous", "tensors": search}},
        options={"enlargement": 1.5, "smallest_side": 64},
    )


EXAMPLES = {
    "cfbi": cfbi_manifest,
    "space-time memory": space_time_memory_manifest,
    "running appearance": running_appearance_manifest,
    "zoom-in": zoom_in_manifest,
}


def manifest(
    name: str,
    *,
    family: str,
    color: str,
    resize: Json,
    graphs: Json,
    state: Json,
    options: Json | None = None,
    parity: Json | None = None,
) -> Json:
    """A whole document."""
    return {
        "format": 1,
        "name": name,
        "family": family,
        "source": {"file": f"{name}.pth", "sha256": HEX, "stand_in": False},
        "producer": {"vosrt": "0.1.0", "torch": "2.9.1"},
        "input": {"color": color, "resize": resize},
        "frame_size": None,
        "objects": None,
        "options": options or {},
        "graphs": graphs,
        "state": state,
        "parity": parity or {},
    }


def graph(role: str, inputs: Json, outputs: Json) -> Json:
    """A graph with one float32 file."""
    file = {"float32": {"path": f"{role}.onnx", "sha256": HEX}}
    return {"file": file, "inputs": dict(inputs), "outputs": outputs}


def fed(source: str, dtype: str, shape: Shape) -> Json:
    """A graph's input."""
    return {"from": source, "dtype": dtype, "shape": list(shape)}


def typed(dtype: str, shape: Shape) -> Json:
    """A graph's output."""
    return {"dtype": dtype, "shape": list(shape)}


def remembered(
    source: str, dtype: str, shape: Shape, axes: list[str], join: str = "replace", **optional: object
) -> Json:
    """A tensor of the state."""
    return {"from": source, "dtype": dtype, "shape": list(shape), "axes": axes, "join": join, **optional}
