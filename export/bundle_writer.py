"""Writes a bundle: traces the network, finishes its graphs, checks them, and moves the folder into place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch

import vosrt
from vosrt.bundle import Bundle
from vosrt.errors import ExportError, InputError
from vosrt.export.calibration import Clip
from vosrt.export.calibration_clip import generated_calibration_clip
from vosrt.export.half_precision import to_half_precision
from vosrt.export.int8_search import LEAST_SIMILARITY, Int8Choice, Say, choose_int8
from vosrt.export.memory_estimate import estimate_memory
from vosrt.export.named_operators import name_operators
from vosrt.export.output_folder import new_bundle_folder
from vosrt.export.parity import ParityReport, measure_parity
from vosrt.export.rewriting import finish_graph, strip_function_bodies
from vosrt.export.tensorrt_lint import lint_for_tensorrt
from vosrt.export.tracing import TracedGraph, fix_shape, trace_role
from vosrt.manifest import Checkpoint, Manifest, sha256_of_file, write_bundle_manifest
from vosrt.manifest_graph import ASIDE
from vosrt.models import VosNetwork
from vosrt.resize_rule import parse_resize_rule
from vosrt.strict_json import Node
from vosrt.trt.int8_pairs import to_signed_pairs

PRECISIONS = ("float32", "float16", "int8")  # int8 is made from float32, and comes with it
MEMORY_FRAME = (145, 193)  # frame size at which memory is counted where none is fixed


@dataclass(frozen=True)
class ExportSettings:
    """What a bundle fixes and holds.

    Attributes:
        frame: height and width of the frames; None for any.
        objects: most objects; None for any number.
        references: slots for frames with given masks; None for any number up to the network's capacity.
        precisions: one graph file per role for each.
        taps: add the network's intermediate results to the outputs, for checking.
        calibration: frames on which int8 is calibrated and judged, the first with a mask; None for a
            generated clip.
        similarity: mean J of masks with those in float32 that int8 has to reach (0.995).
    """

    frame: tuple[int, int] | None = None
    objects: int | None = None
    references: int | None = None
    precisions: tuple[str, ...] = ("float32",)
    taps: bool = False
    calibration: Clip | None = None
    similarity: float = LEAST_SIMILARITY

    @property
    def traced_precisions(self) -> tuple[str, ...]:
        """Those whose graphs follow from the network alone; int8 needs a clip."""
        float32 = ("float32",) if "int8" in self.precisions else ()
        return tuple(dict.fromkeys([*float32, *(one for one in self.precisions if one != "int8")]))


def export_bundle(
    network: VosNetwork,
    source: Checkpoint,
    output: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    *,
    overwrite: bool = False,
    say: Say = lambda line: None,
) -> list[ParityReport]:
    """Export a network as a bundle folder and check it against the network.

    Args:
        network: in evaluation mode, with its weights.
        source: where the weights came from.
        output: the folder to make.
        settings: what is fixed.
        overwrite: replace an existing bundle.
        say: is told how far the search for int8 is, and what it found.

    Returns:
        one report per precision but int8, whose report is a part of the bundle like the others.

    Raises:
        InputError: the settings fix what the network has not.
        ExportError: the folder exists, a graph is not readable by TensorRT 8.5, or parity fails; then nothing
            is left behind.
    """
    settings = settings or ExportSettings()
    with new_bundle_folder(Path(output), overwrite=overwrite) as folder:
        traced = trace_network(network, settings)
        manifest = write_bundle(network, traced, source, folder, settings)
        reports = check_parity(network, Bundle.open(folder), settings)
        parity = {report.precision: report.to_json() for report in reports}
        document = manifest.to_json() | {"parity": parity}
        if "int8" in settings.precisions:
            choice = choose_for(manifest, network, traced, settings, say)
            add_int8(folder, document, choice)
            parity["int8"] = choice.to_json()
        write_bundle_manifest(folder, Manifest.parse(Node(document, document="bundle.json")))
        return reports


def trace_network(network: VosNetwork, settings: ExportSettings) -> dict[str, TracedGraph]:
    """Trace every role; the result serves any weights of the same network."""
    fixed = fixed_sizes(network, settings)
    return {
        role: trace_role(network, role, fixed=fixed, with_taps=settings.taps) for role in network.graphs()
    }


def fixed_sizes(network: VosNetwork, settings: ExportSettings) -> dict[str, int]:
    """The named dimensions that the settings fix.

    Raises:
        InputError: there are no slots for references that could be fixed.
    """
    banks = [entry for entry in network.state().values() if entry["rule"] == "reference"]
    if settings.references is not None and not any("capacity" in entry for entry in banks):
        raise InputError(f"{network.name} has no option --references")
    fixed: dict[str, int] = {}
    if settings.frame is not None:
        rule = parse_resize_rule(Node(dict(network.network_input().resize), document="resize rule"))
        height, width = rule.network_size(*settings.frame)
        fixed.update(H=settings.frame[0], W=settings.frame[1], **network.grid_sizes(height, width))
    if settings.objects is not None:
        fixed |= {"rows": settings.objects + 1, "objects": settings.objects, "part": settings.objects}
    if settings.references is not None:
        fixed["slots"] = settings.references
    if settings.objects is not None:
        for entry in network.state().values():
            if entry["rule"] == "memory":  # the last slot is the latest frame
                fixed["slots"] = entry["capacity"] + 1
    return fixed


def write_bundle(
    network: VosNetwork,
    traced: Mapping[str, TracedGraph],
    source: Checkpoint,
    folder: Path,
    settings: ExportSettings,
) -> Manifest:
    """Write graphs and manifest of a traced network into an existing folder.

    Raises:
        ExportError: a graph is not readable by TensorRT 8.5.
    """
    weights = dict(network.state_dict()) | dict(network.named_buffers())
    files: dict[str, dict[str, dict[str, str]]] = {}
    inputs: dict[str, list[str]] = {}
    memory: dict[str, dict[str, float]] = {}
    for role, graph in traced.items():
        model = finish_graph(graph, weights)
        check_for_tensorrt(role, model)
        inputs[role] = [value.name for value in model.graph.input]
        if settings.objects is None and (role in ("segment", "finish") or "part" in graph.spec.inputs):
            memory[role] = _memory_of(role, model, graph, network, settings)
        files[role] = {}
        for precision in settings.traced_precisions:
            path = folder / (f"{role}.onnx" if precision == "float32" else f"{role}.{precision}.onnx")
            onnx.save(_in_precision(model, precision, network), path)
            files[role][precision] = {"path": path.name, "sha256": sha256_of_file(path)}
    manifest = make_manifest(network, traced, source, settings, files, inputs, memory)
    write_bundle_manifest(folder, manifest)
    return manifest


def _in_precision(model: onnx.ModelProto, precision: str, network: VosNetwork) -> onnx.ModelProto:
    if precision != "float32":
        return to_half_precision(model, has_half_keys=network.has_half_keys)
    named = onnx.ModelProto()
    named.CopyFrom(model)
    name_operators(named)
    return named


def choose_for(
    manifest: Manifest,
    network: VosNetwork,
    traced: Mapping[str, TracedGraph],
    settings: ExportSettings,
    say: Say,
) -> Int8Choice:
    """Search the convolutions of a traced network that may be int8.

    Raises:
        ExportError: none may.
    """
    weights = dict(network.state_dict()) | dict(network.named_buffers())
    models = {role: finish_graph(graph, weights) for role, graph in traced.items() if role not in ASIDE}
    clip = settings.calibration or generated_calibration_clip(manifest.frame_size, manifest.objects)
    choice = choose_int8(manifest, models, clip, least=settings.similarity, say=say)
    for line in choice.lines():
        say(line)
    return choice


def add_int8(folder: Path, document: dict[str, Any], choice: Int8Choice) -> None:
    """Write the int8 graphs into a bundle's folder and its manifest; graphs without any serve as they are.

    Raises:
        ExportError: a graph is not readable by TensorRT 8.5.
    """
    for role, graph in document["graphs"].items():
        graph["file"]["int8"] = dict(graph["file"]["float32"])
        if role in choice.models:
            model = choice.models[role]
            check_for_tensorrt(role, model)
            name_operators(model)
            path = folder / f"{role}.int8.onnx"
            onnx.save(model, path)
            graph["file"]["int8"] = {"path": path.name, "sha256": sha256_of_file(path)}


def _memory_of(
    role: str, model: onnx.ModelProto, graph: TracedGraph, network: VosNetwork, settings: ExportSettings
) -> dict[str, float]:
    """What a role needs per pixel: of the frame for `finish`, of the network's input for others."""
    frame = settings.frame or MEMORY_FRAME
    rule = parse_resize_rule(Node(dict(network.network_input().resize), document="resize rule"))
    height, width = rule.network_size(*frame)
    sizes = {"H": frame[0], "W": frame[1], "slots": 1, **network.grid_sizes(height, width)}
    pixels = frame[0] * frame[1] if role == "finish" else height * width
    return estimate_memory(model, graph.spec, sizes, pixels).to_json()


