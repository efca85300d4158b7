"""Where the time of a frame goes: by graph and by operator, beside what the machine can do at most.

    python -m vosrt.benchmarks.graph_profile BUNDLE --size 480x854 --objects 1

runs a bundle with ONNX Runtime's profiler on the CPU. Operations: two for every multiplication with
addition, of convolutions, matrix products and matching operators, in the direct formulation: what computes a
convolution with fewer (Winograd) can exceed the limit. Bytes: of the inputs and outputs of all nodes.
Where no compiled operator takes the place of a function's body, the body's nodes are listed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vosrt import Segmenter
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.environment import environment, summary
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.benchmarks.required_packages import require_packages
from vosrt.commands import option_readers
from vosrt.errors import Error, InputError
from vosrt.executor import MOST_THREADS
from vosrt.usable_cores import usable_cores

Shape = tuple[int, ...]
WARM_UP = 3
_BYTES = {"float": 4, "float16": 2, "double": 8, "int64": 8, "int32": 4, "uint8": 1, "int8": 1, "bool": 1}
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "convolution": (
        "Conv",
        "FusedConv",
        "NhwcFusedConv",
        "QLinearConv",
        "ConvTranspose",
        "Convolution1x1",
        "Convolution1x1Relu",
        "Convolution3x3",
        "Convolution3x3Relu",
    ),
    "matrix product": ("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulInteger", "QGemm", "Einsum"),
    "matching": ("GlobalMatching", "LocalMatching", "MemoryRead", "DirectionalMatching"),
    "norm or gate": (
        "GroupNorm",
        "GroupNormRelu",
        "ChannelGate",
        "InstanceNormalization",
        "LayerNormalization",
    ),
    "layout": (
        *(
            "Transpose",
            "Reshape",
            "Concat",
            "Slice",
            "Split",
            "Expand",
            "Gather",
            "Pad",
            "Squeeze",
            "Unsqueeze",
        ),
        *("ReorderInput", "ReorderOutput", "Identity", "Cast", "CastLike", "Flatten", "Tile"),
    ),
    "resizing": ("Resize", "Upsample", "GridSample"),
}
_GROUP_OF = {operator: group for group, operators in _GROUPS.items() for operator in operators}
ELEMENTWISE = "element by element"
_HOLDS_OTHERS = ("Scan", "Loop", "If")  # their nodes have events of their own


@dataclass
class Spent:
    """Of one operator, group or graph, per frame."""

    seconds: float = 0.0
    operations: float = 0.0
    bytes: float = 0.0
    nodes: float = 0.0

    def add(self, other: Spent) -> None:
        """Take more into account."""
        self.seconds += other.seconds
        self.operations += other.operations
        self.bytes += other.bytes
        self.nodes += other.nodes


@dataclass
class GraphProfile:
    """A graph's nodes, added up per frame.

    Attributes:
        operators: by name of the operator.
        nodes: by name of the node.
    """

    operators: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    nodes: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))

    @property
    def total(self) -> Spent:
        """Of all nodes."""
        whole = Spent()
        for one in self.operators.values():
            whole.add(one)
        return whole

    def groups(self) -> dict[str, Spent]:
        """By kind of operator, the longest first."""
        found: dict[str, Spent] = defaultdict(Spent)
        for operator, spent in self.operators.items():
            found[_GROUP_OF.get(operator, ELEMENTWISE)].add(spent)
        return dict(sorted(found.items(), key=lambda item: -item[1].seconds))


@dataclass(frozen=True)
class Limits:
    """What the machine reaches per second: operations of a matrix product, bytes that a copy moves."""

    operations: float
    bytes: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.graph_profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--top", type=whole_number(0, 1000), default=15, metavar="N", help="nodes listed (15)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(argv)
    try:
        require_packages("reading the attributes of operators", ("onnx", "onnxruntime"))
        profiles, per_frame = profile_bundle(options)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    limits = machine_limits()
    if options.json:
        print(json.dumps(_document(profiles, per_frame, limits, options)))
        return 0
    print(summary(environment(options.threads or usable_cores())))
    print("\n\n".join(report(profiles, per_frame, limits, options.top)))
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `profile_bundle` takes."""
    parser.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote, or a shipped one")
    parser.add_argument("--size", type=frame_size, default=(480, 854), metavar="HxW", help="(480x854)")
    parser.add_argument(
        "--long-edge",
        type=option_readers.positive,
        metavar="PIXELS",
        help="most of the input's long edge (the bundle's own limit)",
    )
    parser.add_argument("--objects", type=whole_number(1, 254), default=1, metavar="N", help="(1)")
    parser.add_argument("--frames", type=whole_number(1, 10_000), default=10, metavar="F", help="timed (10)")
    parser.add_argument("--precision", help="of the graphs (the bundle's first)")
    parser.add_argument("--threads", type=whole_number(1, MOST_THREADS), metavar="N", help="(all cores)")


