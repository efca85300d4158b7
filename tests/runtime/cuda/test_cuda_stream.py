"""Streams whose arrays lie in a GPU's memory, which here is the host's; kernels are compiled for the CPU."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.cuda.scene import BUNDLE, scene
from tests.runtime.state_bundles import write_memory_bundle
from vosrt import Segmenter
from vosrt.arithmetic import Arithmetic
from vosrt.buffer_pool import BufferPool
from vosrt.bundle import Bundle
from vosrt.cuda.cuda_array import LEGACY_STREAM, Allocation, CudaArray
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.frame_uploads import FrameUploads
from vosrt.cuda.onnxruntime_cuda_executor import OnnxRuntimeCudaExecutor
from vosrt.cuda.small_blocks import LARGEST, SmallBlocks
from vosrt.errors import InputError
from vosrt.memory_budget import estimate
from vosrt.nv12_frame import Nv12Frame
from vosrt.stream import Stream
from vosrt.variant import Variant


def padded(device, array):
    """On the GPU, with gaps at the ends of rows, as hardware decoders give frames."""
    wide = np.full((array.shape[0], array.shape[1] + 16, *array.shape[2:]), 99, np.uint8)
    wide[:, : array.shape[1]] = array
    held = device.upload(wide)
    interface = {**held.__cuda_array_interface__, "shape": array.shape, "strides": wide.strides}
    return SimpleNamespace(__cuda_array_interface__=interface, held=held)


def test_rows_of_other_packages_may_have_gaps(device, variants):
    images, masks = scene(1)
    random = np.random.default_rng(0)
    nv12 = random.integers(0, 256, (images[0].shape[0] // 2 * 3, images[0].shape[1]), np.uint8)
    for wrap, frame in ((lambda planes: planes, images[0]), (Nv12Frame, nv12)):
        found = [
            Stream(variants[:1], device).step(wrap(one), mask=masks[0], probabilities=True)
            for one in (frame, padded(device, frame))
        ]
        assert np.array_equal(found[0].labels, found[1].labels)
        later = [Stream(variants[:1], device) for _ in range(2)]
        for stream, one in zip(later, (frame, padded(device, frame)), strict=True):
            stream.step(wrap(one), mask=masks[0])
        labels = [
            stream.step(wrap(one), probabilities=True).probabilities
            for stream, one in zip(later, (frame, padded(device, frame)), strict=True)
        ]
        assert np.array_equal(*labels)


@pytest.mark.parametrize("flip", [False, True])
def test_labels_are_those_of_the_cpu(device, variants, flip):
    images, masks = scene(8)
    on_gpu = Stream(variants[: 1 + flip], device)
    on_cpu = Segmenter(BUNDLE, flip=flip).stream()
    for index, image in enumerate(images):
        steps = []
        for stream in (on_gpu, on_cpu):
            mask = np.where(masks[index] == 2, 0, masks[index]) if index == 0 else None
            mask = masks[3] if index == 3 else mask  # another object joins
            if index == 6:
                stream.remove([1])
            if index == 5 and stream is on_gpu:
                snapshot = stream.save()
                stream.restore(snapshot)
            steps.append(stream.step(image, mask=mask, probabilities=True))
        assert np.array_equal(steps[0].labels, steps[1].labels)
        np.testing.assert_allclose(steps[0].probabilities, steps[1].probabilities, atol=2e-4)
        assert set(steps[0].timings) == set(steps[1].timings)
        assert 0 < steps[0].timings["encode"] < steps[0].timings["total"]
        assert steps[0].confidence == pytest.approx(steps[1].confidence, abs=1e-4)


def test_in_the_long_run_the_frame_goes_in_and_results_come_out(device, variants):
    images, masks = scene(10)
    stream = Stream(variants[:1], device)
    driver = device.driver
    for index, image in enumerate(images):
        before = len(driver.copies), driver.calls["allocate"], driver.calls["pinned"]
        stream.step(image, mask=masks[0] if index == 0 else None)
        copies = driver.copies[before[0] :]
        if index >= 6:
            assert [copy for copy in copies if copy[0] == "in"] == [("in", image.nbytes)]
            lines = 2 * 4 * 3 * len(image)  # what is told of three rows
            assert sum(size for way, size in copies if way == "out") == image.nbytes // 3 + lines
            assert (driver.calls["allocate"], driver.calls["pinned"]) == before[1:]


def test_labels_come_while_the_frame_is_still_being_remembered(device, tmp_path, monkeypatch):
    bundle = Bundle.open(write_memory_bundle(tmp_path))
    executor = OnnxRuntimeCudaExecutor(bundle, device)
    stream, plain = Stream([Variant(bundle.manifest, executor)], device), Segmenter(tmp_path).stream()
    frame, mask = np.full((16, 24, 3), 90, np.uint8), np.zeros((16, 24), np.uint8)
    mask[2:4, 3:6] = 1
    order: list[str] = []
    run, copy_out, wait = executor.run, device.driver.copy_out, device.driver.wait

    def logged_copy(target, source, stream):
        order.append(f"copy of {target.nbytes}")
        copy_out(target, source, stream)

    def logged_wait(mark):
        order.append("wait")
        wait(mark)

    monkeypatch.setattr(executor, "run", lambda role, *given: (order.append(role), run(role, *given))[1])
    monkeypatch.setattr(device.driver, "copy_out", logged_copy)
    monkeypatch.setattr(device.driver, "wait", logged_wait)
    for index in range(4):
        order.clear()
        given = mask if index in (0, 2) else None
        labels = [one.step(frame, mask=given).labels for one in (stream, plain)]
        assert np.array_equal(*labels)
        if given is None:
            before = order.index(f"copy of {mask.nbytes}")
            assert order.index("segment") < before < order.index("memorize") < order.index("wait", before)


def test_a_memory_that_grows_allocates_nothing(device, tmp_path, monkeypatch):
    bundle = Bundle.open(write_memory_bundle(tmp_path, capacity=5, every=2))
    executor = OnnxRuntimeCudaExecutor(bundle, device)
    stream, plain = Stream([Variant(bundle.manifest, executor)], device), Segmenter(tmp_path).stream()
    frame, mask = np.full((16, 24, 3), 90, np.uint8), np.zeros((16, 24), np.uint8)
    mask[2:4, 3:6] = 1
    places, run = set(), executor.run

    def logged(role, inputs, take=None):
        if role == "segment":
            places.add(inputs["valid"].pointer)
        return run(role, inputs, take)

    monkeypatch.setattr(executor, "run", logged)
    allocated = []
    for index in range(14):
        frame[0, 0] = index
        found, known = (one.step(frame, mask=mask if index == 0 else None) for one in (stream, plain))
        assert found.confidence == known.confidence
        allocated.append(device.driver.calls["allocate"])
        if index == 4:
            stream.save()
            before = device.driver.calls["allocate"]
    assert allocated[3] == allocated[2]
    assert allocated[-1] == before
    assert len(places) == 1  # whatever slots are valid: recorded work goes on fitting


def test_a_steady_array_is_written_when_it_changes(device):
    arithmetic = Arithmetic(device, BufferPool(device))
    contents = [np.array(values, np.int32) for values in ([1, 0, 0], [1, 1, 0], [1, 0, 0])]
    for content in contents * 2:
        found, other = arithmetic.steady("valid", content), arithmetic.steady("other", contents[1])
        assert np.array_equal(device.download(found), content)
        assert np.array_equal(device.download(other), contents[1])
        assert found.pointer == arithmetic.steady("valid", content).pointer != other.pointer
    assert [copy for copy in device.driver.copies if copy[0] == "in"] == [("in", 12)] * 2  # of either content
    longer = np.arange(5, dtype=np.int32)
    assert np.array_equal(device.download(arithmetic.steady("valid", longer)), longer)
    assert arithmetic.steady("valid", longer).shape == (5,)


def test_small_blocks_do_not_overlap_and_are_used_again():
    asked = []

    def allocate(size):
        asked.append(size)
        return Allocation(len(asked) << 20, size, lambda pointer: None)

    blocks = SmallBlocks(allocate)
    sizes = [1, 255, 256, 257, 4000, LARGEST, 3, LARGEST, LARGEST, LARGEST]
    held = [blocks.take(size) for size in sizes]
    spans = sorted((block.pointer, block.pointer + size) for block, size in zip(held, sizes, strict=True))
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(block.pointer % 256 == 0 for block in held)
    assert len(asked) == 2
    gone = held.pop(1).pointer
    assert blocks.take(100).pointer == gone
    held.clear()
    again = [blocks.take(size) for size in sizes]
    assert len(again) == len(sizes)
    assert len(asked) == 2


@pytest.mark.parametrize("probabilities", [False, True])
def test_streams_side_by_side_pin_no_memory_in_the_long_run(device, variants, probabilities):
    images, masks = scene(8)
    streams = [Stream(variants[:1], device) for _ in range(3)]
    given = [
        masks[0],
        np.where(masks[0] == 2, 0, masks[0]),
        masks[0][:80, :128],
    ]  # of other objects and sizes
    counts = []
    for index, image in enumerate(images):
        for stream, mask in zip(streams, given, strict=True):
            frame = stream.ahead(np.ascontiguousarray(image[: mask.shape[0], : mask.shape[1]]))
            stream.step(frame, mask=mask if index == 0 else None, probabilities=probabilities)
        counts.append((device.driver.calls["pinned"], device.driver.calls["allocate"]))
    assert counts[-1] == counts[4]


def test_a_step_that_raises_leaves_memory_to_the_next(device, variants):
    images, masks = scene(2)
    stream = Stream(variants[:1], device)
    stream.step(images[0], mask=masks[0])

    def fails():
        raise ValueError("no next frame")

    counts = []
    for _ in range(5):
        with pytest.raises(ValueError, match="no next frame"):
            stream.step(images[1], meanwhile=fails)
        with pytest.raises(InputError, match="frame size"):
            stream.step(Nv12Frame(np.zeros((48, 64), np.uint8)))  # of another size
        counts.append((stream.memory, device.driver.calls["pinned"], device.driver.calls["allocate"]))
    assert counts[-1] == counts[1]


def test_a_stream_without_objects_holds_no_memory(device, variants):
    images, masks = scene(2)
    stream = Stream(variants[:1], device)
    for forget in (stream.reset, lambda: stream.remove([1, 2])):
        for index, image in enumerate(images):
            stream.step(image, mask=masks[0] if index == 0 else None)
        assert stream.memory > 0
        forget()
        assert stream.memory == 0


class LateUploads(HostDriver):
    """Copies of frames that are sent ahead are done when something waits for their stream."""

    def __init__(self):
        super().__init__()
        self.late = {}

    def copy_in(self, target, source, stream):
        if stream == 1:  # of the work
            super().copy_in(target, source, stream)
        else:
            self.late.setdefault(stream, []).append((target, source.copy()))

    def follow(self, stream, other):
        super().follow(stream, other)
        self._catch_up(other)

    def wait(self, mark):
        super().wait(mark)
        self._catch_up(mark)

    def _catch_up(self, stream):
        for target, source in self.late.pop(stream, []):
            super().copy_in(target, source, stream)


@pytest.mark.parametrize("given", ["ahead", "padded"])
def test_a_box_is_looked_for_in_the_frame_itself(given):
    images, masks = scene(1)
    rows, columns = np.nonzero(masks[0] == 1)
    box = (columns.min() - 3, rows.min() - 3, columns.max() + 4, rows.max() + 4)
    bundle, labels = Bundle.open(BUNDLE), []
    for way in ("plain", given):
        device = CudaDevice(LateUploads(), lambda device: emulated_kernels().arithmetic)
        executor = OnnxRuntimeCudaExecutor(bundle, device)
        stream = Stream([Variant(bundle.manifest, executor)], device)
        frame = stream.ahead(images[0]) if way == "ahead" else images[0]
        frame = padded(device, frame) if way == "padded" else frame
        labels.append(stream.step(frame, boxes={1: box}).labels)
    assert np.array_equal(*labels)


def test_memory_is_waited_for_before_it_is_given_back():
    order = []

    class Logged(HostDriver):
        def wait(self, mark):
            order.append(mark)

        def free(self, pointer):
            order.append("free")
            super().free(pointer)

    driver = Logged()
    uploads = FrameUploads(driver, lambda size: Allocation(driver.allocate(size), size, driver.free))
    frame = uploads.upload(np.zeros((4, 4, 3), np.uint8))
    uploads.is_read(frame, 77)
    del frame
    uploads.upload(np.zeros((8, 4, 3), np.uint8))
    assert order == [77, "free"]


def test_rows_in_parts_give_the_same_as_at_once(device, variants):
    images, masks = scene(3)
    graph = variants[0].manifest.graphs["segment"]
    room = int(estimate(graph, 2, masks[0].size)) + 1000  # of the two objects and the rest
    at_once, in_parts = Stream(variants[:1], device), Stream(variants[:1], device, memory_limit=room)
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        found, expected = (stream.step(image, mask=mask) for stream in (in_parts, at_once))
        assert np.array_equal(found.labels, expected.labels)


def test_memory_is_given_back(device, variants):
    images, masks = scene(3)
    stream = Stream(variants, device)
    kept = device.constant(np.zeros(1))  # the piece that small arrays are cut from stays with the device
    before = len(device.driver.memory)
    for index, image in enumerate(images):
        stream.step(image, mask=masks[0] if index == 0 else None)
    assert len(device.driver.memory) > before
    del stream
    device._constants.clear()
    assert len(device.driver.memory) <= before
    assert kept.nbytes == 8


def test_arrays_of_other_packages_are_taken_where_they_lie(device):
    array = device.upload(np.arange(12, dtype=np.int32).reshape(3, 4))

    class Other:
        __cuda_array_interface__ = array.__cuda_array_interface__

    found = CudaArray.of(Other())
    assert found.pointer == array.pointer
    assert found.shape == (3, 4)
    assert np.array_equal(device.download(found), device.download(array))
    Other.__cuda_array_interface__ = {**array.__cuda_array_interface__, "strides": (4, 12)}
    assert CudaArray.of(Other()) is None
    single = {**array.__cuda_array_interface__, "shape": (1, 4), "strides": (0, 4)}
    assert CudaArray.of(SimpleNamespace(__cuda_array_interface__=single)).pitch == 16
    assert CudaArray.of(np.zeros(3)) is None


def test_frames_and_labels_can_stay_on_the_gpu(device, variants):
    images, masks = scene(3)
    one, other = Stream(variants[:1], device), Stream(variants[:1], device)
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        there = device.upload(image)
        before = len(device.driver.copies)
        found = one.step(there, mask=mask)
        assert ("in", image.nbytes) not in device.driver.copies[before:]
        assert np.array_equal(found.labels, other.step(image, mask=mask).labels)
        there = device.upload(np.zeros_like(image))  # the stream has a copy of its own
        assert found.on_device.__cuda_array_interface__["typestr"] == "|u1"
    assert np.array_equal(device.download(found.on_device), found.labels)
    assert Segmenter(BUNDLE).stream().step(images[0], mask=masks[0]).on_device is None


def test_a_frame_on_the_gpu_that_cannot_be_used_is_refused(device, variants):
    stream = Stream(variants[:1], device)
    with pytest.raises(InputError, match="frame dtype"):
        stream.step(device.empty((96, 160, 3), "float32"))
    with pytest.raises(InputError, match="frame shape"):
        stream.step(device.empty((96, 160), "uint8"))
    with pytest.raises(InputError, match="frame type"):
        Segmenter(BUNDLE).stream().step(device.empty((96, 160, 3), "uint8"))


def test_streams_of_several_threads_do_not_disturb_each_other(device, variants):
    images, masks = scene(6)
    expected = Segmenter(BUNDLE).stream()
    labels = [
        expected.step(image, masks[0] if index == 0 else None).labels for index, image in enumerate(images)
    ]
    streams = [Stream(variants[:1], device) for _ in range(3)]
    wrong: list[int] = []

    def run(stream: Stream) -> None:
        for index, image in enumerate(images):
            found = stream.step(
                image, mask=masks[0] if index == 0 else None, meanwhile=lambda: time.sleep(0.002)
            )
            if not np.array_equal(found.labels, labels[index]):
                wrong.append(index)

    threads = [threading.Thread(target=run, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_older_interface_is_written_in_the_default_stream(device):
    older = SimpleNamespace()
    older.__cuda_array_interface__ = {"shape": (3,), "typestr": "|u1", "data": (4096, False), "version": 2}
    assert CudaArray.of(older).stream == LEGACY_STREAM
