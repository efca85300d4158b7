"""One way to run one bundle, as `vosrt bench` compares them."""

from __future__ import annotations

from dataclasses import dataclass

ONNXRUNTIME, TORCH, TORCH_PUBLISHED = "onnxruntime", "torch", "torch-published"
EXECUTORS = (ONNXRUNTIME, TORCH, TORCH_PUBLISHED)
Scene = tuple[str, int | None, int]  # bundle, limit of its input, objects
BASELINE_ORDER = (TORCH_PUBLISHED, TORCH, ONNXRUNTIME)  # the first of them that runs is the baseline


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
        device: where it runs.
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

    @property
    def scene(self) -> Scene:
        """What the candidates to compare have in common."""
        return (self.bundle, self.long_edge, self.objects)

    @property
    def name(self) -> str:
        """For people."""
        objects = "1 object" if self.objects == 1 else f"{self.objects} objects"
        return f"{self.title}, {self.executor} {self.precision}, {self.input_name}, {objects}"

    @property
    def input_name(self) -> str:
        """Size of the network's input, for people."""
        return f"{self.input_size[0]}x{self.input_size[1]}"
