"""Writes the small ONNX graphs with which the runtime computes on the device (`runtime/arithmetic_graphs/`).

`python -m vosrt.export.arithmetic_graphs FOLDER` writes them again; a test compares folder and file.
Every graph has one output, `y`. Elements that are only moved are words (4 bytes) or bytes, whatever they
mean.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import onnx.parser

_HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
_MOVED = {"word": "int32", "byte": "uint8"}

# name -> (signature with T for the moved type, nodes)
_MOVING = {
    "gather": ("(T[a, n, b] x, int64[k] index) => (T[a, k, b] y)", "y = Gather <axis = 1> (x, index)"),
    "select": (
        "(int32[n] flags, T[a, n, b] fresh, T[a, n, b] kept) => (T[a, n, b] y)",
        """axes = Constant <value_ints = [0, 2]> ()
           zero = Constant <value = int32[1] {0}> ()
           wide = Unsqueeze (flags, axes)
           same = Equal (wide, zero)
           y = Where (same, kept, fresh)""",
    ),
    "write": (
        "(T[l, b] x, int64[k, 1] index, T[k, b] items) => (T[l, b] y)",
        "y = ScatterND (x, index, items)",
    ),
}

_COMPUTING = {
    # 1 where a label is one of some ids
    "member": (
        "(int32[n] labels, int32[k] ids) => (int32[n] y)",
        """last = Constant <value_ints = [1]> ()
           wide = Unsqueeze (labels, last)
           equal = Equal (wide, ids)
           ones = Cast <to = 6> (equal)
           y = ReduceMax <axes = [1], keepdims = 0> (ones)""",
    ),
    # other labels where flagged; one value or a map of them
    "relabel": (
        "(int32[n] flags, int32[m] values, int32[n] labels) => (int32[n] y)",
        """flagged = Cast <to = 9> (flags)
           y = Where (flagged, values, labels)""",
    ),
    "add": ("(float[n] a, float[n] b) => (float[n] y)", "y = Add (a, b)"),
    "resize": (
        "(float[r, h, w] x, int64[2] size) => (float[r, H, W] y)",
        """first = Constant <value_ints = [0]> ()
           one = Constant <value_ints = [1]> ()
           shape = Shape (x)
           rows = Slice (shape, first, one)
           sizes = Concat <axis = 0> (one, rows, size)
           batch = Unsqueeze (x, first)
           empty = Constant <value = float[0] {}> ()
           resized = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel">
               (batch, empty, empty, sizes)
           y = Squeeze (resized, first)""",
    ),
    # the id of the likeliest row among those allowed, the first of equals
    "decide": (
        "(float[r, h, w] probabilities, int32[r] rows, int32[r] allowed) => (int32[h, w] y)",
        """last = Constant <value_ints = [1, 2]> ()
           may = Cast <to = 9> (allowed)
           wide = Unsqueeze (may, last)
           never = Constant <value = float[1] {-1.0}> ()
           left = Where (wide, probabilities, never)
           best = ArgMax <axis = 0, keepdims = 0> (left)
           y = Gather <axis = 0> (rows, best)""",
    ),
    # the sum of each row's probability over the pixels that bear its id
    "tally": (
        "(float[r, h, w] probabilities, int32[h, w] labels, int32[r] rows) => (float[2, r, h] y)",
        """last = Constant <value_ints = [1, 2]> ()
           wide = Unsqueeze (rows, last)
           own = Equal (labels, wide)
           zero = Constant <value = float[1] {0.0}> ()
           kept = Where (own, probabilities, zero)
           two = Constant <value_ints = [2]> ()
           sums = ReduceSum <keepdims = 0> (kept, two)
           ones = Cast <to = 1> (own)
           counts = ReduceSum <keepdims = 0> (ones, two)
           first = Constant <value_ints = [0]> ()
           upper = Unsqueeze (sums, first)
           lower = Unsqueeze (counts, first)
           y = Concat <axis = 0> (upper, lower)""",
    ),
    # where the user's mask speaks: not void, and not background after the first mask
    "said": (
        "(int32[n] mask, int32[1] first) => (int32[n] y)",
        """void = Constant <value = int32[1] {255}> ()
           zero = Constant <value = int32[1] {0}> ()
           silent = Equal (mask, void)
           speaks = Not (silent)
           is_zero = Equal (mask, zero)
           is_object = Not (is_zero)
           is_first = Cast <to = 9> (first)
           counts = Or (is_object, is_first)
           both = And (speaks, counts)
           y = Cast <to = 6> (both)""",
    ),
    # what the user sees: void is background
    "shown": (
        "(int32[n] labels) => (uint8[n] y)",
        """void = Constant <value = int32[1] {255}> ()
           zero = Constant <value = int32[1] {0}> ()
           unsaid = Equal (labels, void)
           plain = Where (unsaid, zero, labels)
           real = Cast <to = 1> (plain)
           y = Cast <to = 2> (real)""",
    ),
    # blue, green and red from planes of brightness and colour
    "nv12": (
        "(uint8[H, W] luma, uint8[h, w, 2] chroma, float[3] offsets, float[3, 3] mixing)"
        " => (uint8[H, W, 3] y)",
        """last = Constant <value_ints = [2]> ()
           bright = Cast <to = 1> (luma)
           brightness = Unsqueeze (bright, last)
           coarse = Cast <to = 1> (chroma)
           empty = Constant <value = float[0] {}> ()
           twice = Constant <value = float[3] {2.0, 2.0, 1.0}> ()
           colour = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric",
               nearest_mode = "floor"> (coarse, empty, twice)
           all = Concat <axis = 2> (brightness, colour)
           centred = Sub (all, offsets)
           mixed = MatMul (centred, mixing)
           whole = Round (mixed)
           least = Constant <value = float {0.0}> ()
           most = Constant <value = float {255.0}> ()
           bounded = Clip (whole, least, most)
           y = Cast <to = 2> (bounded)""",
    ),
    "either": ("(int32[n] a, int32[n] b) => (int32[n] y)", "y = Max (a, b)"),
    # probabilities that are one-hot where a label was given
    "assert_labels": (
        "(float[r, h, w] probabilities, int32[H, W] labels, int32[H, W] flags, int32[r] rows,"
        " int64[h] lines, int64[w] columns) => (float[r, h, w] y)",
        """last = Constant <value_ints = [1, 2]> ()
           label_lines = Gather <axis = 0> (labels, lines)
           own_labels = Gather <axis = 1> (label_lines, columns)
           flag_lines = Gather <axis = 0> (flags, lines)
           own_flags = Gather <axis = 1> (flag_lines, columns)
           wide = Unsqueeze (rows, last)
           equal = Equal (own_labels, wide)
           one_hot = Cast <to = 1> (equal)
           flagged = Cast <to = 9> (own_flags)
           y = Where (flagged, one_hot, probabilities)""",
    ),
}


def arithmetic_graphs() -> dict[str, bytes]:
    """Every graph, serialised, by its file name without suffix."""
    texts = {
        f"{name}_{kind}": (signature.replace("T[", f"{dtype}["), nodes)
        for name, (signature, nodes) in _MOVING.items()
        for kind, dtype in _MOVED.items()
    }
    return {
        name: _model(name, *text).SerializeToString(deterministic=True)
        for name, text in (texts | _COMPUTING).items()
    }


def _model(name: str, signature: str, nodes: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(f"{_HEADER} {name} {signature} {{ {nodes} }}")
    onnx.checker.check_model(model, full_check=True)
    return model


def write_arithmetic_graphs(folder: Path) -> None:
    """Write every graph into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in arithmetic_graphs().items():
        (folder / f"{name}.onnx").write_bytes(data)


if __name__ == "__main__":
    write_arithmetic_graphs(Path(sys.argv[1]))
