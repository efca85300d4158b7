"""The CUDA kernels as a shared library, called with arrays of whoever has them on the GPU."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

FLOAT32, FLOAT16, UINT8 = 0, 1, 2  # as `vosrt_kernels.h` numbers them

ARITHMETIC_INPUTS = {  # of the runtime's small graphs, in the order in which the kernels take them
    "gather": ("x", "index"),
    "select": ("flags", "fresh", "kept"),
    "write": ("x", "index", "items"),
    "member": ("labels", "ids"),
    "relabel": ("flags", "values", "labels"),
    "add": ("a", "b"),
    "resize": ("x",),  # the size is the output's
    "decide": ("probabilities", "rows", "allowed"),
    "tally": ("probabilities", "labels", "rows"),
    "shown": ("labels",),
    "said": ("mask", "first"),
    "either": ("a", "b"),
    "nv12": ("luma", "chroma", "offsets", "mixing"),
    "assert_labels": ("probabilities", "labels", "flags", "rows", "lines", "columns"),
}


class KernelError(RuntimeError):
    """A kernel could not be launched."""


def _fields(pointers: str, numbers: str) -> list[tuple[str, Any]]:
    """Of a structure: names of pointers and then of numbers, between blanks."""
    return [
        *((name, ctypes.c_void_p) for name in pointers.split()),
        *((name, ctypes.c_int32) for name in numbers.split()),
    ]


class _Call(ctypes.Structure):
    """Arguments of a kernel, in the order of `vosrt_kernels.h`; `name` is that of its function there."""

    name: ClassVar[str]


class GlobalMatchingCall(_Call):
    """See `VosrtGlobalMatching` in `vosrt_kernels.h`."""

    name: ClassVar = "global_matching"
    _fields_: ClassVar = _fields(
        "query bank bank_labels rows distances", "dtype channels pixels references row_count"
    )


class LocalMatchingCall(_Call):
    """See `VosrtLocalMatching`."""

    name: ClassVar = "local_matching"
    _fields_: ClassVar = [
        *_fields("query previous labels rows distances", ""),
        ("host_windows", ctypes.POINTER(ctypes.c_int32)),
        *_fields("", "dtype channels height width row_count window_count dilation"),
    ]


class MemoryReadCall(_Call):
    """See `VosrtMemoryRead`."""

    name: ClassVar = "memory_read"
    _fields_: ClassVar = _fields(
        "query keys values valid result", "dtype objects slots key_channels value_channels pixels"
    )


class DirectionalMatchingCall(_Call):
    """See `VosrtDirectionalMatching`."""

    name: ClassVar = "directional_matching"
    _fields_: ClassVar = _fields(
        "query bank weights valid matched", "dtype objects classes slots channels references pixels"
    )


class GroupNormCall(_Call):
    """See `VosrtGroupNorm`."""

    name: ClassVar = "group_norm"
    _fields_: ClassVar = _fields("maps gain shift result", "dtype rows channels pixels groups relu")


class ChannelGateCall(_Call):
    """See `VosrtChannelGate`."""

    name: ClassVar = "channel_gate"
    _fields_: ClassVar = _fields("maps alpha gamma beta result", "dtype rows channels pixels")


class FrameImageCall(_Call):
    """See `VosrtFrameImage`."""

    name: ClassVar = "frame_image"
    _fields_: ClassVar = _fields(
        "frame factor summand image", "dtype source_height source_width height width"
    )


_FRAME_SIZES = "row_count height width frame_height frame_width"


class FrameProbabilitiesCall(_Call):
    """See `VosrtFrameProbabilities`."""

    name: ClassVar = "frame_probabilities"
    _fields_: ClassVar = _fields("logits probabilities", _FRAME_SIZES)


class FrameLabelsCall(_Call):
    """See `VosrtFrameLabels`."""

    name: ClassVar = "frame_labels"
    _fields_: ClassVar = _fields("logits rows labels", _FRAME_SIZES)


class LeastOtherCall(_Call):
    """See `VosrtLeastOther`."""

    name: ClassVar = "least_other"
    _fields_: ClassVar = _fields("maps least", "row_count size")


class _ArrayCall(ctypes.Structure):
    """See `VosrtArray`."""

    _fields_: ClassVar = [("data", ctypes.c_void_p), ("shape", ctypes.c_int64 * 3)]

    @classmethod
    def of(cls, array: Any) -> _ArrayCall:
        shape = (*array.shape, 1, 1, 1)[:3]
        return cls(_pointer(array), (ctypes.c_int64 * 3)(*shape))


class ArithmeticCall(ctypes.Structure):
    """See `VosrtArithmetic`."""

    _fields_: ClassVar = [
        ("graph", ctypes.c_char_p),
        ("inputs", _ArrayCall * 6),
        ("output", _ArrayCall),
    ]


class KernelLibrary:
    """Calls kernels on contiguous arrays: a stream's or PyTorch's on a GPU; NumPy's for the tests' library.

    Args:
        path: the shared library.
        allocate: makes room of so many bytes where the kernels run, aligned to 256 bytes.
        stream: CUDA stream; None for the default one.
    """

    def __init__(
        self, path: str | os.PathLike[str], allocate: Callable[[int], Any], stream: int | None = None
    ) -> None:
        self._library = ctypes.CDLL(os.fspath(path))
        self._allocate = allocate
        self.stream = stream

    def global_matching(self, query: Any, bank: Any, labels: Any, rows: Any, distances: Any) -> None:
        """Fill `distances`, float32 `[R, h, w]`; inputs as `vosrt.plugins.global_matching` takes them."""
        channels, height, width = query.shape
        self._run(
            GlobalMatchingCall(
                *map(_pointer, (query, bank, labels, rows, distances)),
                _type_of(query),
                channels,
                height * width,
                bank.shape[0],
                rows.shape[0],
            )
        )

    def local_matching(
        self,
        query: Any,
        previous: Any,
        labels: Any,
        rows: Any,
        distances: Any,
        *,
        windows: Sequence[int],
        dilation: int = 1,
    ) -> None:
        """Fill `distances`, float32 `[R, K, h, w]`; inputs as `vosrt.plugins.local_matching` takes them."""
        self._run(
            LocalMatchingCall(
                *map(_pointer, (query, previous, labels, rows, distances)),
                (ctypes.c_int32 * len(windows))(*windows),
                _type_of(query),
                *query.shape,
                rows.shape[0],
                len(windows),
                dilation,
            )
        )

    def memory_read(self, query: Any, keys: Any, values: Any, valid: Any, result: Any) -> None:
        """Fill `result`, float32 `[n, Cv, N]`; inputs as `vosrt.plugins.memory_read` takes them."""
        self._run(
            MemoryReadCall(
                *map(_pointer, (query, keys, values, valid, result)),
                _type_of(query),
                *keys.shape[:3],
                values.shape[2],
                query.shape[1],
            )
        )

    def directional_matching(self, query: Any, bank: Any, weights: Any, valid: Any, matched: Any) -> None:
        """Fill `matched`, float32 `[n, k, N]`; inputs as `vosrt.plugins.directional_matching` takes them."""
        self._run(
            DirectionalMatchingCall(
                *map(_pointer, (query, bank, weights, valid, matched)),
                _type_of(query),
                *weights.shape[:2],
                *bank.shape,
                query.shape[1],
            )
        )

    def group_norm(
        self, maps: Any, gain: Any, shift: Any, result: Any, *, groups: int, relu: bool = False
    ) -> None:
        """Fill `result`, as the maps; inputs as `vosrt.plugins.group_norm` takes them."""
        rows, channels, height, width = maps.shape
        pointers = map(_pointer, (maps, gain, shift, result))
        self._run(GroupNormCall(*pointers, _type_of(maps), rows, channels, height * width, groups, int(relu)))

    def channel_gate(self, maps: Any, alpha: Any, gamma: Any, beta: Any, result: Any) -> None:
        """Fill `result`, as the maps; inputs as `vosrt.plugins.channel_gate` takes them."""
        rows, channels, height, width = maps.shape
        pointers = map(_pointer, (maps, alpha, gamma, beta, result))
        self._run(ChannelGateCall(*pointers, _type_of(maps), rows, channels, height * width))

    def frame_image(self, frame: Any, factor: Any, summand: Any, image: Any) -> None:
        """Fill `image`, float32 `[1, 3, h, w]`; inputs as `vosrt.plugins.frame_image` takes them.

        The frame may be float32, too.
        """
        pointers = map(_pointer, (frame, factor, summand, image))
        self._run_in_place(FrameImageCall(*pointers, _type_of(frame), *frame.shape[1:3], *image.shape[2:]))

    def frame_probabilities(self, logits: Any, probabilities: Any) -> None:
        """Fill `probabilities`, float32 `[R, H, W]`; see `vosrt.plugins.frame_probabilities`."""
        pointers = map(_pointer, (logits, probabilities))
        self._run_in_place(FrameProbabilitiesCall(*pointers, *logits.shape, *probabilities.shape[1:]))

    def frame_labels(self, logits: Any, rows: Any, labels: Any) -> None:
        """Fill `labels`, int32 `[H, W]`; inputs as `vosrt.plugins.frame_labels` takes them."""
        pointers = map(_pointer, (logits, rows, labels))
        self._run_in_place(FrameLabelsCall(*pointers, *logits.shape, *labels.shape))

    def least_other(self, maps: Any, least: Any) -> None:
        """Fill `least`, as the maps; see `vosrt.plugins.least_other`."""
        rows, *places = maps.shape
        self._run_in_place(LeastOtherCall(_pointer(maps), _pointer(least), rows, math.prod(places)))

    def arithmetic(self, graph: str, inputs: Mapping[str, Any], output: Any) -> None:
        """Fill `output` as one of the runtime's small graphs does, its inputs by their names there."""
        names = ARITHMETIC_INPUTS[graph.removesuffix("_word").removesuffix("_byte")]
        arrays = (_ArrayCall * 6)(*(_ArrayCall.of(inputs[name]) for name in names))
        call = ArithmeticCall(graph.encode(), arrays, _ArrayCall.of(output))
        _check(self._library.vosrt_arithmetic(ctypes.byref(call), self._stream), graph)

    def _run(self, call: _Call) -> None:
        measure = getattr(self._library, f"vosrt_{call.name}_workspace")
        measure.restype = ctypes.c_size_t
        workspace = self._allocate(measure(ctypes.byref(call)))
        run = getattr(self._library, f"vosrt_{call.name}")
        _check(run(ctypes.byref(call), ctypes.c_void_p(_pointer(workspace)), self._stream), call.name)

    def _run_in_place(self, call: _Call) -> None:
        """A kernel that needs no workspace."""
        run = getattr(self._library, f"vosrt_{call.name}")
        _check(run(ctypes.byref(call), self._stream), call.name)

    @property
    def _stream(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.stream)


def _check(status: int, name: str) -> None:
    if status:
        raise KernelError(f"{name}: CUDA error {status}")


def _pointer(array: Any) -> int:
    if hasattr(array, "pointer"):  # CudaArray
        return array.pointer
    return int(array.data_ptr()) if hasattr(array, "data_ptr") else int(array.ctypes.data)


def _type_of(array: Any) -> int:
    kind = str(array.dtype).removeprefix("torch.")
    return {"float16": FLOAT16, "uint8": UINT8}.get(kind, FLOAT32)
