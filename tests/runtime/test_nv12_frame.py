"""Frames in NV12, against OpenCV and the published matrices."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.test_arithmetic import KernelDevice
from vosrt import InputError, Nv12Frame, Segmenter
from vosrt.arithmetic import Arithmetic
from vosrt.buffer_pool import BufferPool
from vosrt.cpu_device import CpuDevice
from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice


@pytest.fixture(scope="module", params=[CpuDevice, KernelDevice])
def arithmetic(request) -> Arithmetic:
    device = request.param()
    return Arithmetic(device, BufferPool(device))


def planes(height: int = 24, width: int = 34) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)


def test_colours_are_those_of_opencv(arithmetic):
    frame = np.maximum(planes(), 16)  # OpenCV knows nothing blacker than black
    found = Nv12Frame(frame).to_bgr(arithmetic).astype(int)
    expected = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_NV12).astype(int)
    assert found.shape == (24, 34, 3)
    assert np.abs(found - expected).max() <= 1  # OpenCV rounds its weights to whole numbers


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_known_colours_come_back(arithmetic, matrix, full_range):
    red, blue = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[matrix]
    colours = np.random.default_rng(1).uniform(0, 1, (6, 8, 3))  # blue, green, red, each for four pixels
    luma = colours @ [blue, 1 - red - blue, red]
    u, v = (colours[..., 0] - luma) / (2 - 2 * blue), (colours[..., 2] - luma) / (2 - 2 * red)
    scale, low, wide = (255, 0, 255) if full_range else (219, 16, 224)
    bright = np.kron(luma * scale + low, np.ones((2, 2)))
    colour = np.stack([u, v], -1).reshape(6, 16) * wide + 128
    frame = np.concatenate([bright, colour]).round().astype(np.uint8)
    found = Nv12Frame(frame, matrix, full_range).to_bgr(arithmetic)
    expected = np.kron(colours * 255, np.ones((2, 2, 1)))
    assert np.abs(found - expected).max() <= 2.5


def test_stream_takes_them_like_images():
    segmenter = Segmenter("cfbi-lite-davis")
    mask = np.zeros((64, 96), np.uint8)
    mask[16:40, 20:60] = 1
    frames = [planes(64, 96), planes(64, 96)[::-1].copy()]
    one, other = segmenter.stream(), segmenter.stream()
    assert not one.step(Nv12Frame(frames[0])).labels.any()
    other.step(cv2.cvtColor(frames[0], cv2.COLOR_YUV2BGR_NV12))
    arithmetic = Arithmetic(CpuDevice(), BufferPool(CpuDevice()))
    for index, frame in enumerate(frames):
        given = mask if index == 0 else None
        image = Nv12Frame(frame).to_bgr(arithmetic)
        assert np.array_equal(one.step(Nv12Frame(frame), given).labels, other.step(image, given).labels)


def test_frames_on_a_gpu_stay_there():
    device = CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)
    arithmetic = Arithmetic(device, BufferPool(device))
    there = device.upload(planes())
    before = len(device.driver.copies)
    found = Nv12Frame(there).to_bgr(arithmetic)
    assert planes().nbytes not in [size for _, size in device.driver.copies[before:]]
    expected = Nv12Frame(planes()).to_bgr(Arithmetic(CpuDevice(), BufferPool(CpuDevice())))
    assert np.array_equal(device.download(found), expected)


@pytest.mark.parametrize("colour", [(12, 17, 2), (12, 34)])
def test_both_planes_apart(arithmetic, colour):
    whole = planes()
    found = Nv12Frame((whole[:24], whole[24:].reshape(colour))).to_bgr(arithmetic)
    assert np.array_equal(found, Nv12Frame(whole).to_bgr(arithmetic))


def test_planes_apart_on_a_gpu_with_gaps():
    device = CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)
    arithmetic = Arithmetic(device, BufferPool(device))
    wide = [np.zeros((lines, 64), np.uint8) for lines in (24, 12)]
    whole = planes()
    for plane, part in zip(wide, (whole[:24], whole[24:]), strict=True):
        plane[:, :34] = part
    there = [device.upload(plane) for plane in wide]
    pair = [
        CudaArray(one.owner, one.pointer, (one.shape[0], 34), np.uint8, one.stream, pitch=64) for one in there
    ]
    found = Nv12Frame(pair).to_bgr(arithmetic)
    expected = Nv12Frame(whole).to_bgr(Arithmetic(CpuDevice(), BufferPool(CpuDevice())))
    assert np.array_equal(device.download(found), expected)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Nv12Frame((np.zeros((24, 34), np.uint8),) * 3), "shape of an NV12 frame"),
        (Nv12Frame((np.zeros((24, 34), np.uint8), np.zeros((11, 34), np.uint8))), "shape of an NV12 frame"),
        (Nv12Frame((np.zeros((24, 34), np.uint8), None)), "planes of an NV12 frame"),
        (Nv12Frame(np.zeros((24, 34), np.float32)), "planes of an NV12 frame"),
        (Nv12Frame("frame.png"), "planes of an NV12 frame"),
        (Nv12Frame(np.zeros((25, 34), np.uint8)), "shape of an NV12 frame"),
        (Nv12Frame(np.zeros((24, 33), np.uint8)), "shape of an NV12 frame"),
        (Nv12Frame(np.zeros((24, 34, 3), np.uint8)), "shape of an NV12 frame"),
        (Nv12Frame(planes(), matrix="bt2020"), "matrix of an NV12 frame"),
    ],
)
def test_what_is_no_nv12_is_refused(frame, text):
    with pytest.raises(InputError, match=text):
        Segmenter("cfbi-lite-davis").stream().step(frame)
