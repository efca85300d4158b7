"""Streams on TensorRT engines: builder calls, cache, executor and device, over a stand-in for TensorRT."""

from __future__ import annotations

import logging
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.trt import stand_in
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.engine_cache import EngineCache
from vosrt.errors import BundleError, GpuMemoryError, InputError
from vosrt.sources.open_source import open_source
from vosrt.stream import Stream
from vosrt.trt.engine_builder import EngineBuilder, _progress_monitor
from vosrt.trt.engines import Engines
from vosrt.trt.executor import TensorRtExecutor
from vosrt.variant import Variant

BUNDLE = "cfbi-lite-davis"
VERSIONS = ["8.5.3", "10.3.0", "11.4.0"]


@pytest.fixture(params=VERSIONS)
def tensorrt(request):
    return stand_in.use(request.param)


@pytest.fixture(autouse=True)
def _plugins(monkeypatch):
    monkeypatch.setattr("vosrt.trt.engines.load_plugins", lambda path: None)


@pytest.fixture(scope="module")
def scene():
    with open_source("test://96x160?objects=2") as source:
        frames = [frame for frame, _ in zip(source, range(7), strict=False)]
    return [frame.image for frame in frames], [frame.truth for frame in frames]


def open_engines(tensorrt, tmp_path, *, objects=2, builder=None, **options) -> tuple[Engines, CudaDevice]:
    bundle = Bundle.open(BUNDLE)
    plugins = tmp_path / "libplugins.so"
    plugins.write_bytes(b"plugins")
    device = CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)
    engines = Engines(
        bundle,
        bundle.manifest.for_objects(objects),
        builder or EngineBuilder(tensorrt, timing_cache=tmp_path / "timings"),
        EngineCache(tmp_path / "engines"),
        device.driver.gpu(),
        plugins,
        **options,
    )
    return engines, device


def stream_of(engines: Engines, device: CudaDevice) -> Stream:
    return Stream([Variant(engines.manifest, TensorRtExecutor(engines, device))], device)


def test_labels_are_those_of_onnx_runtime(tensorrt, tmp_path, scene):
    engines, device = open_engines(tensorrt, tmp_path)
    images, masks = scene
    streams = stream_of(engines, device), Segmenter(BUNDLE).stream()
    for index, image in enumerate(images):
        mask = np.where(masks[0] == 2, 0, masks[0]) if index == 0 else None
        mask = masks[2] if index == 2 else mask  # another object joins, and a second reference frame
        found, expected = (stream.step(image, mask=mask) for stream in streams)
        assert np.array_equal(found.labels, expected.labels)
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)
    assert device.driver.calls["launch"] > 0  # recordings were used
    names = [path.name.split(".")[1] for path in engines.cache.engines()]
    assert sorted(names) == ["encode", "finish", "match", "reference", "segment"]  # no shape built twice


def test_engines_are_found_again_by_the_next_process(tensorrt, tmp_path, scene):
    images, masks = scene
    for builds in (5, 0):
        stand_in.Builder.built.clear()
        engines, device = open_engines(tensorrt, tmp_path)
        stream = stream_of(engines, device)
        stream.step(images[0], mask=masks[0])
        stream.step(images[1])
        assert len(stand_in.Builder.built) == builds


def test_an_engine_that_tensorrt_refuses_is_built_again(tensorrt, tmp_path, scene, caplog):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path)
    good = engines.builder.build
    calls = []

    def once_foreign(name, graph, sizes):
        calls.append(name)
        return b"of another TensorRT" if len(calls) == 1 else good(name, graph, sizes)

    object.__setattr__(engines.builder, "build", once_foreign)
    stream_of(engines, device).step(images[0], mask=masks[0])
    assert calls[0] == calls[1]
    assert f"{calls[0]}: TensorRT does not take the engine; it is built again" in caplog.messages


OUT_OF_MEMORY = "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)"


