"""What is fastest follows from the processor, the compiled operators and what a bundle holds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.precision_runs import results_in
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import Segmenter, fastest_precision
from vosrt.fastest_precision import FASTEST

BOTH = ("float32", "int8")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this one a processor with some flags, with or without compiled operators."""

    def make(flags: str | None, *, compiled: bool = True) -> None:
        file = tmp_path / "cpuinfo"
        if flags is not None:
            file.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t\t: none\n\nprocessor\t: 1\n")
        monkeypatch.setattr(fastest_precision, "_CPU_INFO", file)
        library = tmp_path / "library" if compiled else None
        monkeypatch.setattr(fastest_precision, "native_library", lambda name: library)

    return make


@pytest.mark.parametrize(
    ("flags", "compiled", "held", "chosen"),
    [
        ("avx2 avx512_vnni avx512_bf16", True, BOTH, "int8+bf16"),
        ("avx2 avx512_vnni avx512_bf16", False, BOTH, "int8"),
        ("avx2 avx512_vnni avx512_bf16", True, ("float32",), "float32+bf16"),
        ("avx2 avx_vnni", True, BOTH, "int8"),
        ("avx2", True, BOTH, "float32"),
        ("avx2 avx512_vnni", True, ("int8",), "int8"),
        (None, True, BOTH, "float32"),
    ],
)
def test_on_a_processor(machine, flags, compiled, held, chosen):
    machine(flags, compiled=compiled)
    assert fastest_precision.fastest_precision(held, "cpu") == chosen


@pytest.mark.parametrize(
    ("held", "chosen"), [(("float32", "float16", "int8"), "float16"), (BOTH, "float32"), (("int8",), "int8")]
)
def test_on_a_gpu(held, chosen):
    assert fastest_precision.fastest_precision(held, "cuda") == chosen


def test_a_segmenter_takes_it_for_each_bundle(machine, tmp_path):
    machine("avx2")
    bundle = write_colour_bundle(tmp_path / "colour")
    segmenter = Segmenter([bundle, bundle], device="cpu", precision=FASTEST)
    assert segmenter.precision == "float32"
    assert [executor.precision for executor in segmenter.executors] == ["float32"] * 2


def test_the_default_bundle_has_int8_graphs_that_agree():
    whole, rounded = (
        np.stack([result.labels for result in results]) for results in results_in("float32", "int8")
    )
    assert (whole == rounded).mean() > 0.99
