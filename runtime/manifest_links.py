"""Checks that the parts of a manifest fit together: who feeds whom, with which type, and when it is there.

Order of one frame: `encode`; with objects `match`, `segment` and `finish`; then what the frame ends with
(`step.*`) is fixed; on a frame with a mask `reference` and `adapt`; last `memorize`. On the first frame with
a mask nothing is segmented, so what comes from `match`, `segment` or `finish` needs another first value.
`find` is no part of a stream: before the first frame it says where in given boxes the objects are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vosrt.errors import BundleError
from vosrt.manifest_graph import GraphInput, TensorType
from vosrt.manifest_state import StateEntry, StateTensor
from vosrt.strict_json import nearest

if TYPE_CHECKING:
    from vosrt.manifest import Manifest

_GIVEN = ("frame", "size", "rows", "given", "part", "boxes")
_READS = {  # whose outputs each graph may take; all may take what the runtime gives, and state
    "encode": (),
    "match": ("encode",),
    "segment": ("encode", "match"),
    "finish": ("encode", "match", "segment"),
    "reference": ("encode", "step"),
    "adapt": ("encode", "reference", "step"),
    "memorize": ("encode", "match", "segment", "finish", "step"),
    "find": ("encode",),
}
_FEEDS = {  # what may feed a state tensor of each rule
    "reference": ("encode", "reference", "adapt", "step"),
    "previous": ("encode", "match", "segment", "finish", "memorize", "step"),
    "memory": ("encode", "match", "segment", "finish", "memorize", "step"),
}
PREDICTING = ("match", "segment", "finish")  # roles that need objects, so not run on their first frame
_FIRST_VALUES = ("encode", "reference", "adapt", "step")
_BEFORE_STATE = ("encode", "reference", "adapt", "memorize")  # run on the first frame with a mask


def check_links(manifest: Manifest, *, document: str = "bundle.json") -> None:
    """Check every reference between the parts of a manifest.

    Raises:
        BundleError: names the field by its place in the document, what it holds and what is allowed.
    """
    links = _Links(manifest, document)
    links.check_roles()
    links.check_result()
    for role, graph in manifest.graphs.items():
        for name, value in graph.inputs.items():
            links.check_graph_input(role, f"graphs.{role}.inputs.{name}", value)
    for entry_name, entry in manifest.state.items():
        for name, tensor in entry.tensors.items():
            place = f"state.{entry_name}.tensors.{name}"
            links.check_axes(place, entry, tensor)
            links.check_feeds(place, entry, tensor)


def sources_of(manifest: Manifest) -> dict[str, TensorType]:
    """Return everything that an input or a state tensor can be linked to, with its type.

    The dtype "any" means that the runtime converts to what the reader declares.
    """
    height, width = manifest.frame_size or ("height", "width")
    objects: int | str = manifest.objects or "objects"
    rows: int | str = manifest.objects + 1 if manifest.objects else "rows"
    sources = {
        "frame": TensorType("uint8", (1, height, width, 3)),
        "size": TensorType("int64", (2,)),
        "rows": TensorType("int32", (rows,)),
        "given": TensorType("int32", (rows,)),
        "part": TensorType("int32", (manifest.objects or "part",)),  # the objects that are computed
        "boxes": TensorType("float32", (objects, 4)),  # x0, y0, x1, y1 in pixels of the frame, for `find`
        "step.labels": TensorType("int32", (height, width)),
        "step.probabilities": TensorType("float32", (rows, "own_height", "own_width")),
    }
    for role, graph in manifest.graphs.items():
        sources |= {f"{role}.{name}": output for name, output in graph.outputs.items()}
        probabilities = graph.outputs.get("probabilities")
        if role in ("segment", "finish") and probabilities and len(probabilities.shape) == 3:
            sources["step.probabilities"] = TensorType("float32", (rows, *probabilities.shape[1:]))
    for entry_name, entry in manifest.state.items():
        tensors = entry.tensors.items()
        sources |= {f"state.{entry_name}.{name}": TensorType(t.dtype, t.shape) for name, t in tensors}
        slots = [t.shape[t.axes.index("slot")] for _, t in tensors if "slot" in t.axes[: len(t.shape)]]
        if slots:
            valid = (objects, slots[0]) if entry.rule == "memory" else (slots[0],)
            sources[f"state.{entry_name}.valid"] = TensorType("any", valid)
    return sources


class _Links:
    """The manifest under check and all sources it offers."""

    def __init__(self, manifest: Manifest, document: str) -> None:
        self.manifest = manifest
        self.document = document
        self.sources = sources_of(manifest)

    def error(self, place: str, *, value: object = None, allowed: str = "", cure: str = "") -> BundleError:
        return BundleError(f"{self.document}: {place}", value=value, allowed=allowed, cure=cure)

    def check_roles(self) -> None:
        graphs = self.manifest.graphs
        for role in ("encode", "segment"):
            if role not in graphs:
                cure = "every bundle has the graphs encode and segment"
                raise self.error(f"graphs.{role} is missing", cure=cure)
        precisions = set(graphs["encode"].files)
        for role, graph in graphs.items():
            if set(graph.files) != precisions:
                raise self.error(
                    f"graphs.{role}.file",
                    value=sorted(graph.files),
                    allowed=f"the same precisions as graphs.encode.file: {', '.join(sorted(precisions))}",
                    cure="export every graph in each precision; a file may be listed under several",
                )

    def check_result(self) -> None:
        role = self.manifest.result_role
        outputs = self.manifest.graphs[role].outputs
        wanted = {"labels": self.sources["step.labels"], "probabilities": self.sources["step.probabilities"]}
        if not wanted.keys() & outputs.keys():
            raise self.error(
                f"graphs.{role}.outputs",
                value=sorted(outputs),
                allowed="labels (int32 [height, width], object ids), probabilities (float32 [rows, h, w])",
                cure="name one of the outputs so",
            )
        for name, expected in wanted.items():
            if name in outputs:
                self._check_type(f"graphs.{role}.outputs.{name}", outputs[name], expected, f"step.{name}")
        if self.manifest.reads("step.probabilities") and "probabilities" not in outputs:
            cure = "something reads step.probabilities"
            raise self.error(f"graphs.{role}.outputs.probabilities is missing", cure=cure)

    def check_graph_input(self, role: str, place: str, value: GraphInput) -> None:
        producer = self._source(f"{place}.from", value.source, (*_READS[role], "state"))
        self._check_type(place, TensorType(value.dtype, value.shape), producer, value.source)
        owner, _, rest = value.source.partition(".")
        if owner == "state" and role in _BEFORE_STATE and not rest.endswith(".valid"):
            entry, _, name = rest.partition(".")
            self._check_early_read(role, f"{place}.from", value.source, self.manifest.state[entry], name)

    def check_axes(self, place: str, entry: StateEntry, tensor: StateTensor) -> None:
        if len(tensor.axes) != len(tensor.shape) or len(set(tensor.axes)) != len(tensor.axes):
            raise self.error(
                f"{place}.axes",
                value=list(tensor.axes),
                allowed=f"{len(tensor.shape)} different names, one per dimension of the shape",
            )
        if place.endswith(".valid"):
            cure = "rename it: valid tells which slots are in use"
            raise self.error(f"{place} has a reserved name", cure=cure)
        allowed = _allowed_joins(entry, tensor)
        if tensor.join not in allowed:
            raise self.error(
                f"{place}.join",
                value=tensor.join,
                allowed=" or ".join(allowed) or f"nothing: rule {entry.rule!r} with axes {list(tensor.axes)}",
                cure="append needs an axis slot, row an axis object or row; rule previous has no slots",
            )
        self._check_counts(place, entry, tensor)

    def _check_counts(self, place: str, entry: StateEntry, tensor: StateTensor) -> None:
        objects = self.manifest.objects
        latest = 1 if entry.rule == "memory" else 0  # the last slot of a memory is the latest frame
        counts = {"object": objects, "row": objects and objects + 1, "slot": (entry.capacity or 0) + latest}
        for i, axis in enumerate(tensor.axes):
            size = tensor.shape[i]
            if axis in counts and isinstance(size, int) and size != counts[axis]:
                only = "a name (objects is null)" if counts[axis] is None else f"a name or {counts[axis]}"
                raise self.error(f"{place}.shape[{i}]", value=size, allowed=f"{only} for axis {axis!r}")

    def check_feeds(self, place: str, entry: StateEntry, tensor: StateTensor) -> None:
        self._check_feed(f"{place}.from", tensor, tensor.source, _FEEDS[entry.rule])
        if tensor.initial is not None:
            if entry.rule == "reference":
                cure = "remove it: rule 'reference' has only first values"
                raise self.error(f"{place}.initial", value=tensor.initial, cure=cure)
            self._check_feed(f"{place}.initial", tensor, tensor.initial, _FIRST_VALUES)
        elif tensor.source.partition(".")[0] in self.manifest.predicting:
            raise self.error(
                f"{place}.initial is missing",
                allowed="a source for the first value",
                cure=f"the first frame with a mask has no {tensor.source!r}: nothing is segmented on it",
            )

    def _check_feed(self, place: str, tensor: StateTensor, source: str, owners: tuple[str, ...]) -> None:
        producer = self._source(place, source, owners)
        shape = tensor.shape
        if "slot" in tensor.axes:
            slot = tensor.axes.index("slot")
            shape = shape[:slot] + shape[slot + 1 :]
            if len(producer.shape) == len(tensor.shape) and producer.shape[slot] == 1:
                producer = TensorType(producer.dtype, producer.shape[:slot] + producer.shape[slot + 1 :])
        self._check_type(place.rpartition(".")[0], TensorType(tensor.dtype, shape), producer, source)

    def _check_early_read(self, role: str, place: str, source: str, entry: StateEntry, name: str) -> None:
        tensor = entry.tensors[name]
        open_dimensions = [
            axis
            for axis, size in zip(tensor.axes, tensor.shape, strict=False)
            if isinstance(size, str) and axis not in ("object", "row", "slot")
        ]
        filled = tensor.fill is not None and not open_dimensions
        written = role == "memorize" and (entry.rule == "reference" or tensor.initial is not None)
        if not filled and not written:
            raise self.error(
                place,
                value=source,
                cure=f"{role} runs before this state has a value: give the tensor a fill and a shape that is"
                " open in object, row and slot only" + (", or an initial" if role == "memorize" else ""),
            )

    def _source(self, place: str, source: str, owners: Iterable[str]) -> TensorType:
        owners = tuple(owners)
        known = [name for name in self.sources if name in _GIVEN or name.partition(".")[0] in owners]
        if source in known:
            return self.sources[source]
        cure = nearest(source, known)
        if source in self.sources:
            cure = f"{source!r} exists but is not there yet, or not on every frame; state can carry it over"
        raise self.error(place, value=source, allowed=", ".join(known), cure=cure)

    def _check_type(self, place: str, reader: TensorType, producer: TensorType, source: str) -> None:
        if producer.dtype not in ("any", reader.dtype):
            allowed = f"{producer.dtype}, as {source} has"
            raise self.error(f"{place}.dtype", value=reader.dtype, allowed=allowed)
        declared = source.split(".")[0] in self.manifest.graphs
        fits = len(reader.shape) == len(producer.shape) and all(
            r == p or isinstance(r, str) or (declared and isinstance(p, str))
            for r, p in zip(reader.shape, producer.shape, strict=True)
        )
        if not fits:
            allowed = f"{list(producer.shape)}, as {source} has"
            raise self.error(f"{place}.shape", value=list(reader.shape), allowed=allowed)


def _allowed_joins(entry: StateEntry, tensor: StateTensor) -> list[str]:
    by_object = len({"object", "row"} & set(tensor.axes)) == 1
    if "slot" in tensor.axes:
        if entry.rule == "memory":
            return ["append", *(["row"] if by_object else [])]
        return ["append"] if entry.rule == "reference" else []
    if entry.rule == "memory":
        return []
    return ["replace", *(["row"] if by_object else [])]