def check_parity(network: VosNetwork, bundle: Bundle, settings: ExportSettings) -> list[ParityReport]:
    """Measure parity of every precision.

    Raises:
        ExportError: a precision is over its limits.
    """
    reports = [
        measure_parity(network, bundle, precision, with_taps=settings.taps)
        for precision in settings.traced_precisions
    ]
    failures = [f"{report.precision} {failure}" for report in reports for failure in report.failures()]
    if failures:
        raise ExportError(
            "the exported graphs do not reproduce the network: " + "; ".join(failures[:8]),
            cure="export float32 alone to see whether precision is the cause; otherwise report it",
        )
    return reports


def make_manifest(
    network: VosNetwork,
    traced: Mapping[str, TracedGraph],
    source: Checkpoint,
    settings: ExportSettings,
    files: Mapping[str, Mapping[str, Mapping[str, str]]],
    inputs: Mapping[str, list[str]],
    memory: Mapping[str, Mapping[str, float]],
) -> Manifest:
    """The manifest of written graph files; `inputs` are the names that each graph still has."""
    graphs: dict[str, dict[str, Any]] = {}
    for role, graph in traced.items():
        named = {}
        for name, tensor in graph.spec.inputs.items():
            if tensor.size_step is not None:
                name, tensor_json = "size", {"from": "size", "dtype": "int64", "shape": [2]}
            else:
                tensor_json = {"from": tensor.source, "dtype": tensor.dtype, "shape": list(tensor.shape)}
            if name in inputs[role]:
                named[name] = tensor_json
        outputs = {
            name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
            for name, tensor in graph.spec.outputs.items()
        }
        graphs[role] = {"file": files[role], "inputs": named, "outputs": outputs}
        if role in memory:
            graphs[role]["memory"] = memory[role]
    network_input = network.network_input()
    document = {
        "format": 1,
        "name": network.name,
        "family": network.family,
        "source": source.to_json(),
        "producer": {"vosrt": vosrt.__version__, "torch": torch.__version__, "onnx": onnx.__version__},
        "input": {"color": network_input.color, "resize": dict(network_input.resize)},
        "frame_size": None if settings.frame is None else list(settings.frame),
        "objects": settings.objects,
        "options": (network.recipe.to_json() if network.recipe else {}) | network.options(),
        "graphs": graphs,
        "state": _state_with_sizes(network, settings),
        "parity": {},
    }
    return Manifest.parse(Node(document, document="bundle.json"))


def _state_with_sizes(network: VosNetwork, settings: ExportSettings) -> dict[str, Any]:
    """The network's state entries with fixed dimensions as numbers."""
    fixed = fixed_sizes(network, settings)
    state = network.state()
    for entry in state.values():
        if settings.references is not None and "capacity" in entry:
            entry["capacity"] = settings.references
        for tensor in entry["tensors"].values():
            tensor["shape"] = list(fix_shape(tensor["shape"], fixed))
    return state


def check_for_tensorrt(role: str, model: onnx.ModelProto) -> None:
    """Refuse a graph that TensorRT 8.5 could not read."""
    stripped = strip_function_bodies(model)
    to_signed_pairs(stripped)  # as engines get it
    problems = lint_for_tensorrt(stripped)
    if problems:
        raise ExportError(f"graph {role} leaves what TensorRT 8.5 reads: " + "; ".join(problems[:8]))
