"""`Segmenter` and `vosrt build` on a machine whose GPU and TensorRT are stand-ins."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.state_bundles import write_memory_bundle
from tests.runtime.trt import stand_in
from tests.runtime.trt.stand_in_engine import array_at
from vosrt import Segmenter
from vosrt.cli import main
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.kernel_library import KernelError
from vosrt.engine_cache import EngineCache
from vosrt.errors import BundleError, InputError, MissingDependencyError
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.stream import Stream
from vosrt.stream_job import StreamJob
from vosrt.trt.checked_engines import EngineSettings

BUNDLE = "cfbi-lite-davis"
OTHERS = [pytest.param(name, marks=pytest.mark.full) for name in ("directional-lite", "lse-lite")]


@pytest.fixture(scope="module")
def scene():
    source = TestPattern(PatternSettings(height=64, width=96, objects=2, frames=4))
    return [(frame.image, frame.truth) for frame in source]


def test_the_fastest_is_chosen_and_its_engines_are_compared_once(gpu_machine, scene, caplog):
    caplog.set_level(logging.INFO)
    for built in (5, 0):
        stand_in.Builder.built.clear()
        caplog.clear()
        segmenter = Segmenter(BUNDLE)
        assert str(segmenter.placement) == "runs on host memory (sm_90) with TensorRT"
        stream, on_cpu = segmenter.stream(), Segmenter(BUNDLE, device="cpu").stream()
        for index, (image, mask) in enumerate(scene):
            labels = [one.step(image, mask=mask if index == 0 else None).labels for one in (stream, on_cpu)]
            assert np.array_equal(*labels)
        assert len(stand_in.Builder.built) == built
        compared = [line for line in caplog.messages if "of the labels equal those in float32" in line]
        assert len(compared) == (1 if built else 0)
    assert segmenter.prepare(64, 96).worst == 1.0


@pytest.fixture(params=["labels", "bank_labels"])
def wrong_engines(request, monkeypatch):
    """Engines that turn labels upside down, or those that are kept of reference frames."""
    good = stand_in.IExecutionContext.execute_async_v3

    def wrong(self, stream_handle):
        done = good(self, stream_handle)
        for value in self._engine._graph.output:
            if value.name == request.param:
                shape = self.get_tensor_shape(value.name)
                array = array_at(self._addresses[value.name], shape, "int32")
                array[...] = array[..., ::-1, :].copy()
        return done

    monkeypatch.setattr(stand_in.IExecutionContext, "execute_async_v3", wrong)


def test_engines_that_differ_are_refused(gpu_machine, wrong_engines, scene):
    image, mask = scene[0]
    stream = Segmenter(BUNDLE, engines=EngineSettings(record=False)).stream()
    for _ in range(2):  # a second try says it again
        with pytest.raises(
            BundleError, match=r"engines differ too much: .* allowed: at least 99.5%.*--allow-drift"
        ):
            stream.step(image, mask=mask)


def test_or_used_with_a_warning(gpu_machine, wrong_engines, scene, caplog):
    image, mask = scene[0]
    settings = EngineSettings(record=False, allow_drift=True)
    Segmenter(BUNDLE, engines=settings).stream().step(image, mask=mask)
    assert any("differ too much" in line and line.endswith("(allowed)") for line in caplog.messages)


def test_build_then_stream(gpu_machine, tmp_path, capsys):
    build = ["build", BUNDLE, "--frame", "64x96", "--objects", "2", "--report", str(tmp_path / "layers.json")]
    assert main([*build, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["built"]) == 5
    assert result["equal labels"] == {"mean": 1.0, "worst frame": 1.0}
    layers = json.loads((tmp_path / "layers.json").read_text())
    assert {name.partition(".")[2] for name in layers} == {
        "encode",
        "reference",
        "match",
        "segment",
        "finish",
    }
    (tmp_path / "layers.json").unlink()
    assert main(build) == 0
    assert capsys.readouterr().out.startswith("all engines were there; 100.000% of the labels")
    assert json.loads((tmp_path / "layers.json").read_text()) == layers


def test_engines_that_are_gone_are_built_and_compared_again(gpu_machine, tmp_path, capsys):
    build = ["build", BUNDLE, "--frame", "64x96", "--objects", "2", "--json"]
    built = []
    for removed in ("*.match.*.engine", "no.engine", "no.engine"):
        assert main(build) == 0
        built.append(len(json.loads(capsys.readouterr().out)["built"]))
        for path in (tmp_path / "cache").glob(removed):
            path.unlink()
    assert built == [5, 1, 0]


def test_more_references_than_the_bundle_keeps_by_itself(gpu_machine, scene):
    settings = {"memory_every": 1, "memory_capacity": 12}
    streams = Segmenter(BUNDLE, **settings).stream(), Segmenter(BUNDLE, device="cpu", **settings).stream()
    for index in range(13):
        image, mask = scene[index % len(scene)]
        labels = [one.step(image, mask=mask if index == 0 else None).labels for one in streams]
        assert np.array_equal(*labels)


def test_engines_of_a_stream_that_goes_on_are_compared_too(gpu_machine, wrong_engines, scene):
    image, mask = scene[0]
    stream = Segmenter(BUNDLE, device="cpu").stream()
    stream.step(image, mask=mask)
    restored = Segmenter(BUNDLE, engines=EngineSettings(record=False)).stream(stream.save())
    with pytest.raises(BundleError, match="engines differ too much"):
        restored.step(image)


def test_parts_of_rows_follow_from_the_gpu_alone(gpu_machine, monkeypatch):
    limits = []
    for free in (1 << 40, 1 << 20):
        monkeypatch.setattr("vosrt.memory_budget.available_memory", lambda free=free: free)
        limits.append(Segmenter(BUNDLE).stream()._memory_limit)
    assert limits == [1 << 32] * 2  # half of the stand-in's 8 GiB


@pytest.mark.parametrize(("limit", "sizes"), [("3M", [2, 2, 2]), ("1500K", [1] * 5), (None, [5])])
def test_rows_that_do_not_fit_are_computed_in_parts_by_one_engine(gpu_machine, scene, limit, sizes):
    segmenter = Segmenter(BUNDLE, memory_limit=limit, engines=EngineSettings(objects=4))
    stream, on_cpu = segmenter.stream(), Segmenter(BUNDLE, device="cpu").stream()
    run, calls = segmenter.executor.run, []

    def spy(role, inputs, take=None):
        calls.append((role, inputs["rows"].shape[0] if "rows" in inputs else 0))
        return run(role, inputs, take)

    for index, (image, mask) in enumerate(scene):
        labels = [one.step(image, mask=mask if index == 0 else None).labels for one in (stream, on_cpu)]
        assert np.array_equal(*labels)
        if index == 0:
            segmenter.executor.run = spy  # engines have been compared
    assert [rows for role, rows in calls if role == "segment"] == sizes * (len(scene) - 1)
    assert len(stand_in.Builder.built) == 5


def test_a_limit_that_is_too_small_is_an_error_before_engines_are_built(gpu_machine, scene):
    image, mask = scene[0]
    on_cpu = Segmenter(BUNDLE, device="cpu", memory_limit="1K").stream()
    with pytest.raises(InputError, match="2 objects on 6305 pixels need about 1 MiB in segment") as known:
        on_cpu.step(image, mask=mask)
    settings = EngineSettings(objects=2)
    with pytest.raises(InputError) as found:
        Segmenter(BUNDLE, memory_limit="1K", engines=settings).stream().step(image, mask=mask)
    assert str(found.value) == str(known.value)
    assert not stand_in.Builder.built


def test_engines_of_several_sizes_and_parts_are_there_side_by_side(gpu_machine, caplog):
    for _ in range(2):
        for objects, limit in ((2, None), (4, None), (4, "3M")):
            segmenter = Segmenter(BUNDLE, memory_limit=limit, engines=EngineSettings(objects=objects))
            for size in ((64, 96), (64, 100), (96, 128)):
                if limit is None or size == (64, 96):
                    segmenter.prepare(*size)
    assert not [line for line in caplog.messages if "stale" in line]
    names = [built.name.rsplit(".", 2)[0] for built in EngineCache().engines()]
    assert len(names) == len(set(names)) == len(stand_in.Builder.built)
    assert "cfbi-lite.segment.float32.17x25.64x96.4.part2" in names
    assert "cfbi-lite.encode.float32.64x100.65x97" in names


def test_a_host_with_little_memory_compares_engines_row_by_row(gpu_machine, scene, monkeypatch):
    image, mask = scene[0]
    monkeypatch.setattr("vosrt.trt.engine_check.default_limit", lambda: 1 << 10)
    segmenter = Segmenter(BUNDLE, engines=EngineSettings(objects=2))
    segmenter.stream().step(image, mask=mask)
    assert segmenter.prepare(64, 96).worst == 1.0


def test_the_next_frame_of_a_recording_is_sent_ahead(gpu_machine, tmp_path, monkeypatch):
    sent = []
    good = Stream.ahead
    monkeypatch.setattr(Stream, "ahead", lambda stream, frame: sent.append(frame) or good(stream, frame))
    for device in ("cuda", "cpu"):
        folder = str(tmp_path / device)
        settings = {"device": device, "engines": EngineSettings(objects=2)}
        StreamJob([BUNDLE], "test://64x96?objects=2&frames=5", masks=folder, settings=settings).run()
    assert len(sent) == 5
    for path in (tmp_path / "cpu").iterdir():
        assert path.read_bytes() == (tmp_path / "cuda" / path.name).read_bytes()


def test_kernels_that_do_not_run_on_this_gpu_are_said(gpu_machine, monkeypatch):
    def fail(graph, inputs, output):
        raise KernelError(f"{graph}: CUDA error 209")

    device = CudaDevice(HostDriver(), lambda device: fail)
    monkeypatch.setattr("vosrt.placement._open_gpu", lambda: device)
    with pytest.raises(MissingDependencyError, match=r"kernels do not run on host memory .*error 209"):
        Segmenter(BUNDLE, require="tensorrt")
    assert "CUDA error 209" in str(Segmenter(BUNDLE).placement)


def test_a_memory_of_too_many_frames_for_a_kernel_is_refused(gpu_machine, tmp_path, monkeypatch):
    monkeypatch.setattr("vosrt.segmenter.MOST_SLOTS_ON_GPU", 2)
    write_memory_bundle(tmp_path, capacity=3)
    with pytest.raises(InputError, match=r"memory_capacity of \w+ on a GPU: got 3; allowed: at most 2"):
        Segmenter(tmp_path)


def test_a_missing_plugin_library_says_how_to_build_it(gpu_machine, tmp_path):
    (tmp_path / "native/libvosrt_plugins_trt10.so").unlink()
    with pytest.raises(MissingDependencyError, match=r"has not been built.*make plugins"):
        Segmenter(BUNDLE, require="tensorrt")
    with pytest.raises(MissingDependencyError, match="onnxruntime that is installed is for the CPU alone"):
        Segmenter(BUNDLE, device="cuda", executor="onnxruntime")
    placement = Segmenter(BUNDLE).placement
    assert (placement.device, placement.executor) == ("cpu", "onnxruntime")
    assert "plugins for TensorRT 10.3.0, has not been built" in str(placement)


def test_a_tensorrt_that_is_too_old_is_refused(gpu_machine, monkeypatch):
    monkeypatch.setattr(gpu_machine, "__version__", "8.4.1")
    with pytest.raises(MissingDependencyError, match="too old"):
        Segmenter(BUNDLE, executor="tensorrt")


@pytest.fixture(scope="module", params=["stm-lite", *OTHERS])
def network(request, tmp_path_factory):
    """A bundle, made before anything stands in for TensorRT: PyTorch looks for that."""
    folder = tmp_path_factory.mktemp("bundles") / request.param
    assert main(["export", "--model", request.param, "--stand-in", "--output", str(folder)]) == 0
    return folder


def test_in_the_long_run_no_network_allocates_or_records(network, gpu_machine):
    segmenter = Segmenter(network, engines=EngineSettings(objects=2, allow_drift=True))
    driver, stream = segmenter.placement.cuda.driver, segmenter.stream()
    graphs = len({"encode", "match", "segment", "finish", "memorize"} & set(segmenter.bundle.manifest.graphs))
    counts = []
    for index, frame in enumerate(TestPattern(PatternSettings(height=64, width=96, objects=2, frames=14))):
        before = driver.calls["launch"]
        stream.step(frame.image, mask=frame.truth if index == 0 else None)
        counts.append([driver.calls[name] for name in ("allocate", "free", "pinned", "record")])
        if index >= 9:
            assert counts[-1] == counts[8]
            assert driver.calls["launch"] - before == graphs
