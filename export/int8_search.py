"""Chooses the convolutions that compute in int8, so that labels stay what they are in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from vosrt.errors import ExportError
from vosrt.export.calibration import Clip, GraphSessions, open_graph, stream_of
from vosrt.export.int8_graph import Range, convolutions_of, quantize_graph, values_of
from vosrt.label_agreement import LEAST_AGREEMENT, Agreement, agreement_of
from vosrt.manifest import Manifest

LEAST_OUTPUTS = 8  # channels: convolutions with fewer give logits, and cost nothing
LEAST_SIMILARITY = 0.995  # of masks to those in float32
CALIBRATED = 8  # frames of the clip on which ranges are measured; all of them judge
_COMPARED = 3  # calls of a graph on which the damage of a layer is measured

Layer = tuple[str, str]  # role and name of the convolution's result
Say = Callable[[str], None]


@dataclass(frozen=True)
class Int8Choice:
    """What became of the search.

    Attributes:
        models: graphs by role, those with int8 only.
        damage: of every layer that was tried, the error it alone causes in its graph's results, relative to
            their root mean square; worst first.
        exact: layers that stay in float32.
        agreement: with the labels in float32.
    """

    models: dict[str, onnx.ModelProto]
    damage: dict[Layer, float]
    exact: tuple[Layer, ...]
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "equal_labels": float(f"{self.agreement.mean:.6g}"),
            "worst_frame": float(f"{self.agreement.worst:.6g}"),
            "region_similarity": float(f"{self.agreement.similarity or 0:.6g}"),
            "frames": len(self.agreement.frames),
            "int8_convolutions": len(self.damage) - len(self.exact),
            "float32_convolutions": [f"{role}.{name}" for role, name in self.exact],
        }

    def lines(self) -> list[str]:
        """For people."""
        quantized = len(self.damage) - len(self.exact)
        rows = [f"int8: {quantized} of {len(self.damage)} convolutions; {self.agreement}"]
        rows += [
            f"  float32  {role}.{name:40s} error {self.damage[role, name]:.2%}" for role, name in self.exact
        ]
        return rows


def choose_int8(
    manifest: Manifest,
    models: Mapping[str, onnx.ModelProto],
    clip: Clip,
    *,
    least: float = LEAST_SIMILARITY,
    say: Say = lambda line: None,
) -> Int8Choice:
    """Quantise as many convolutions as labels allow.

    All of them are tried first. If labels differ too much, every layer is quantised alone; then the worst
    stay in float32, no more of them than it takes.

    Args:
        manifest: of the bundle.
        models: its float32 graphs by role.
        clip: its first frame has a mask.
        least: mean J of the objects' masks with those in float32, at least: of single frames from the same
            state, and of frames after which int8 remembers float32's labels in its own way.
        say: is told how far the search is.

    Raises:
        ExportError: the graphs have no convolution, or not one of them may be int8.
    """
    layers = [
        (role, name)
        for role, model in models.items()
        for name, node in convolutions_of(model).items()
        if _outputs(model, node.input[1]) >= LEAST_OUTPUTS
    ]
    if not layers:
        raise ExportError("int8: the network has no convolution to quantise")
    search = _Search(manifest, models, layers, clip, least, say)
    agreement = search.try_exact(())
    if _is_enough(agreement, least):
        return search.choice((), dict.fromkeys(layers, 0.0), agreement)
    damage = search.damage()
    worst_first = sorted(layers, key=lambda layer: -damage[layer])
    kept, tried = 1, {0: agreement}
    while kept < len(layers):
        tried[kept] = search.try_exact(worst_first[:kept])
        if _is_enough(tried[kept], least):
            break
        kept *= 2
    low, high = kept // 2, min(kept, len(layers))
    while high - low > 1:
        middle = (low + high) // 2
        tried[middle] = search.try_exact(worst_first[:middle])
        low, high = (low, middle) if _is_enough(tried[middle], least) else (middle, high)
    if high == len(layers):
        raise ExportError(
            f"int8: labels differ too much with a single layer of it: {tried[low]}",
            allowed=f"J of at least {least:g} and {LEAST_AGREEMENT:.1%} of the labels",
            cure="calibrate on frames like your own, or allow more with --int8-similarity",
        )
    return search.choice(
        tuple(worst_first[:high]), {layer: damage[layer] for layer in worst_first}, tried[high]
    )


def _is_enough(agreement: Agreement, least: float) -> bool:
    return agreement.mean >= min(least, LEAST_AGREEMENT) and (agreement.similarity or 0.0) >= least


class _Search:
    """Quantised versions of a bundle's graphs, and how well they do on a clip."""

    def __init__(
        self,
        manifest: Manifest,
        models: Mapping[str, onnx.ModelProto],
        layers: list[Layer],
        clip: Clip,
        least: float,
        say: Say,
    ) -> None:
        self.manifest, self.models, self.layers, self.clip = manifest, models, layers, clip
        self.least, self.say = least, say
        watched = {role: values_of(model, self._of(role, ())) for role, model in models.items()}
        sessions = GraphSessions(manifest, models, watched=watched, kept=_COMPARED)
        stream = stream_of(manifest, sessions)
        for image, mask in clip[:CALIBRATED]:
            stream.step(image, mask=mask)
        self.exact = GraphSessions(manifest, models)
        self.ranges: dict[str, dict[str, Range]] = {
            role: {name: histogram.range() for name, histogram in histograms.items()}
            for role, histograms in sessions.histograms.items()
        }
        self.calls = sessions.calls
        say(
            f"int8: ranges of {sum(map(len, self.ranges.values()))} values on {len(clip[:CALIBRATED])} frames"
        )

    def _of(self, role: str, exact: tuple[Layer, ...] | list[Layer]) -> list[str]:
        """Names of a role's layers that are not to stay in float32."""
        return [name for own, name in self.layers if own == role and (own, name) not in exact]

    def quantized(self, exact: tuple[Layer, ...] | list[Layer]) -> dict[str, onnx.ModelProto]:
        """The graphs that have int8, where some layers stay in float32."""
        chosen = {role: self._of(role, exact) for role in self.models}
        return {
            role: quantize_graph(self.models[role], names, self.ranges[role])
            for role, names in chosen.items()
            if names
        }

    def try_exact(self, exact: tuple[Layer, ...] | list[Layer]) -> Agreement:
        """Labels where some layers stay in float32."""
        tried = GraphSessions(self.manifest, {**self.models, **self.quantized(exact)})
        exact_stream, stream = stream_of(self.manifest, self.exact), stream_of(self.manifest, tried)
        agreement = agreement_of(exact_stream, stream, self.clip, [self.manifest])
        self.say(f"int8: {len(self.layers) - len(exact)} of {len(self.layers)} convolutions: {agreement}")
        return agreement

    def damage(self) -> dict[Layer, float]:
        """The error that each layer alone causes in its graph's results, as a share of them."""
        found = {}
        for index, (role, name) in enumerate(self.layers, start=1):
            session = open_graph(quantize_graph(self.models[role], [name], self.ranges[role]))
            shares = [
                _error(session.run(list(wanted), inputs), list(wanted.values()))
                for inputs, wanted in self.calls[role]
            ]
            found[role, name] = max(shares, default=0.0)
            if index % 16 == 0 or index == len(self.layers):
                self.say(f"int8: {index} of {len(self.layers)} convolutions tried alone")
        return found

    def choice(
        self, exact: tuple[Layer, ...], damage: dict[Layer, float], agreement: Agreement
    ) -> Int8Choice:
        """The result."""
        return Int8Choice(self.quantized(exact), damage, exact, agreement)


def _outputs(model: onnx.ModelProto, weights: str) -> int:
    return next(tensor.dims[0] for tensor in model.graph.initializer if tensor.name == weights)


def _error(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """Root mean square of the difference, relative to that of what is wanted; of the worst real output."""
    shares = [0.0]
    for one, other in zip(found, wanted, strict=True):
        if other.dtype.kind == "f" and other.size:
            size = float(np.sqrt(np.square(other, dtype=np.float64).mean()))
            difference = float(np.sqrt(np.square(one - other, dtype=np.float64).mean()))
            shares.append(difference / size if size else difference)
    return max(shares)
