"""One way to run one bundle, as `vosrt bench` compares them."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from vosrt.counted import counted

ONNXRUNTIME, TENSORRT = "onnxruntime", "tensorrt"
TORCH, TORCH_COMPILED, TORCH_PUBLISHED = "torch", "torch-compiled", "torch-published"
DEPLOYED = (ONNXRUNTIME, TENSORRT)  # run bundles, in any of their precisions
EXECUTORS = (*DEPLOYED, TORCH, TORCH_COMPILED, TORCH_PUBLISHED)
Scene = tuple[str, int | None, int]  # bundle, limit of its input, objects
# The first of them that runs is the baseline.
BASELINE_ORDER = (TORCH_PUBLISHED, TORCH, TORCH_COMPILED, ONNXRUNTIME, TENSORRT)


@dataclass(frozen=True)
class Candidate:
    """A bundle, an executor and a number of objects; each runs in a process of its own.

    Candidates of one `scene` do the same work on the same frames, so their speed, memory and labels compare.

    Attributes:
        bundle: the folder.
        title: the bundle's name in reports.
        executor: one of `EXECUTORS`.
        precision: of the graphs; PyTorch runs in float32.
        objects: besides the background.
        long_edge: most pixels of the long edge of the network's input; None for the bundle's own limit.
        input_size: height and width of the network's input that follow from it.
        threads: of the executor.
        checkpoint: file with the weights, for PyTorch where they are no stand-ins.
        device: "cpu" or "cuda".
        python: the executable that runs it.
    """

    bundle: str
    title: str
    executor: str
    precision: str
    objects: int
    threads: int
    long_edge: int | None
    input_size: tuple[int, int]
    checkpoint: str | None = None
    device: str = "cpu"
    python: str = sys.executable

    @property
    def scene(self) -> Scene:
        """What the candidates to compare have in common."""
        return (self.bundle, self.long_edge, self.objects)

    @property
    def name(self) -> str:
        """For people."""
        objects = counted(self.objects, "object")
        where = "" if self.device == "cpu" else f" on {self.device}"
        return f"{self.title}, {self.executor} {self.precision}{where}, {self.input_name}, {objects}"

    @property
    def input_name(self) -> str:
        """Size of the network's input, for people."""
        return f"{self.input_size[0]}x{self.input_size[1]}"