def profile_bundle(options: argparse.Namespace) -> tuple[dict[str, GraphProfile], float]:
    """Profiles by graph role, and the seconds of a whole step.

    Raises:
        Error: the bundle cannot be opened or run.
    """
    with tempfile.TemporaryDirectory() as folder:
        segmenter = Segmenter(
            options.bundle,
            device="cpu",
            precision=options.precision,
            threads=options.threads,
            long_edge=options.long_edge,
            profile=Path(folder),
        )
        stream = segmenter.stream()
        length = 1 + WARM_UP + options.frames
        clip = generated_clip(options.size, options.objects, frames=length)
        seconds = []
        for index in range(length):
            started = time.perf_counter()
            stream.step(clip.frame(index), clip.mask if index == 0 else None)
            seconds.append(time.perf_counter() - started)
        (executor,) = segmenter.executors
        files: list[Path] = executor.write_profiles()  # type: ignore[attr-defined]
        bundle = segmenter.bundles[0]
        profiles = {}
        for file in files:
            role = file.name.rpartition("__")[0] or file.name.split("_")[0]
            attributes = _attributes_of(bundle.graph_path(role, precision=segmenter.precision))
            found = read_profile(json.loads(file.read_text()), options.frames, attributes)
            if found.operators:
                profiles[role] = found
    if not profiles:
        raise InputError(f"{options.bundle}: the profiler has written nothing")
    return profiles, float(np.median(seconds[1 + WARM_UP :]))


def read_profile(
    events: Sequence[Mapping[str, Any]],
    frames: int,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> GraphProfile:
    """The last runs of a session in ONNX Runtime's trace.

    Args:
        events: of the trace.
        frames: how many runs count; those before are warm-up.
        attributes: of nodes by their names; ONNX Runtime makes up some that have none.
    """
    runs = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("name") == "model_run"]
    profile = GraphProfile()
    chosen = runs[-frames:] if len(runs) > frames else []  # a graph of the first frame alone is no frame's
    for event in events:
        if event.get("cat") != "Node" or not event.get("name", "").endswith("_kernel_time"):
            continue
        if not any(start <= event["ts"] <= end for start, end in chosen):
            continue
        name = event["name"].removesuffix("_kernel_time")
        own = (attributes or {}).get(name, {})
        arguments = event["args"]
        operator = arguments["op_name"]
        if operator in _HOLDS_OTHERS:
            continue
        inputs, outputs = (_tensors(arguments.get(f"{side}_type_shape", ())) for side in ("input", "output"))
        spent = Spent(
            event["dur"] / 1e6 / frames,
            _operations(operator, [shape for _, shape in inputs], [shape for _, shape in outputs], own)
            / frames,
            sum(_BYTES.get(kind, 4) * math.prod(shape) for kind, shape in (*inputs, *outputs)) / frames,
            1 / frames,
        )
        profile.operators[operator].add(spent)
        profile.nodes[f"{operator} {name}"].add(spent)
    return profile


def _tensors(described: Iterable[Mapping[str, Sequence[int]]]) -> list[tuple[str, Shape]]:
    return [(kind, tuple(shape)) for entry in described for kind, shape in entry.items()]


