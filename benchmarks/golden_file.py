"""Golden files: stored numbers of a network's stages, with what is needed to compute them again.

Five layouts. A *sequence* file holds frames, given labels and, for each step, the stages of the network; its
`meta` names the model, the salt of the stand-in weights and the options. A *matching* file holds embeddings
and, for each case, label maps, options (`<case>/info`) and the matching maps. A *memory sequence* is one of a
space-time memory network: its steps follow from the mask of frame 0 alone. A *memory read* file holds keys,
values and what a space-time memory read makes of them (`case<i>_<name>`), an *aggregation* file likewise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vosrt.array_archive import read_arrays
from vosrt.errors import InputError

Arrays = Mapping[str, NDArray[Any]]
# Name in a file's `meta` -> model and backbone here.
MODELS = {
    "cfbi_r101": ("cfbi", "resnet101"),
    "cfbi_mobilenetv2": ("cfbi", "mobilenetv2"),
    "cfbip_r101": ("cfbi_plus", "resnet101"),
    "stm_r50": ("stm", "resnet50"),
}
LONG_EDGE_SINGLE_SCALE, LONG_EDGE_SCALES = 1040.0, 800.0


@dataclass(frozen=True)
class NetworkKey:
    """What one export serves: every file with the same key, whatever its salt."""

    model: str
    backbone: str
    global_atrous: int | None = None
    minimum_pixels: int | None = None

    def options(self) -> dict[str, int]:
        """Of the network's constructor, those that the files know."""
        given = {"global_atrous": self.global_atrous, "minimum_pixels": self.minimum_pixels}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class GoldenSequence:
    """A sequence file.

    Attributes:
        frames: uint8 `[T, H, W, 3]`, BGR.
        given: frame index -> given labels uint8 `[H, W]`.
        variants: (scale, flipped) of every pass whose probabilities are averaged.
    """

    name: str
    arrays: Arrays
    network: NetworkKey
    salt: str
    max_long_edge: float
    variants: tuple[tuple[float, bool], ...]
    frames: NDArray[np.uint8]
    given: Mapping[int, NDArray[np.uint8]]

    def key(self, step: int, stage: str) -> str:
        """Where a stage of a step is stored, or of a frame for `image` and `embedding*`."""
        match = re.fullmatch(r"(image|embedding)(_s\d+)?", stage)
        return f"{match[1]}_{step}{match[2] or ''}" if match else f"step{step}_{stage}"

    def stored(self, step: int, stage: str) -> NDArray[Any] | None:
        """A stored tensor, or None."""
        return self.arrays.get(self.key(step, stage))

    def stage_keys(self) -> set[str]:
        """Keys to compare: all that belong to a step or a frame, less what is fed or counted."""
        fed = re.compile(r"step\d+_(prev_mask|obj_num)$")
        return {
            key for key in self.arrays if re.match(r"(step|image_|embedding_)\d", key) and not fed.match(key)
        }

    def has_step(self, step: int) -> bool:
        """Whether anything of a step is stored."""
        return any(key.startswith(f"step{step}_") for key in self.arrays)

    def previous_mask(self, step: int) -> NDArray[np.uint8]:
        """The label map that the step was fed when the file was made."""
        for key in (f"step{step}_prev_mask", f"step{step - 1}_mask"):
            if key in self.arrays:
                return self.arrays[key]
        if step == 1:
            return self.given[0]
        raise InputError(f"{self.name} holds no previous mask for step {step}")

    def object_count(self, step: int) -> int:
        """Rows of a step besides the background: the largest id of any label given before it."""
        if f"step{step}_obj_num" in self.arrays:
            return int(self.arrays[f"step{step}_obj_num"])
        return max(int(labels.max()) for frame, labels in self.given.items() if frame < step)


@dataclass(frozen=True)
class MemorySequence:
    """A sequence file of a memory network.

    Attributes:
        frames: uint8 `[T, H, W, 3]`, BGR.
        given: labels of frame 0, uint8 `[H, W]`.
        every: each k-th frame is kept.
        variants: (scale, flipped) of every run whose probabilities are averaged.
        deviations: from float64, by stored tensor.
    """

    name: str
    arrays: Arrays
    network: NetworkKey
    salt: str
    frames: NDArray[np.uint8]
    given: NDArray[np.uint8]
    every: int
    variants: tuple[tuple[float, bool], ...]
    deviations: Mapping[str, float]


@dataclass(frozen=True)
class MatchingCase:
    """One case of a matching file; embeddings are float32 `[h, w, C]`, label maps `[h, w]`."""

    name: str
    arrays: Arrays  # the case's own, without its prefix
    info: Mapping[str, Any]
    query: NDArray[np.float32]
    references: tuple[NDArray[np.float32], ...]
    previous: NDArray[np.float32]


