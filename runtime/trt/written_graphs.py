"""The graphs of a bundle as TensorRT gets them, as files: to look at, and for `trtexec`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vosrt.cpu_device import CpuDevice
from vosrt.device import Array, Take
from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.segmenter import Segmenter
from vosrt.stream import Stream
from vosrt.trt.bundle_graphs import BundleGraphs, Sizes
from vosrt.trt.engine_check import scene
from vosrt.whole_file import write_whole_file

_NO_LIMIT = 1 << 60  # bytes


@dataclass(frozen=True)
class WrittenGraph:
    """A file, and what TensorRT must be told of it.

    Attributes:
        path: the file.
        sizes: of every input.
        nodes: how many there are of each kind.
    """

    path: Path
    sizes: Sizes
    nodes: Mapping[str, int]

    @property
    def shapes(self) -> dict[str, str]:
        """trtexec's options for inputs whose size is open: `{"minShapes": "bank:1x61x108x32", ...}`."""
        open_ones = {name: sizes for name, sizes in self.sizes.items() if not sizes.is_fixed}
        if not open_ones:
            return {}
        kinds = {"minShapes": "least", "optShapes": "usual", "maxShapes": "most"}
        return {
            option: ",".join(
                f"{name}:{'x'.join(map(str, getattr(sizes, kind)))}" for name, sizes in open_ones.items()
            )
            for option, kind in kinds.items()
        }


def write_graphs(
    segmenter: Segmenter,
    folder: Path,
    size: tuple[int, int],
    *,
    objects: int,
    precision: str | None = None,
    memory_limit: int | None = None,
) -> list[WrittenGraph]:
    """Write every graph that a stream of one frame size runs. Needs neither a GPU nor TensorRT.

    A generated scene is segmented, as it is when engines are compared with float32; that shows which graphs
    run, on what sizes.

    Args:
        segmenter: on the CPU.
        folder: for the files; made if it is not there.
        size: height and width of the frames.
        objects: room for so many.
        precision: of the graphs; None for float32, or the only one there is.
        memory_limit: most bytes that the graphs of a frame may take: decides in which parts rows are
            computed. None for all at once.

    Returns:
        in the order in which they run first.

    Raises:
        BundleError: a bundle lacks the precision, or a graph does not fit it.
        InputError: an argument cannot be used, or a file cannot be written.
        MissingDependencyError: the package onnx is not installed.
    """
    for bundle in segmenter.bundles:
        bundle.graph_path("encode", precision=precision or bundle.precisions[0])
    written: dict[tuple[Any, ...], WrittenGraph] = {}
    variants = []
    for variant in segmenter.variants:
        bundle = segmenter.bundles[segmenter.executors.index(variant.executor)]
        manifest = variant.manifest.for_objects(bundle.manifest.objects or objects)
        graphs = BundleGraphs(bundle, manifest, precision or bundle.precisions[0])
        writer = _Writer(variant.executor, graphs, folder, written)
        variants.append(replace(variant, manifest=manifest, executor=writer))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--graphs {folder} cannot be made ({error.strerror})") from error
    room = min(variant.manifest.objects or 1 for variant in variants)
    stream = Stream(variants, CpuDevice(), memory_limit=memory_limit or _NO_LIMIT)
    for index, (image, mask) in enumerate(scene(size, room)):
        stream.step(image, mask=mask if index == 0 else None)
    return list(written.values())


@dataclass
class _Writer:
    """Runs graphs, and writes each that is new."""

    executor: Executor
    graphs: BundleGraphs
    folder: Path
    written: dict[tuple[Any, ...], WrittenGraph]

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """See `Executor`."""
        network, shapes = None, {}
        for name, value in self.graphs.manifest.graphs[role].inputs.items():
            if value.source == "size":
                network = np.asarray(inputs[name], np.int64)
            else:
                shapes[name] = tuple(inputs[name].shape)
        sizes = self.graphs.sizes(role, shapes)
        name = self.graphs.name(role, sizes, network)
        key = (name, *sizes.items())
        if key not in self.written:
            same = sum(known[0] == name for known in self.written)  # of other sizes
            path = self.folder / f"{name}{f'.{same + 1}' if same else ''}.onnx"
            graph = self.graphs.graph(role, sizes, network)
            try:
                write_whole_file(path, graph)
            except OSError as error:
                raise InputError(f"--graphs: {path} cannot be written ({error.strerror})") from error
            self.written[key] = WrittenGraph(path, sizes, _counted(graph))
        return self.executor.run(role, inputs, take)


def _counted(graph: bytes) -> dict[str, int]:
    """Nodes by kind, the most frequent first."""
    import onnx

    counts = Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)
    return dict(counts.most_common())