@pytest.mark.parametrize(
    "message",
    [
        OUT_OF_MEMORY,
        "Error Code 2: OutOfMemory (Requested size was 8 bytes.)",
        "Error Code 1: Cublas (CUBLAS_STATUS_ALLOC_FAILED)",
        "GPU memory allocation failed during initialization of layer: 7",
    ],
)
def test_too_little_memory_for_an_engine_leaves_it_in_the_cache(tmp_path, scene, monkeypatch, message):
    tensorrt = stand_in.use("10.3.0")
    images, masks = scene
    stream_of(*open_engines(tensorrt, tmp_path)).step(images[0], mask=masks[0])
    good = stand_in.Runtime.deserialize_cuda_engine

    def full(runtime, plan):
        runtime._logger.log(stand_in.Severity.ERROR, message)

    monkeypatch.setattr(stand_in.Runtime, "deserialize_cuda_engine", full)
    stand_in.Builder.built.clear()
    stream = stream_of(*open_engines(tensorrt, tmp_path))
    with pytest.raises(GpuMemoryError, match=r"cfbi-lite\.encode.*no memory left on the GPU") as caught:
        stream.step(images[0], mask=masks[0])
    assert message in str(caught.value)
    assert "end other programs on the GPU" in caught.value.cure
    monkeypatch.setattr(stand_in.Runtime, "deserialize_cuda_engine", good)
    assert stream.step(images[0], mask=masks[0]).ids == (1, 2)
    assert not stand_in.Builder.built


@pytest.fixture
def full_gpu(tensorrt, monkeypatch):
    """A machine on which as many contexts as `full_gpu.room` says can be there at a time."""
    is_new = tensorrt.__version__.startswith("11")
    kind = stand_in.Engine11 if is_new else stand_in.Engine8
    name = "create_execution_context" + ("" if is_new else "_without_device_memory")
    make, machine = getattr(kind, name), SimpleNamespace(room=0, there=weakref.WeakSet())

    def made(engine, *arguments):
        if len(machine.there) >= machine.room:
            return None
        context = make(engine, *arguments)
        machine.there.add(context)
        return context

    monkeypatch.setattr(kind, name, made)
    return machine


def test_a_context_that_there_was_no_memory_for_is_asked_for_again(tensorrt, tmp_path, scene, full_gpu):
    images, masks = scene
    stream = stream_of(*open_engines(tensorrt, tmp_path))
    for _ in range(2):
        with pytest.raises(GpuMemoryError, match=r"graph encode: no memory left .*does not say why"):
            stream.step(images[0], mask=masks[0])
    full_gpu.room = 5
    assert stream.step(images[0], mask=masks[0]).ids == (1, 2)


def test_contexts_that_are_not_in_use_make_room(tensorrt, tmp_path, scene, full_gpu, caplog):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path)
    full_gpu.room = 6
    executor = TensorRtExecutor(engines, device)
    for height in (96, 80):
        streams = Stream([Variant(engines.manifest, executor)], device), Segmenter(BUNDLE).stream()
        for index, image in enumerate(images):
            mask = masks[0][:height] if index == 0 else None
            labels = [stream.step(image[:height], mask=mask).labels for stream in streams]
            assert np.array_equal(*labels)
    told = [line for line in caplog.messages if "no room on the GPU" in line]
    assert len(told) == 2
    assert len(full_gpu.there) <= 6


@pytest.mark.parametrize("change", ["TensorRT", "plugin library", "GPU", "workspace"])
def test_another_machine_builds_its_own(tensorrt, tmp_path, scene, caplog, change):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path)
    stream_of(engines, device).step(images[0], mask=masks[0])
    caplog.clear()
    if change == "TensorRT":
        other = stand_in.use("10.13.3")
        engines, device = open_engines(other, tmp_path)
    elif change == "workspace":
        engines, device = open_engines(tensorrt, tmp_path, builder=EngineBuilder(tensorrt, workspace=1 << 20))
    else:
        engines, device = open_engines(tensorrt, tmp_path)
    if change == "plugin library":
        engines.plugins.write_bytes(b"newer")
    if change == "GPU":
        engines.gpu = engines.gpu.__class__("Orin", (8, 7), 1 << 33, 12060)
    stand_in.Builder.built.clear()
    stream_of(engines, device).step(images[0], mask=masks[0])
    assert stand_in.Builder.built
    lines = [line for line in caplog.messages if "building, because the engine there is stale" in line]
    assert lines
    assert all(f"({change} was" in line for line in lines)


