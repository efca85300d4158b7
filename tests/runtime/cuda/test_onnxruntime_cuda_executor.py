"""Sessions for one size of frames, and which of their runs are recorded."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.cuda.scene import BUNDLE, scene
from vosrt import BundleError, InputError, Segmenter
from vosrt.bundle import Bundle
from vosrt.cuda import onnxruntime_cuda_executor
from vosrt.cuda.onnxruntime_cuda_executor import OnnxRuntimeCudaExecutor, _Session
from vosrt.errors import GpuMemoryError
from vosrt.stream import Stream
from vosrt.variant import Variant


@pytest.fixture
def executor(device):
    return OnnxRuntimeCudaExecutor(Bundle.open(BUNDLE), device)


@pytest.fixture
def runs(executor, monkeypatch) -> list[tuple[object, int | None]]:
    """Sessions and numbers of recordings, as graphs run."""
    found, run = [], executor.arrays.run

    def logged(session, binding, recording=None):
        found.append((session, recording))
        run(session, binding, recording)

    monkeypatch.setattr(executor.arrays, "run", logged)
    return found


def stream_of(executor) -> Stream:
    return Stream([Variant(executor.bundle.manifest, executor)], executor.cuda)


def test_frames_are_recorded_when_their_addresses_come_again(executor, runs):
    images, masks = scene(12)
    stream, of_frames = stream_of(executor), []
    for index, image in enumerate(images):
        runs.clear()
        stream.step(image, mask=masks[0] if index == 0 else None)
        of_frames.append([number for _, number in runs])
    assert of_frames[0] == [None] * 2  # `encode` and `reference`
    assert of_frames[1] == [None] * 4
    assert None not in of_frames[-1] + of_frames[-2]
    assert of_frames[-1] == of_frames[-3] != of_frames[-2] == of_frames[-4]
    runs.clear()
    stream_of(executor).step(images[0], mask=masks[0])
    assert [number for _, number in runs] == [None] * 2


def test_numbers_of_objects_share_a_session_and_sizes_do_not(executor, runs):
    images, masks = scene(4)
    stream = stream_of(executor)
    stream.step(images[0], mask=np.where(masks[0] == 2, 0, masks[0]))
    stream.step(images[1])
    before = {id(session) for session, _ in runs}
    stream.step(images[2], mask=masks[2])  # another joins
    stream.step(images[3])
    assert {id(session) for session, _ in runs} == before
    other = stream_of(executor)
    other.step(images[0][:64], mask=masks[0][:64])
    assert len({id(session) for session, _ in runs}) > len(before)


def test_sessions_of_sizes_that_are_gone_are_closed(executor, runs, monkeypatch):
    monkeypatch.setattr(onnxruntime_cuda_executor, "_MOST_SESSIONS", 3)
    images, masks = scene(3)
    for rows in (96, 80, 96):
        stream, plain = stream_of(executor), Segmenter(BUNDLE, device="cpu").stream()
        for index, image in enumerate(images):
            mask = masks[0][:rows] if index == 0 else None
            found, known = (one.step(image[:rows], mask=mask) for one in (stream, plain))
            assert np.array_equal(found.labels, known.labels)
            assert len(executor._sessions) <= 3


@pytest.mark.parametrize("long_ago", [4000, 3])
def test_recordings_end_somewhere(executor, runs, monkeypatch, long_ago):
    monkeypatch.setattr(onnxruntime_cuda_executor, "_MOST_RECORDINGS", 2)
    monkeypatch.setattr(onnxruntime_cuda_executor, "_LONG_AGO", long_ago)
    images, masks = scene(12)
    streams, plain = [stream_of(executor) for _ in range(3)], Segmenter(BUNDLE, device="cpu").stream()
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        known = plain.step(image, mask=mask).labels
        for stream in streams:
            assert np.array_equal(stream.step(image, mask=mask).labels, known)
    assert {number for _, number in runs} == {None, 1, 2}
    streams = [stream_of(executor) for _ in range(2)]  # others, in place of those
    for index, image in enumerate(images):
        for stream in streams:
            stream.step(image, mask=masks[0] if index == 0 else None)
    sessions = {id(session) for session, _ in runs}
    assert (len(sessions) > len(executor._sessions)) == (long_ago == 3)  # some were opened again


def test_a_recording_that_fails_costs_speed_alone(executor, monkeypatch, caplog):
    run = executor.arrays.run

    def refuses(session, binding, recording=None):
        if recording is not None:
            raise RuntimeError("operation not permitted when stream is capturing")
        run(session, binding)

    monkeypatch.setattr(executor.arrays, "run", refuses)
    images, masks = scene(8)
    stream, plain = stream_of(executor), Segmenter(BUNDLE, device="cpu").stream()
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        found, known = (one.step(image, mask=mask) for one in (stream, plain))
        assert np.array_equal(found.labels, known.labels)
    warnings = [record.message for record in caplog.records if "without CUDA graphs" in record.message]
    assert len(warnings) == 4  # once for each graph
    assert "not permitted" in warnings[0]


def test_without_compiled_operators_bodies_run(device, monkeypatch):
    executor = OnnxRuntimeCudaExecutor(Bundle.open(BUNDLE), device)
    monkeypatch.setattr(executor.arrays, "custom_ops", lambda: None)
    images, masks = scene(4)
    stream, plain = stream_of(executor), Segmenter(BUNDLE, device="cpu").stream()
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        found, known = (one.step(image, mask=mask, probabilities=True) for one in (stream, plain))
        np.testing.assert_allclose(found.probabilities, known.probabilities, atol=2e-4)


def test_a_precision_that_is_not_there_is_refused_at_once(device):
    with pytest.raises(BundleError, match="precision: got 'int8'"):
        OnnxRuntimeCudaExecutor(Bundle.open("cfbi-lite-synthetic"), device, precision="int8")
    with pytest.raises(InputError, match="bf16"):
        OnnxRuntimeCudaExecutor(Bundle.open(BUNDLE), device, precision="float32+bf16")


def test_profiles_are_written_for_every_session(device, tmp_path):
    executor = OnnxRuntimeCudaExecutor(Bundle.open(BUNDLE), device, profile=tmp_path)
    images, masks = scene(2)
    stream = stream_of(executor)
    for index, image in enumerate(images):
        stream.step(image, mask=masks[0] if index == 0 else None)
    files = executor.write_profiles()
    assert len(files) == len(executor._sessions) == 5
    assert all(file.parent == tmp_path for file in files)


def test_sessions_that_are_not_in_use_make_room(executor, monkeypatch, caplog):
    images, masks = scene(3)
    small = stream_of(executor)
    for index, image in enumerate(images[:2]):
        small.step(image[:64], mask=masks[0][:64] if index == 0 else None)
    run, of_before = executor.arrays.run, list(executor._sessions)

    def refuses(session, binding, recording=None):
        if of_before[0] in executor._sessions:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")
        run(session, binding, recording)

    monkeypatch.setattr(executor.arrays, "run", refuses)
    stream, plain = stream_of(executor), Segmenter(BUNDLE, device="cpu").stream()
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        found, known = (one.step(image, mask=mask) for one in (stream, plain))
        assert np.array_equal(found.labels, known.labels)
    assert "no room on the GPU: 3 graphs" in caplog.text

    def never_runs(session, binding, recording=None):
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr(executor.arrays, "run", never_runs)
    with pytest.raises(GpuMemoryError, match="no memory left on the GPU"):
        stream_of(executor).step(images[0], mask=masks[0])
    assert not executor._sessions


def test_handles_that_there_is_no_room_for_are_asked_for_again(executor, monkeypatch):
    """Every session has one of cuBLAS, made when it is opened."""
    images, masks = scene(1)
    stream_of(executor).step(images[0][:64], mask=masks[0][:64])
    of_before, open_one = list(executor._sessions), _Session._new_session

    def refuses(session, model, options, *, record):
        if of_before[0] in executor._sessions:
            raise RuntimeError(
                "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&handle);"
            )
        return open_one(session, model, options, record=record)

    monkeypatch.setattr(_Session, "_new_session", refuses)
    found, known = (
        one.step(images[0], mask=masks[0])
        for one in (stream_of(executor), Segmenter(BUNDLE, device="cpu").stream())
    )
    assert np.array_equal(found.labels, known.labels)


def test_a_gpu_that_onnx_runtime_cannot_use_is_not_left_for_the_cpu(executor, monkeypatch, capfd):
    images, masks = scene(1)
    monkeypatch.setattr(
        executor.arrays, "providers", lambda *, record: [("CPUExecutionProvider", {}, "wrong")]
    )
    with pytest.raises(BundleError, match="does not load"):
        stream_of(executor).step(images[0], mask=masks[0])
    assert "Falling back" not in capfd.readouterr().out


def test_a_session_that_cannot_be_opened_again_is_not_kept(executor, monkeypatch):
    images, masks = scene(8)
    stream, plain = stream_of(executor), Segmenter(BUNDLE, device="cpu").stream()
    run, open_one, refused = executor.arrays.run, _Session._new_session, []

    def refuses_recordings(session, binding, recording=None):
        if recording is not None:
            raise RuntimeError("operation failed due to a previous error during capture")
        run(session, binding)

    def refuses_once(session, model, options, *, record):
        if not record and not refused:
            refused.append(session)
            raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")
        return open_one(session, model, options, record=record)

    monkeypatch.setattr(executor.arrays, "run", refuses_recordings)
    monkeypatch.setattr(_Session, "_new_session", refuses_once)
    for index, image in enumerate(images):
        mask = masks[0] if index == 0 else None
        found, known = (one.step(image, mask=mask) for one in (stream, plain))
        assert np.array_equal(found.labels, known.labels)
    assert refused
    assert refused[0] not in executor._sessions.values()