def _operations(
    operator: str, inputs: Sequence[Shape], outputs: Sequence[Shape], attributes: Mapping[str, Any]
) -> float:
    """Two for every multiplication with addition; 0 for what has none."""
    result = math.prod(outputs[0]) if outputs else 0
    group = _GROUP_OF.get(operator)
    if group == "convolution" and len(inputs) > 1:
        return 2 * result * math.prod(inputs[1][1:])
    if group == "matrix product" and len(inputs) > 1:
        inner = inputs[0][-2] if attributes.get("transA") else inputs[0][-1]
        return 2 * result * inner
    if operator == "GlobalMatching":
        channels, *grid = inputs[0]
        return 2 * channels * math.prod(grid) * inputs[1][0]
    if operator == "LocalMatching":
        side = 2 * max(attributes.get("windows", (0,))) + 1
        return 2 * math.prod(inputs[0]) * side * side
    if operator == "DirectionalMatching":
        return 2 * inputs[0][0] * inputs[0][1] * inputs[1][0] * inputs[1][2]
    if operator == "MemoryRead":
        objects, slots, keys, pixels = inputs[1]
        return 2 * objects * slots * pixels * inputs[0][1] * (keys + inputs[2][2])
    return 0.0


def _attributes_of(file: Path) -> dict[str, dict[str, Any]]:
    """Attributes of the nodes of an ONNX file, by the nodes' names; weights stay where they are."""
    import onnx

    return {
        node.name: {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        for node in onnx.load(str(file), load_external_data=False).graph.node
    }


def machine_limits() -> Limits:
    """Measured with NumPy on all cores: the best of some products of 1536 x 1536, and of copies of 256 MB."""
    side, size = 1536, 256 << 20
    matrix = np.full((side, side), 0.5, np.float32)
    source = np.ones(size // 8, np.float64)
    target = np.empty_like(source)
    product = min(_timed(lambda: np.matmul(matrix, matrix)) for _ in range(5))
    copy = min(_timed(lambda: np.copyto(target, source)) for _ in range(5))
    return Limits(2 * side**3 / product, 2 * size / copy)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(profiles: Mapping[str, GraphProfile], per_frame: float, limits: Limits, top: int) -> list[str]:
    """Tables in Markdown."""
    graphs = sum(profile.total.seconds for profile in profiles.values())
    parts = [
        f"The machine: {limits.operations / 1e9:.0f} GFLOP/s in a matrix product of float32, "
        f"{limits.bytes / 1e9:.1f} GB/s read and written by a copy.",
        f"A frame: {1e3 * per_frame:.1f} ms with the profiler, of which {1e3 * graphs:.1f} ms in nodes.",
        _table("graph", {role: profile.total for role, profile in profiles.items()}, graphs, limits),
    ]
    together: dict[str, Spent] = defaultdict(Spent)
    nodes: dict[str, Spent] = {}
    for role, profile in profiles.items():
        for group, spent in profile.groups().items():
            together[group].add(spent)
        nodes |= {f"{role}: {name}": spent for name, spent in profile.nodes.items()}
        parts += [f"## {role}", _table("kind", profile.groups(), graphs, limits)]
    longest = sorted(together.items(), key=lambda item: -item[1].seconds)
    parts.insert(3, _table("kind", dict(longest), graphs, limits))
    chosen = sorted(nodes.items(), key=lambda item: -item[1].seconds)[:top]
    if chosen:
        parts += ["## Longest nodes", _table("node", dict(chosen), graphs, limits)]
    return parts


def _table(first: str, found: Mapping[str, Spent], total: float, limits: Limits) -> str:
    heading = [first, "nodes", "ms", "share", "GFLOP", "of the product's rate", "MB", "of the copy's rate"]
    rows = [
        [
            name,
            f"{spent.nodes:.0f}",
            f"{1e3 * spent.seconds:.2f}",
            f"{spent.seconds / total:.0%}",
            f"{spent.operations / 1e9:.2f}",
            f"{spent.operations / spent.seconds / limits.operations:.0%}" if spent.operations else "",
            f"{spent.bytes / 1e6:.1f}",
            f"{spent.bytes / spent.seconds / limits.bytes:.0%}",
        ]
        for name, spent in found.items()
        if spent.seconds
    ]
    return markdown([heading, *rows])


def _document(
    profiles: Mapping[str, GraphProfile], per_frame: float, limits: Limits, options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "bundle": options.bundle,
        "size": list(options.size),
        "objects": options.objects,
        "step_ms": 1e3 * per_frame,
        "limits": {"gflops": limits.operations / 1e9, "gb_per_second": limits.bytes / 1e9},
        "graphs": {
            role: {
                operator: {
                    "ms": 1e3 * spent.seconds,
                    "gflop": spent.operations / 1e9,
                    "mb": spent.bytes / 1e6,
                    "nodes": spent.nodes,
                }
                for operator, spent in profile.operators.items()
            }
            for role, profile in profiles.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
