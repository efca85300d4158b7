"""Which of a bundle's precisions runs fastest on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vosrt.bundle import BFLOAT16_MATCHING
from vosrt.native_libraries import native_library

FASTEST = "fastest"  # in place of a precision: what `fastest_precision` says
_CPU_INFO = Path("/proc/cpuinfo")
_BYTE_PRODUCTS = {"avx512_vnni", "avx_vnni"}  # without them int8 gains next to nothing over float32
_BFLOAT16_PRODUCTS = {"avx512_bf16"}


def fastest_precision(held: Sequence[str], device: str) -> str:
    """Choose among a bundle's precisions.

    On a GPU that is float16. On a CPU it is int8 where the processor multiplies bytes (VNNI), and matching in
    bfloat16 where it multiplies pairs of bfloat16 and vosrt's operators are compiled; else float32.

    Args:
        held: the bundle's precisions, float32 first where there is one.
        device: "cpu" or "cuda".

    Returns:
        a precision, perhaps with `BFLOAT16_MATCHING` behind it.
    """
    if device != "cpu":
        return "float16" if "float16" in held else held[0]
    flags = _processor_flags()
    chosen = "int8" if "int8" in held and flags & _BYTE_PRODUCTS else held[0]
    if flags & _BFLOAT16_PRODUCTS and native_library("vosrt_ort_cpu") is not None:
        chosen += BFLOAT16_MATCHING
    return chosen


def resolved_precision(asked: str | None, held: Sequence[str], device: str) -> str:
    """What a user's word for a precision means for a bundle: None is the first that it holds."""
    if asked is None:
        return held[0]
    return fastest_precision(held, device) if asked == FASTEST else str(asked)  # what it is not is refused


def _processor_flags() -> set[str]:
    """What Linux says the first processor can do; nothing elsewhere."""
    try:
        lines = _CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    named = [line.partition(":") for line in lines]
    return next((set(flags.split()) for name, _, flags in named if name.strip() == "flags"), set())