@dataclass(frozen=True)
class MemoryReadCase:
    """One case of a memory read file, all float32: n objects, T remembered frames.

    Attributes:
        query_key: `[n, Ck, h, w]`; objects have different ones, unlike in a network.
        query_value: `[n, Cv, h, w]`.
        mem_key: `[n, Ck, T, h, w]`.
        mem_value: `[n, Cv, T, h, w]`.
        out: `[n, 2*Cv, h, w]`, what is read, then the query's own value.
        attention: `[n, T*h*w, h*w]`, weights over the memory.
    """

    name: str
    query_key: NDArray[np.float32]
    query_value: NDArray[np.float32]
    mem_key: NDArray[np.float32]
    mem_value: NDArray[np.float32]
    out: NDArray[np.float32]
    attention: NDArray[np.float32]


@dataclass(frozen=True)
class AggregationCase:
    """One case of a soft aggregation file, float32: n objects, and unused rows behind theirs.

    Attributes:
        object_prob: `[n, H, W]`, of every object by itself.
        agg_logit: `[rows, H, W]`, logarithms of the odds.
        prob: `[rows, H, W]`.
        mask: uint8 `[H, W]`, the likeliest row.
    """

    name: str
    object_prob: NDArray[np.float32]
    agg_logit: NDArray[np.float32]
    prob: NDArray[np.float32]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class DirectionalCase:
    """One case of a file of directional matching and appearance, float32; the first frame is the reference.

    Attributes:
        arrays: `feat_t` `[B, C, h, w]` and `seg_t` `[B, 2, h, w]` of every frame, the weights of both
            embeddings, and what came out.
        frames: how many.
        rate: share of a new frame in the running means.
        deviations: of every stored result from float64.
    """

    name: str
    arrays: Arrays
    frames: int
    rate: float
    deviations: Mapping[str, float]


@dataclass(frozen=True)
class FusionCase:
    """One fusion of a foreground probability with embeddings, float32, computed in float64.

    Attributes:
        foreground: `[h, w]`.
        embedding: `[D, h, w]`.
        representative: `[D]`, the typical embedding.
        embedding_prob: `[h, w]`, probability by the embedding alone.
        final: `[h, w]`.
        count: int64, certain pixels.
    """

    name: str
    foreground: NDArray[np.float32]
    embedding: NDArray[np.float32]
    representative: NDArray[np.float32]
    embedding_prob: NDArray[np.float32]
    final: NDArray[np.float32]
    count: NDArray[np.int64]


Case = MatchingCase | MemoryReadCase | AggregationCase | DirectionalCase | FusionCase
CaseKind = TypeVar("CaseKind", MemoryReadCase, AggregationCase, FusionCase)
GoldenContent = GoldenSequence | MemorySequence | tuple[Case, ...]
AGGREGATION = "soft aggregation"
FUSION = "LSE fusion"
MEMORY_READ = "space-time memory read"  # `op` in a file's `meta`
DIRECTIONAL = "global directional matching and von Mises-Fisher appearance"  # `ops` there


