"""What the directional networks say about themselves: sizes, graphs and state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vosrt.models.network import GraphSpec, TensorSpec

COMPONENTS = 4  # of an appearance


@dataclass(frozen=True)
class DirectionalSizes:
    """Channels of the parts.

    Attributes:
        trunk: of the frame's features at strides 4, 8 and 16.
        embedding: of what is compared by direction.
        guided: of guided features.
        hidden: between a mask and what modulates features.
        merged: behind the first convolution of the merge.
        width: of the decoder.
        pooled: of each pooled map of its guide.
    """

    trunk: tuple[int, int, int]
    embedding: int
    guided: int
    hidden: int
    merged: int
    width: int
    pooled: int


def graphs_of(sizes: DirectionalSizes) -> dict[str, GraphSpec]:
    """Roles with their typed inputs and outputs."""
    mask = ("objects", 2, "h", "w")
    frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
    canvas = TensorSpec("float32", ("nh", "nw"), "size")
    grid = TensorSpec("float32", ("h", "w"), "size/16")
    rows = TensorSpec("int32", ("objects+1",), "rows")
    encoded = {
        "matching": TensorSpec("float32", (sizes.embedding, "h", "w"), "encode.matching"),
        "appearance": TensorSpec("float32", (sizes.embedding, "h", "w"), "encode.appearance"),
        "features": TensorSpec("float32", (1, sizes.guided, "h", "w"), "encode.features"),
        "skip8": TensorSpec("float32", (1, sizes.width, "2*h", "2*w"), "encode.skip8"),
        "skip4": TensorSpec("float32", (1, sizes.width, "4*h", "4*w"), "encode.skip4"),
    }
    means = TensorSpec("float32", ("objects", COMPONENTS, sizes.embedding), "state.appearance.means")
    coarse = TensorSpec("float32", mask, "segment.coarse")
    scores = TensorSpec("float32", ("objects", 2, "4*h", "4*w"), "segment.scores")
    modulated = TensorSpec("float32", ("objects", sizes.guided, "h", "w"), "state.reference.modulated")
    remembered = {
        "bank": TensorSpec("float32", ("slots", sizes.embedding, "h", "w"), "state.reference.bank"),
        "weights": TensorSpec("float32", ("objects", 2, "slots", "h", "w"), "state.reference.weights"),
        "modulated": modulated,
        "first_mask": TensorSpec("float32", mask, "state.reference.first_mask"),
        "means": means,
        "previous_mask": TensorSpec("float32", mask, "state.appearance.mask"),
    }
    seen = {name: encoded[name] for name in ("appearance", "features")}
    told = {
        "labels": TensorSpec("int32", ("H", "W"), "step.labels"),
        "rows": rows,
        "given": TensorSpec("int32", ("objects+1",), "given"),
    }
    return {
        "encode": GraphSpec({"frame": frame, "canvas": canvas, "grid": grid}, encoded),
        "reference": GraphSpec(
            {**seen, "canvas": canvas, **told},
            {
                "weights": TensorSpec("float32", mask),
                "modulated": modulated,
                "means": means,
                "masks": TensorSpec("float32", mask),
            },
        ),
        "segment": GraphSpec({**encoded, **remembered}, {"scores": scores, "coarse": coarse}),
        "finish": GraphSpec(
            {"scores": scores, "canvas": canvas, "rows": rows},
            {"probabilities": TensorSpec("float32", ("objects+1", "nh", "nw"))},
        ),
        "memorize": GraphSpec(
            {"appearance": encoded["appearance"], "coarse": coarse, "means": means, "rows": rows},
            {"running_means": means, "masks": TensorSpec("float32", mask)},
        ),
    }


def state_of(sizes: DirectionalSizes) -> dict[str, Any]:
    """State entries, as the manifest writes them."""
    mask, of_mask = ["objects", 2, "h", "w"], ["object", "class", "h", "w"]
    reference = {
        "bank": _remembered(
            "encode.matching", ["slots", sizes.embedding, "h", "w"], ["slot", "channel", "h", "w"], fill=0
        ),
        "weights": _remembered(
            "reference.weights",
            ["objects", 2, "slots", "h", "w"],
            ["object", "class", "slot", "h", "w"],
            fill=-1,
        ),
        "modulated": _remembered(
            "reference.modulated", ["objects", sizes.guided, "h", "w"], ["object", "channel", "h", "w"]
        ),
        "first_mask": _remembered("reference.masks", mask, of_mask),
    }
    appearance = {
        "means": _remembered(
            "memorize.running_means",
            ["objects", COMPONENTS, sizes.embedding],
            ["object", "component", "channel"],
            initial="reference.means",
        ),
        "mask": _remembered("memorize.masks", mask, of_mask, initial="reference.masks"),
    }
    return {
        "reference": {"rule": "reference", "capacity": 4, "tensors": reference},
        "appearance": {"rule": "previous", "tensors": appearance},
    }


def _remembered(
    source: str, shape: list[Any], axes: list[str], *, fill: float | None = None, initial: str | None = None
) -> dict[str, Any]:
    """A remembered tensor; `fill` makes it one of slots."""
    join = "row" if fill is None else "append"
    entry = {"from": source, "dtype": "float32", "shape": shape, "axes": axes, "join": join}
    return entry | {
        name: value for name, value in (("fill", fill), ("initial", initial)) if value is not None
    }
