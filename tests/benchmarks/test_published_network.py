"""The baseline computes the same network: another formulation, not another result."""

import numpy as np
import pytest
import torch

from tests.benchmarks import torch_on_host_gpu
from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from vosrt.benchmarks.published_memory import PublishedMemoryExecutor
from vosrt.benchmarks.published_network import PublishedExecutor
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.export.bundle_writer import ExportSettings, make_manifest
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.export.tracing import TracedGraph
from vosrt.manifest import Checkpoint
from vosrt.models import build_network, load_stand_in_weights, matching_maps
from vosrt.stream import Stream
from vosrt.variant import Variant

SIZE, NETWORK_SIZE = (90, 131), (97, 129)


def run_roles(executor, frames, mask):
    """Outputs of all predicting roles for the second frame, with the mask on the first."""
    network = executor.network
    values = {"step.labels": mask.astype(np.int32), "rows": np.arange(3, dtype=np.int32)}
    values["size"] = np.array(NETWORK_SIZE)

    def run(role):
        inputs = {name: values[spec.source] for name, spec in network.graphs()[role].inputs.items()}
        outputs = executor.run(role, inputs | {"size": values["size"]})
        values.update({f"{role}.{name}": output for name, output in outputs.items()})
        return outputs

    values["frame"] = frames[:1]
    run("encode")
    run("reference")
    for entry, state in network.state().items():
        for name, tensor in state["tensors"].items():
            values[f"state.{entry}.{name}"] = values[tensor["from"]]
    values["frame"] = frames[1:]
    return run("encode") | run("match") | run("segment") | run("finish")


@pytest.mark.parametrize("model", ["cfbi", "cfbi_plus", "cfbi-lite"])
def test_the_published_formulation_gives_the_same_probabilities(model):
    network = build_network(model, "mobilenetv2" if model == "cfbi" else None)
    load_stand_in_weights(network)
    frames, masks = make_clip(2, *SIZE, 2)
    expected = run_roles(TorchExecutor(network), frames, masks[0])
    found = run_roles(PublishedExecutor(network), frames, masks[0])
    assert found.keys() == expected.keys()
    labels = found.pop("labels") != expected.pop("labels")
    assert labels.mean() < 1e-3  # near ties
    for name, value in expected.items():
        tolerance = 2e-3 if name in ("scores", "probabilities") else 1e-3
        torch.testing.assert_close(
            torch.from_numpy(found[name]), torch.from_numpy(value), atol=tolerance, rtol=1e-3
        )


def manifest_of(network):
    """What export would write, without graphs."""
    graphs = network.graphs()
    traced = {role: TracedGraph(role, spec, None) for role, spec in graphs.items()}
    files = {role: {"float32": {"path": f"{role}.onnx", "sha256": "0" * 64}} for role in graphs}
    inputs = {
        role: [name if tensor.size_step is None else "size" for name, tensor in spec.inputs.items()]
        for role, spec in graphs.items()
    }
    source = Checkpoint("stand-in", "0" * 64, True)
    return make_manifest(network, traced, source, ExportSettings(), files, inputs, {})


@pytest.mark.parametrize("model", ["stm", "stm-lite"])
def test_the_published_memory_network_gives_the_same_labels_and_probabilities(model):
    network = build_network(model, memory_every=2)
    load_stand_in_weights(network)
    manifest = manifest_of(network)
    frames, masks = make_clip(5, *SIZE, 2)
    streams = [Stream.of_bundle(manifest, kind(network)) for kind in (TorchExecutor, PublishedMemoryExecutor)]
    for index, frame in enumerate(frames):
        mask = masks[0] if index == 0 else None
        one, other = (stream.step(frame, mask, probabilities=True) for stream in streams)
        np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-4)


def test_the_published_memory_network_runs_on_a_gpu(monkeypatch):
    network = build_network("stm-lite", memory_every=2)
    load_stand_in_weights(network)
    manifest = manifest_of(network)
    frames, masks = make_clip(5, *SIZE, 2)
    on_cpu = Stream.of_bundle(manifest, PublishedMemoryExecutor(network))
    expected = [on_cpu.step(frame, None if index else masks[0]) for index, frame in enumerate(frames)]
    torch_on_host_gpu.use(monkeypatch)
    gpu = CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)
    on_gpu = Stream((Variant(manifest, PublishedMemoryExecutor(network, gpu=gpu)),), gpu)
    for index, frame in enumerate(frames):
        found = on_gpu.step(frame, None if index else masks[0])
        assert np.array_equal(found.labels, expected[index].labels)


def test_the_models_are_as_before_after_a_published_run():
    own = matching_maps.global_matching
    executor = PublishedExecutor(build_network("cfbi-lite"))
    with pytest.raises(KeyError):
        executor.run("segment", {})
    assert matching_maps.global_matching is own