def read_golden(path: str | Path) -> GoldenContent:
    """Read a golden file of any layout.

    Raises:
        InputError: not such a file, or for a model or option that is not known here.
    """
    path = Path(path)
    try:
        arrays = read_arrays(path)
        meta = json.loads(str(arrays["meta"])) if "meta" in arrays else {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no golden file ({error})", cure="give .npz files") from error
    try:
        if any(key.endswith("/info") for key in arrays):
            return _matching_cases(path.stem, arrays)
        if meta.get("op") == MEMORY_READ:
            return _memory_reads(path.stem, arrays)
        if meta.get("ops") == DIRECTIONAL:
            return _directional_cases(path.stem, arrays, meta)
        if meta.get("op") == AGGREGATION:
            return tuple(_cases(path.stem, arrays, AggregationCase))
        if meta.get("op") == FUSION:
            return tuple(_cases(path.stem, arrays, FusionCase))
        if "frames_bgr_u8" in arrays and meta.get("model") in MODELS:
            return _sequence(path.stem, arrays, meta)
        if "frames_rgb_u8" in arrays and meta.get("model") in MODELS:
            return _memory_sequence(path.stem, arrays, meta)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no complete golden file ({error!r})") from error
    raise InputError(
        f"{path}: layout or model {meta.get('model')!r} is not known",
        allowed=f"sequences of {', '.join(MODELS)}, cases of operators; of J and F the .json file",
    )


def _sequence(name: str, arrays: Arrays, meta: Mapping[str, Any]) -> GoldenSequence:
    if meta.get("float16"):
        raise InputError(f"{name}: made with matching in float16", allowed="float32")
    model, backbone = MODELS[meta["model"]]
    scales = [float(scale) for scale in meta.get("scales", [1.0])]
    flips = (False, True) if meta.get("flip") else (False,)
    given = {int(key[6:]): value for key, value in arrays.items() if re.fullmatch(r"label_\d+", key)}
    if 0 not in given:
        raise InputError(f"{name} holds no label_0")
    network = NetworkKey(
        model, backbone, _first(meta.get("global_atrous_rate", 1)), _first(meta.get("min_matching_pixels", 0))
    )
    default_edge = LONG_EDGE_SINGLE_SCALE if scales == [1.0] else LONG_EDGE_SCALES
    return GoldenSequence(
        name=name,
        arrays=arrays,
        network=network,
        salt=str(meta.get("salt", "a" if model == "cfbi_plus" else "f")),
        max_long_edge=float(meta.get("max_long_edge", default_edge)),
        variants=tuple((scale, flip) for scale in scales for flip in flips),
        frames=arrays["frames_bgr_u8"],
        given=given,
    )


def _memory_sequence(name: str, arrays: Arrays, meta: Mapping[str, Any]) -> MemorySequence:
    scales = [float(scale) for scale in meta.get("scales", [1.0])]
    flips = [bool(flip) for flip in meta.get("flips", [meta.get("flip", False)])]
    return MemorySequence(
        name=name,
        arrays=arrays,
        network=NetworkKey(*MODELS[meta["model"]]),
        salt=str(meta.get("salt", "f")),
        frames=np.ascontiguousarray(arrays["frames_rgb_u8"][..., ::-1]),
        given=arrays["label_0"],
        every=int(meta["memory_every"]),
        variants=tuple((scale, flip) for scale in scales for flip in flips),
        deviations=dict(meta.get("float64_maxabsdiff", {})),
    )


def _matching_cases(name: str, arrays: Arrays) -> tuple[MatchingCase, ...]:
    prefixes = sorted({key.rsplit("/", 1)[0] for key in arrays if key.endswith("/info")})
    references = tuple(
        arrays[key] for key in sorted(key for key in arrays if re.fullmatch(r"reference_\d+", key))
    )
    cases = []
    for prefix in prefixes:
        own = {key[len(prefix) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{prefix}/")}
        info = json.loads(str(own.pop("info")))
        kinds = [kind for kind in ("global", "local") if f"{kind}_fg" in own]
        lacking = [f"{kind}_bg" for kind in kinds if f"{kind}_bg" not in own]
        lacking += sorted({"objects", "bias_bg", "bias_fg"} - set(info))
        if lacking or not kinds:
            raise InputError(f"{name}/{prefix} lacks {', '.join(lacking) or 'matching maps'}")
        cases.append(
            MatchingCase(f"{name}/{prefix}", own, info, arrays["query"], references, arrays["previous"])
        )
    return tuple(cases)


def _directional_cases(name: str, arrays: Arrays, meta: Mapping[str, Any]) -> tuple[DirectionalCase, ...]:
    cases = []
    for number, info in enumerate(meta["cases"]):
        prefix = f"case{number}_"
        own = {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
        frames = int(info["frames"])
        needed = {f"{kind}_{t}" for kind in ("feat", "seg") for t in range(frames)} | set(
            info["float64_maxabsdiff"]
        )
        if not needed <= set(own):
            raise InputError(f"{name}/case{number} lacks {', '.join(sorted(needed - set(own)))}")
        deviations = {key: float(value) for key, value in info["float64_maxabsdiff"].items()}
        cases.append(DirectionalCase(f"{name}/case{number}", own, frames, float(info["rate"]), deviations))
    return tuple(cases)


def _memory_reads(name: str, arrays: Arrays) -> tuple[MemoryReadCase, ...]:
    cases = tuple(_cases(name, arrays, MemoryReadCase))
    for case in cases:
        _check_shapes(case)
    return cases


def _cases(name: str, arrays: Arrays, kind: type[CaseKind]) -> Iterator[CaseKind]:
    """Cases that are stored as `case<i>_<field>`; whatever else is stored is an error."""
    names = [field.name for field in fields(kind) if field.name != "name"]
    prefixes = sorted({key.split("_")[0] for key in arrays if re.match(r"case\d+_", key)})
    unknown = sorted(set(arrays) - {f"{prefix}_{key}" for prefix in prefixes for key in names} - {"meta"})
    if unknown or not prefixes:
        raise InputError(f"{name} holds {unknown[0] if unknown else 'no case'}", allowed=", ".join(names))
    for prefix in prefixes:
        yield kind(f"{name}/{prefix}", **{key: arrays[f"{prefix}_{key}"] for key in names})


def _check_shapes(case: MemoryReadCase) -> None:
    rows, channels, slots, *grid = case.mem_value.shape
    key_channels, pixels = case.mem_key.shape[1:2], int(np.prod(grid))
    expected = {
        "mem_key": (rows, *key_channels, slots, *grid),
        "query_key": (rows, *key_channels, *grid),
        "query_value": (rows, channels, *grid),
        "out": (rows, 2 * channels, *grid),
        "attention": (rows, slots * pixels, pixels),
    }
    for key, shape in expected.items():
        found = getattr(case, key).shape
        if found != shape:
            raise InputError(f"{case.name}: shape of {key}", value=found, allowed=str(shape))


def _first(value: Any) -> int:
    """Options per scale are lists; only the finest scale has other values than the default."""
    if isinstance(value, list):
        if any(int(other) != int(value[-1]) for other in value[1:]):
            raise InputError("options of the coarser scales", value=value, allowed="the same for all")
        return int(value[0])
    return int(value)
