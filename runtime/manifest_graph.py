"""The graphs of a bundle: files per precision, named and typed inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from vosrt.strict_json import Node

ROLES = ("encode", "match", "segment", "finish", "reference", "memorize", "adapt", "find")
ASIDE = ("find",)  # what no frame of a stream runs
PRECISIONS = ("float32", "float16", "int8")
DTYPES = ("float32", "float16", "int32", "int64", "uint8", "bool")
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
DIMENSION = r"(?:\d+\*)?[A-Za-z_][A-Za-z0-9_ +*/()-]*"  # "H", "4*h+1"


@dataclass(frozen=True)
class TensorType:
    """Element type and shape; a dimension is a number or, when it is open, a name."""

    dtype: str
    shape: tuple[int | str, ...]

    @classmethod
    def parse(cls, node: Node) -> TensorType:
        """Read from JSON."""
        fields = node.fields(["dtype", "shape"])
        return cls(fields["dtype"].choice(DTYPES), parse_shape(fields["shape"]))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True)
class GraphInput:
    """One input of a graph and what feeds it ("frame", "encode.embedding", "state.previous.labels")."""

    source: str
    dtype: str
    shape: tuple[int | str, ...]

    @classmethod
    def parse(cls, node: Node) -> GraphInput:
        """Read from JSON."""
        fields = node.fields(["from", "dtype", "shape"])
        return cls(fields["from"].text(), fields["dtype"].choice(DTYPES), parse_shape(fields["shape"]))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"from": self.source, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file inside the bundle folder."""

    path: str  # relative, with forward slashes
    sha256: str

    @classmethod
    def parse(cls, node: Node) -> GraphFile:
        """Read from JSON."""
        fields = node.fields(["path", "sha256"])
        path = fields["path"].text()
        parts = PurePosixPath(path).parts
        inside = parts and not path.startswith("/") and ".." not in parts
        if not inside or "\\" in path or PureWindowsPath(path).drive or not path.isprintable():
            raise fields["path"].error(
                allowed="a path inside the bundle folder: relative, with forward slashes, without '..'",
                cure="move the file into the folder",
            )
        return cls(path, parse_sha256(fields["sha256"]))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"path": self.path, "sha256": self.sha256}


@dataclass(frozen=True)
class GraphMemory:
    """What a graph needs while it runs, in bytes of float32 per pixel of the network's input."""

    fixed: float  # whatever the number of rows
    row: float  # for each row more

    @classmethod
    def parse(cls, node: Node) -> GraphMemory:
        """Read from JSON."""
        fields = node.fields(["fixed", "row"])
        return cls(*(fields[name].number(least=0) for name in ("fixed", "row")))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {"fixed": self.fixed, "row": self.row}


@dataclass(frozen=True)
class Graph:
    """One role of the network: a file per precision, named and typed inputs and outputs."""

    files: Mapping[str, GraphFile]  # precision -> file
    inputs: Mapping[str, GraphInput]
    outputs: Mapping[str, TensorType]
    memory: GraphMemory | None = None  # None: not known

    @classmethod
    def parse(cls, node: Node) -> Graph:
        """Read from JSON."""
        fields = node.fields(["file", "inputs", "outputs"], ["memory"])
        files = fields["file"].mapping(names=PRECISIONS)
        inputs = fields["inputs"].mapping(pattern=NAME)
        outputs = fields["outputs"].mapping(pattern=NAME)
        for name, part in {"file": files, "inputs": inputs, "outputs": outputs}.items():
            if not part:
                raise fields[name].error(allowed="at least one entry")
        return cls(
            {precision: GraphFile.parse(file) for precision, file in files.items()},
            {name: GraphInput.parse(value) for name, value in inputs.items()},
            {name: TensorType.parse(value) for name, value in outputs.items()},
            GraphMemory.parse(fields["memory"]) if "memory" in fields else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        return {
            "file": all_to_json(self.files),
            "inputs": all_to_json(self.inputs),
            "outputs": all_to_json(self.outputs),
            **({} if self.memory is None else {"memory": self.memory.to_json()}),
        }


def parse_shape(node: Node) -> tuple[int | str, ...]:
    """Read a list of positive integers and dimension names."""
    allowed = "a positive integer, or a name for an open dimension"
    return tuple(
        item.text(DIMENSION, allowed=allowed)
        if isinstance(item.value, str)
        else item.integer(minimum=1, allowed=allowed)
        for item in node.items()
    )


def parse_sha256(node: Node) -> str:
    """Read a SHA-256 in hexadecimal."""
    return node.text(r"[0-9a-f]{64}", allowed="64 hexadecimal digits in lower case")


def all_to_json(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Write named parts as JSON."""
    return {name: part.to_json() for name, part in parts.items()}
