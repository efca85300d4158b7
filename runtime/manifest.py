"""The manifest of a bundle (`bundle.json`): what the graphs take and give, and what a stream remembers.

The runtime learns everything about a network from here; it knows no family by name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vosrt.errors import BundleError, InputError
from vosrt.manifest_graph import (
    NAME,
    ROLES,
    Graph,
    GraphFile,
    GraphInput,
    TensorType,
    all_to_json,
    parse_sha256,
)
from vosrt.manifest_links import PREDICTING, check_links
from vosrt.manifest_state import StateEntry, StateTensor
from vosrt.resize_rule import SMALLEST_SIDE, ResizeRule, parse_resize_rule, resize_rule_to_json
from vosrt.strict_json import Node, parse_json, read_json_file
from vosrt.whole_file import write_whole_file

__all__ = [
    "Checkpoint",
    "Graph",
    "GraphFile",
    "GraphInput",
    "InputRule",
    "Manifest",
    "StateEntry",
    "StateTensor",
    "TensorType",
    "read_manifest",
    "sha256_of_file",
    "write_bundle_manifest",
]

FORMAT = 1
FILE_NAME = "bundle.json"
COLORS = ("bgr", "rgb")
MOST_OBJECTS = 254  # ids 1..254 of a uint8 mask
COUNTS = {"rows": 1, "objects+1": 1, "objects": 0, "part": 0}  # open sizes, less the number of objects
_FIELDS = [
    "format",
    "name",
    "family",
    "source",
    "producer",
    "input",
    "frame_size",
    "objects",
    "options",
    "graphs",
]
_FIELDS += ["state", "parity"]
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_LABEL_ALLOWED = "letters, digits, '.', '_', '+' and '-'"

Option = str | int | float | bool | list[str | int | float | bool | None] | None


@dataclass(frozen=True)
class Checkpoint:
    """Where the weights came from.

    Attributes:
        file: name of the checkpoint.
        sha256: of the file, in hexadecimal digits.
        stand_in: whether they are generated weights, not trained ones.
    """

    file: str
    sha256: str
    stand_in: bool

    @classmethod
    def parse(cls, node: Node) -> Checkpoint:
        """Read from JSON."""
        fields = node.fields(["file", "sha256", "stand_in"])
        return cls(_printable(fields["file"]), parse_sha256(fields["sha256"]), fields["stand_in"].boolean())

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"file": self.file, "sha256": self.sha256, "stand_in": self.stand_in}


@dataclass(frozen=True)
class InputRule:
    """How a frame enters the network. Frames are always given as BGR uint8, whatever `color` says."""

    color: str  # order in which the graph treats the channels: "bgr" or "rgb"; informational
    resize: ResizeRule

    @classmethod
    def parse(cls, node: Node) -> InputRule:
        """Read from JSON."""
        fields = node.fields(["color", "resize"])
        return cls(fields["color"].choice(COLORS), parse_resize_rule(fields["resize"]))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"color": self.color, "resize": resize_rule_to_json(self.resize)}


@dataclass(frozen=True)
class Manifest:
    """Everything the runtime needs to know about a bundle."""

    name: str
    family: str
    source: Checkpoint
    input: InputRule
    graphs: Mapping[str, Graph]  # role -> graph
    state: Mapping[str, StateEntry]
    producer: Mapping[str, str] = field(default_factory=dict)  # program -> version
    frame_size: tuple[int, int] | None = None  # height, width; None: frames of any size
    objects: int | None = None  # None: any number of objects
    options: Mapping[str, Option] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)  # figures measured at export, free form
    exported: Manifest | None = field(default=None, compare=False)  # before `for_objects`

    @classmethod
    def parse(cls, node: Node) -> Manifest:
        """Read from JSON; every field, and that the fields fit together.

        Raises:
            BundleError: names the field by its place in the document, what it holds and what is allowed.
        """
        version = node.mapping().get("format")  # before the other fields: a later format may have new ones
        if version is not None and version.integer(minimum=1, allowed=str(FORMAT)) != FORMAT:
            raise version.error(allowed=str(FORMAT), cure="export again, or install the vosrt that wrote it")
        fields = node.fields(_FIELDS)
        graphs = fields["graphs"].mapping(names=ROLES)
        state = fields["state"].mapping(pattern=NAME)
        manifest = cls(
            name=fields["name"].text(_LABEL, allowed=_LABEL_ALLOWED),
            family=fields["family"].text(_LABEL, allowed=_LABEL_ALLOWED),
            source=Checkpoint.parse(fields["source"]),
            producer={name: _printable(value) for name, value in fields["producer"].mapping().items()},
            input=InputRule.parse(fields["input"]),
            frame_size=_frame_size(fields["frame_size"]),
            objects=_objects(fields["objects"]),
            options={name: _option(value) for name, value in fields["options"].mapping().items()},
            graphs={role: Graph.parse(value) for role, value in graphs.items()},
            state={name: StateEntry.parse(value) for name, value in state.items()},
            parity={name: value.value for name, value in fields["parity"].mapping().items()},
        )
        check_links(manifest, document=node.document)
        return manifest

    def limited(self, long_edge: int | None) -> Manifest:
        """The same bundle, whose network sees frames with a long edge of at most so many pixels.

        Args:
            long_edge: before any scale, in place of the bundle's own limit; None for the bundle's own.

        Raises:
            InputError: the bundle has one size of frame or of network input.
        """
        if long_edge is None:
            return self
        if self.frame_size is not None:
            raise InputError(
                f"long_edge of bundle {self.name}",
                value=long_edge,
                allowed="none: it was exported for one frame size",
                cure="export again without --frame, or with --max-long-edge",
            )
        exported = self.exported and self.exported.limited(long_edge)
        limited = replace(self.input, resize=self.input.resize.limited(long_edge))
        return replace(self, input=limited, exported=exported)

    @property
    def result_role(self) -> str:
        """The graph whose outputs are the frame's result."""
        return "finish" if "finish" in self.graphs else "segment"

    def reads(self, source: str) -> bool:
        """Whether a graph or a state tensor takes something."""
        inputs = [value.source for graph in self.graphs.values() for value in graph.inputs.values()]
        fed = [tensor.source for entry in self.state.values() for tensor in entry.tensors.values()]
        return source in inputs + fed

    @property
    def predicting(self) -> tuple[str, ...]:
        """Roles whose results need a prediction: those that make it, and `memorize` where it reads one."""
        graph = self.graphs.get("memorize")
        owners = {value.source.partition(".")[0] for value in graph.inputs.values()} if graph else set()
        return (*PREDICTING, "memorize") if owners.intersection(PREDICTING) else PREDICTING

    @property
    def keeps_frames(self) -> bool:
        """Whether the bundle keeps frames side by side: in a memory, or as references."""
        return any(entry.keeps_frames for entry in self.state.values())

    def remembering(self, *, every: int | None = None, capacity: int | None = None) -> Manifest:
        """The same bundle with another rhythm or room of its memory or its references, if it has either.

        Args:
            every: each k-th frame is kept; None for the bundle's own, which for references is none.
            capacity: how many are kept: in a memory beside the latest, as references with those that the user
                gave; None for the bundle's own.

        Raises:
            InputError: the number of slots is fixed in the graphs.
        """
        state = dict(self.state)
        for name, entry in self.state.items():
            if not entry.keeps_frames:
                continue
            if capacity not in (None, entry.capacity) and entry.slots_are_fixed:
                raise InputError(
                    f"memory_capacity of bundle {self.name}",
                    value=capacity,
                    allowed=f"{entry.capacity}: the number of slots is fixed in its graphs",
                    cure="leave it out, or export again without fixed sizes",
                )
            state[name] = replace(entry, every=every or entry.every, capacity=capacity or entry.capacity)
        exported = self.exported and self.exported.remembering(every=every, capacity=capacity)
        return replace(self, state=state, exported=exported)

    @property
    def slot_dimensions(self) -> dict[str, int]:
        """Open dimensions that count reference frames, and how many there may be."""
        found: dict[str, int] = {}
        for entry in self.state.values():
            for tensor in entry.tensors.values():
                if entry.rule == "reference" and "slot" in tensor.axes:
                    dimension = tensor.shape[tensor.axes.index("slot")]
                    if isinstance(dimension, str):
                        found[dimension] = entry.capacity or 1
        return found

    def for_objects(self, count: int) -> Manifest:
        """The same bundle with room for so many objects in every graph, whether they are there or not.

        Raises:
            InputError: the bundle was exported for another number, or that many cannot be.
        """
        if not 1 <= count <= MOST_OBJECTS:
            raise InputError("objects", value=count, allowed=f"1 to {MOST_OBJECTS}")
        if self.objects is not None:
            if self.objects == count:
                return self
            raise InputError(
                f"objects of bundle {self.name}",
                value=count,
                allowed=f"{self.objects}, for which it was exported",
                cure="leave it out, or export again without --objects",
            )
        numbers = {name: count + rows for name, rows in COUNTS.items()}

        def closed(shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
            return tuple(numbers.get(size, size) if isinstance(size, str) else size for size in shape)

        graphs = {
            role: replace(
                graph,
                inputs={n: replace(v, shape=closed(v.shape)) for n, v in graph.inputs.items()},
                outputs={n: replace(v, shape=closed(v.shape)) for n, v in graph.outputs.items()},
            )
            for role, graph in self.graphs.items()
        }
        state = {
            name: replace(
                entry, tensors={n: replace(t, shape=closed(t.shape)) for n, t in entry.tensors.items()}
            )
            for name, entry in self.state.items()
        }
        return replace(self, objects=count, graphs=graphs, state=state, exported=self)

    def to_json(self) -> dict[str, Any]:
        """Write as JSON; `parse` of it gives an equal manifest."""
        return {
            "format": FORMAT,
            "name": self.name,
            "family": self.family,
            "source": self.source.to_json(),
            "producer": dict(self.producer),
            "input": self.input.to_json(),
            "frame_size": None if self.frame_size is None else list(self.frame_size),
            "objects": self.objects,
            "options": dict(self.options),
            "graphs": all_to_json(self.graphs),
            "state": all_to_json(self.state),
            "parity": dict(self.parity),
        }


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Read and validate the manifest of a bundle folder; the graph files are not opened.

    Raises:
        BundleError: the manifest is missing, unreadable or wrong.
    """
    return Manifest.parse(read_json_file(Path(folder) / FILE_NAME))


def write_bundle_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> Path:
    """Validate a manifest and write it into a bundle folder; a reader never sees half of it.

    Args:
        folder: the bundle folder, with the graph files in it.
        manifest: what to write.

    Returns:
        The path of the written `bundle.json`.

    Raises:
        BundleError: the manifest would not be accepted by `read_manifest`.
    """
    path = Path(folder) / FILE_NAME
    try:
        text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        data = text.encode()
    except UnicodeEncodeError as error:
        cure = "remove the lone surrogate from the text"
        raise BundleError(f"{path} cannot be written as UTF-8 ({error.reason})", cure=cure) from error
    except (TypeError, ValueError) as error:
        cure = "use finite Python numbers, strings, lists and dicts in options and parity"
        raise BundleError(f"{path} cannot be written as JSON ({error})", cure=cure) from error
    Manifest.parse(Node(parse_json(data, document=str(path)), document=str(path)))
    write_whole_file(path, data)
    return path


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _printable(node: Node) -> str:
    allowed = "printable text"
    text = node.text(allowed=allowed)
    if not text.isprintable():
        raise node.error(allowed=allowed)
    return text


def _objects(node: Node) -> int | None:
    if node.value is None:
        return None
    return node.integer(1, MOST_OBJECTS, allowed=f"null or an integer from 1 to {MOST_OBJECTS}")


def _frame_size(node: Node) -> tuple[int, int] | None:
    if node.value is None:
        return None
    if not isinstance(node.value, list) or len(node.value) != 2:
        raise node.error(allowed="null or [height, width]")
    height, width = (side.integer(minimum=SMALLEST_SIDE) for side in node.items())
    return height, width


def _option(node: Node) -> Option:
    if isinstance(node.value, list):
        return [item.scalar() for item in node.items()]
    if isinstance(node.value, dict):
        raise node.error(allowed="a string, a number, true, false, null or a list of these")
    return node.scalar()