def test_settings_of_the_builder(tensorrt, tmp_path, scene):
    images, masks = scene
    steps = []
    builder = EngineBuilder(
        tensorrt,
        workspace=1 << 28,
        timing_cache=tmp_path / "timings",
        progress=lambda *step: steps.append(step),
    )
    engines, device = open_engines(tensorrt, tmp_path, builder=builder)
    stream_of(engines, device).step(images[0], mask=masks[0])
    old = tensorrt.__version__.startswith("8")
    for built in stand_in.Builder.built:
        assert built.config._pools == {stand_in.MemoryPoolType.WORKSPACE: 1 << 28}
        assert "TF32" not in built.config._flags
        assert hasattr(built.config, "progress_monitor") != old
        assert built.network._flags == (0 if not old else 1) or not old
    assert (tmp_path / "timings").read_bytes() == b"timings"


def test_only_the_number_of_reference_frames_is_open(tensorrt, tmp_path, scene):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path, objects=3)
    stream = stream_of(engines, device)
    stream.step(images[0], mask=masks[0])
    stream.step(images[1])
    shapes = [built.config._profile._shapes for built in stand_in.Builder.built if built.config._profile]
    (shapes,) = shapes
    assert shapes["reference_labels"][0][0] == 1
    assert shapes["reference_labels"][2][0] == 8
    assert shapes["rows"] == [[4]] * 3


def test_what_does_not_depend_on_the_room_for_objects_is_built_once(tensorrt, tmp_path, scene):
    images, masks = scene
    for objects in (2, 3):
        engines, device = open_engines(tensorrt, tmp_path, objects=objects)
        stream_of(engines, device).step(images[0], mask=masks[0])
    roles = sorted(path.name.split(".")[1] for path in engines.cache.engines())
    assert (roles.count("encode"), roles.count("reference")) == (1, 2)


def test_a_graph_that_cannot_be_built_is_named(tensorrt, tmp_path, scene):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path)
    stand_in.Builder.refuse = True
    with pytest.raises(BundleError, match=r"cfbi-lite\.encode.* cannot build the graph \(no implementation"):
        stream_of(engines, device).step(images[0], mask=masks[0])


def test_more_objects_than_there_is_room_for(tensorrt, tmp_path, scene):
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path, objects=1)
    with pytest.raises(InputError, match="too many objects"):
        stream_of(engines, device).step(images[0], mask=masks[0])


def test_a_stale_timing_cache_starts_anew(tmp_path, scene, caplog):
    caplog.set_level(logging.INFO)
    tensorrt = stand_in.use("10.3.0")
    (tmp_path / "timings").write_bytes(b"of another GPU")
    images, masks = scene
    engines, device = open_engines(tensorrt, tmp_path)
    stream_of(engines, device).step(images[0], mask=masks[0])
    assert (tmp_path / "timings").read_bytes() == b"timings"
    assert any("of another GPU or TensorRT" in line for line in caplog.messages)


def test_a_recording_that_fails_costs_speed_alone(tmp_path, scene, caplog, monkeypatch):
    engines, device = open_engines(stand_in.use("10.3.0"), tmp_path)
    images, masks = scene
    plain = stream_of(engines, device)
    given = [masks[0], *[None] * 6]
    labels = [plain.step(image, mask=mask).labels for image, mask in zip(images, given, strict=True)]

    def refused(stream, work):
        raise RuntimeError("cudaStreamEndCapture: cudaErrorStreamCaptureInvalidated")

    monkeypatch.setattr(device.driver, "record", refused)
    stream = stream_of(engines, device)
    for index, image in enumerate(images):
        found = stream.step(image, mask=masks[0] if index == 0 else None)
        assert np.array_equal(found.labels, labels[index])
    told = [message for message in caplog.messages if "runs without CUDA graphs" in message]
    assert 0 < len(told) <= 5
    assert "cudaErrorStreamCaptureInvalidated" in told[0]


