"""A bundle that differs from its network in any output fails parity."""

import numpy as np
import pytest

from vosrt.bundle import Bundle
from vosrt.export.parity import Difference, ParityReport, compare_streams, measure_parity
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor

pytestmark = pytest.mark.xdist_group("lite")
OUTPUTS = [
    "encode.embedding",
    "encode.low_level",
    "reference.bank",
    "reference.bank_labels",
    "match.maps",
    "match.vectors",
    "segment.scores",
    "finish.probabilities",
    "finish.labels",
]


class Damaging:
    """An executor that changes one output of the graphs it runs."""

    def __init__(self, executor, output, change):
        self.executor, self.output, self.change = executor, output, change

    def run(self, role, inputs, take=None):
        values = dict(self.executor.run(role, inputs))
        for name, value in values.items():
            if f"{role}.{name}" == self.output:
                values[name] = self.change(np.array(value))
        return values


def shifted(array):
    """Every tenth value is another one, within what the graphs accept."""
    flat = array.reshape(-1)
    flat[::10] += 1 if array.dtype.kind == "i" else 0.05 * np.abs(flat).max()
    return array


def not_a_number(array):
    if array.dtype.kind == "f":
        array.reshape(-1)[0] = np.nan
    else:
        array.reshape(-1)[:] = 7
    return array


@pytest.mark.parametrize("change", [shifted, not_a_number])
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_damaged_output_is_noticed(lite_bundle, lite_network, output, change):
    bundle = Bundle.open(lite_bundle)
    frames, masks = make_clip(3, 90, 131, 2)
    graphs = Damaging(OnnxRuntimeExecutor(bundle), output, change)
    report = ParityReport("float32", (90, 131), 2)
    compare_streams(bundle.manifest, TorchExecutor(lite_network), graphs, frames, {0: masks[0]}, report)
    assert any(failure.startswith(output) for failure in report.failures()), report.failures()


def test_a_sound_bundle_passes_with_an_object_that_joins(lite_bundle, lite_network):
    bundle = Bundle.open(lite_bundle)
    report = measure_parity(lite_network, bundle, "float32")
    assert report.failures() == []
    assert set(report.graphs) | set(report.whole) == set(OUTPUTS)
    assert report.whole["reference.bank_labels"] == 1.0


def test_an_output_that_was_never_compared_fails():
    report = ParityReport("float32", (90, 131), 2, expected={"finish.probabilities"})
    assert report.failures() == ["finish.probabilities: not compared"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["expected", "found"])
def test_values_that_are_no_numbers_fail_on_either_side(bad, side):
    pair = {"expected": np.ones(3), "found": np.ones(3)}
    pair[side] = np.array([1.0, bad, 1.0])
    difference = Difference()
    difference.add(**pair)
    difference.add(np.ones(2), np.ones(2))
    report = ParityReport("float32", (90, 131), 2, graphs={"encode.embedding": difference})
    assert len(report.failures()) == 1