def test_memory_that_could_not_be_had_is_asked_for_again(tmp_path, scene, monkeypatch):
    engines, device = open_engines(stand_in.use("10.3.0"), tmp_path)
    images, masks = scene
    stream = stream_of(engines, device)
    allocate = device.driver.allocate
    executor = stream._variants[0].executor
    monkeypatch.setattr("vosrt.trt.executor._Context.scratch_size", property(lambda context: 12345))

    def full(size):
        if size == 12345:
            raise GpuMemoryError("no memory left on the GPU")
        return allocate(size)

    monkeypatch.setattr(device.driver, "allocate", full)
    for _ in range(2):
        with pytest.raises(GpuMemoryError, match="no memory left on the GPU"):
            stream.step(images[0], mask=masks[0])
        assert executor.memory == 0
    monkeypatch.setattr(device.driver, "allocate", allocate)
    assert stream.step(images[0], mask=masks[0]).ids == (1, 2)
    assert executor.memory == 12345


def test_streams_with_other_numbers_of_references_keep_their_recordings(tensorrt, tmp_path, scene):
    engines, device = open_engines(tensorrt, tmp_path)
    images, masks = scene
    executor = TensorRtExecutor(engines, device)
    streams = [Stream([Variant(engines.manifest, executor)], device) for _ in range(2)]
    expected = [Segmenter(BUNDLE).stream() for _ in range(2)]
    for index in range(2 * len(images)):
        image = images[index % len(images)]
        launches = device.driver.calls["launch"]
        for number in range(2):
            has_mask = index == 0 or (index == 1 and number == 1)  # the second has one more
            mask = masks[index] if has_mask else None
            found, known = (one[number].step(image, mask=mask) for one in (streams, expected))
            assert np.array_equal(found.labels, known.labels)
    is_old = tensorrt.__version__.startswith("8")
    launches = device.driver.calls["launch"] - launches
    assert launches == 2 * (3 if is_old else 4)  # contexts of TensorRT 8 cannot share the profile of `match`
    assert len(executor.running()) == len(engines.cache.engines()) == 5


def test_more_streams_than_recordings_run_with_those_there_are(tmp_path, scene, caplog):
    engines, device = open_engines(stand_in.use("10.3.0"), tmp_path)
    images, masks = scene
    executor = TensorRtExecutor(engines, device)
    streams = [Stream([Variant(engines.manifest, executor)], device) for _ in range(35)]
    expected, small = Segmenter(BUNDLE).stream(), (slice(32, 64), slice(48, 96))
    for index, image in enumerate(images):
        launches = device.driver.calls["launch"]
        mask = masks[0][small] if index == 0 else None
        known = expected.step(image[small], mask=mask)
        for stream in streams:
            assert np.array_equal(stream.step(image[small], mask=mask).labels, known.labels)
    assert device.driver.calls["launch"] - launches >= 3 * 32
    assert len([line for line in caplog.messages if "further streams run without" in line]) == 1


def test_progress_is_that_of_the_outermost_phase():
    told = []

    class Monitored:
        IProgressMonitor = stand_in.IProgressMonitor

    monitor = _progress_monitor(Monitored, lambda *step: told.append(step))
    monitor.phase_start("build", None, 2)
    monitor.phase_start("graph", "build", 4)
    for step in range(4):
        assert monitor.step_complete("graph", step)
    monitor.phase_finish("graph")
    monitor.step_complete("build", 0)
    monitor.phase_start("tactics", "build", 2)
    monitor.phase_start("layer", "tactics", 2)
    monitor.step_complete("layer", 0)
    monitor.step_complete("unheard of", 0)
    shares = [share for name, share in told if name == "build"]
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.5, 0.625]
    assert told[-1] == ("unheard of", 1.0)
    stopped = _progress_monitor(Monitored, lambda *step: sys.exit())
    assert not stopped.step_complete("build", 0)


def test_every_graph_is_recorded_for_even_and_odd_frames(tensorrt, tmp_path, scene):
    engines, device = open_engines(tensorrt, tmp_path)
    images, masks = scene
    stream = stream_of(engines, device)
    recorded = []
    for index in range(2 * len(images)):
        stream.step(images[index % len(images)], mask=masks[0] if index == 0 else None)
        recorded.append(device.driver.calls["record"])
    assert recorded[-1] == recorded[7] <= 2 * 4
