"""The array operations of streams, against numpy, on every type they move."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from vosrt.arithmetic import Arithmetic
from vosrt.buffer_pool import BufferPool
from vosrt.cpu_device import CpuDevice

DTYPES = ["float32", "float16", "int32", "int64", "uint8", "bool"]


class KernelDevice(CpuDevice):
    """The CUDA kernels in place of the graphs, compiled for the CPU."""

    def run(self, graph, inputs, output):
        emulated_kernels().arithmetic(graph, inputs, output)
        return output


@pytest.fixture(scope="module", params=[CpuDevice, KernelDevice])
def arithmetic(request) -> Arithmetic:
    device = request.param()
    return Arithmetic(device, BufferPool(device))


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_gather_and_flip(arithmetic, dtype, axis):
    array = values((2, 3, 5, 7), dtype)
    index = [1, 0, 1]
    assert np.array_equal(arithmetic.gather(array, axis, index), np.take(array, index, axis))
    assert np.array_equal(arithmetic.flip(array, axis), np.flip(array, axis))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_select(arithmetic, dtype, axis):
    fresh, kept = values((2, 3, 5), dtype, 1), values((2, 3, 5), dtype, 2)
    flags = np.arange(fresh.shape[axis]) % 2
    wide = np.expand_dims(flags, [i for i in range(3) if i != axis])
    assert np.array_equal(arithmetic.select(flags, fresh, kept, axis=axis), np.where(wide, fresh, kept))


def test_select_by_the_pixels_of_two_axes(arithmetic):
    fresh, kept = values((2, 3, 5, 4), "float32", 1), values((2, 3, 5, 4), "float32", 2)
    flags = values((3, 5), "int32", 3) % 2
    expected = np.where(flags[None, :, :, None], fresh, kept)
    assert np.array_equal(arithmetic.select(flags, fresh, kept, axis=1, span=2), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_write_changes_one_entry_in_place(arithmetic, dtype, axis):
    array, expected = values((2, 3, 5), dtype), values((2, 3, 5), dtype)
    items = values(tuple(np.delete(array.shape, axis)), dtype, 9)
    np.moveaxis(expected, axis, 0)[1] = items
    address = array.ctypes.data
    arithmetic.write(array, axis, 1, items)
    assert np.array_equal(array, expected)
    assert array.ctypes.data == address


def test_labels(arithmetic):
    labels, other = values((4, 6), "int32") % 5, values((4, 6), "int32", 1)
    member = arithmetic.member(labels, [1, 4])
    assert np.array_equal(member, np.isin(labels, [1, 4]))
    assert not arithmetic.member(labels, []).any()
    assert np.array_equal(arithmetic.relabel(member, 0, labels), np.where(member, 0, labels))
    assert np.array_equal(arithmetic.relabel(member, other, labels), np.where(member, other, labels))
    assert np.array_equal(arithmetic.either(member, labels % 2), member | labels % 2)
    mask = np.array([[0, 1, 255], [254, 0, 255]], np.int32)
    assert arithmetic.said(mask, first=True).tolist() == [[1, 1, 0], [1, 1, 0]]
    assert arithmetic.said(mask, first=False).tolist() == [[0, 1, 0], [1, 0, 0]]
    shown = arithmetic.shown(mask)
    assert (shown.dtype, shown.tolist()) == (np.uint8, [[0, 1, 0], [254, 0, 0]])


def test_the_likeliest_allowed_row_wins_and_the_first_of_equals(arithmetic):
    probabilities = np.array([[[0.2, 0.4]], [[0.4, 0.4]], [[0.4, 0.2]]], np.float32)
    rows = np.array([0, 7, 3], np.int32)
    assert arithmetic.decide(probabilities, rows, np.array([1, 1, 1], np.int32)).tolist() == [[7, 0]]
    assert arithmetic.decide(probabilities, rows, np.array([1, 0, 1], np.int32)).tolist() == [[3, 0]]


def test_probability_is_summed_over_own_pixels(arithmetic):
    probabilities = np.random.default_rng(0).random((3, 4, 6), np.float32)
    labels = values((4, 6), "int32") % 3
    for rows in ([0, 2, 9], [1, -1, 0]):
        lines = arithmetic.tally(probabilities, labels, np.array(rows, np.int32))
        own = [labels == value for value in rows]
        expected = [(maps * one).sum(1) for maps, one in zip(probabilities, own, strict=True)]
        np.testing.assert_allclose(lines[0], expected, rtol=1e-5)
        assert np.array_equal(lines[1], [one.sum(1) for one in own])


def test_asserted_labels_are_one_hot_at_any_size(arithmetic):
    probabilities = np.random.default_rng(0).random((3, 2, 3), np.float32)
    labels = np.repeat(np.repeat([[0, 7, 3], [3, 7, 0]], 2, 0), 2, 1).astype(np.int32)  # [4, 6]
    flags = np.zeros((4, 6), np.int32)
    flags[:2, 2:] = 1
    result = arithmetic.assert_labels(probabilities, labels, flags, np.array([0, 7, 3], np.int32))
    expected = probabilities.copy()
    expected[:, 0, 1], expected[:, 0, 2] = [0, 1, 0], [0, 0, 1]
    assert np.array_equal(result, expected)


def test_resize_is_bilinear_with_half_pixel_centres(arithmetic):
    import cv2

    maps = np.random.default_rng(0).random((2, 5, 7), np.float32)
    for height, width in ((9, 4), (5, 7), (11, 20)):
        expected = np.stack(
            [cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in maps]
        )
        np.testing.assert_allclose(arithmetic.resize(maps, height, width), expected, atol=1e-5)


def test_empty_axes_are_no_trouble(arithmetic):
    empty = np.zeros((0, 4), np.float32)
    assert arithmetic.gather(empty, 1, [0, 1]).shape == (0, 2)
    assert arithmetic.select(np.zeros(4, np.int32), empty, empty, axis=1).shape == (0, 4)
    arithmetic.write(empty, 1, 2, np.zeros(0, np.float32))


def test_buffers_that_nothing_holds_are_used_again():
    pool = BufferPool(CpuDevice())
    one, two = pool.take((2, 3), "float32"), pool.take((2, 3), "float32")
    assert one is not two
    pool.sweep([two])
    assert pool.take((2, 3), "float32") is one
    assert pool.take((2, 3), "int32") is not one
    assert pool.bytes == 3 * 24
    pool.sweep([two])
    pool.take((5,), "uint8")
    pool.sweep([two])  # kinds that the last frame did not use are given back, what is held stays
    assert pool.bytes == 24 + 24 + 5  # a kind of which something is held keeps its free ones
    pool.sweep([])
    pool.take((5,), "uint8")
    pool.sweep([])  # the others may be wanted again: a frame that took no new memory gives none back
    assert pool.bytes == 24 + 24 + 5
    pool.take((7,), "uint8")
    pool.sweep([], is_frame=False)
    assert pool.bytes == 24 + 24 + 5 + 7
    pool.take((7,), "uint8")
    pool.take((9,), "uint8")
    pool.sweep([])
    assert pool.bytes == 7 + 9


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("objects", [2, 30])
def test_a_survey_is_the_same_with_the_compiled_pass_and_without(monkeypatch, objects, compiled):
    device = CpuDevice()
    arithmetic = Arithmetic(device, BufferPool(device))
    labels = values((37, 53), "int32") % objects
    labels[3, 4:9] = 255
    probabilities = np.random.default_rng(0).random((objects, 37, 53), np.float32)
    if not compiled:
        monkeypatch.setattr("vosrt.arithmetic.native_survey", lambda *arrays: None)
    ids = tuple(range(objects))
    shown = np.where(labels == 255, 0, labels)
    for given in (labels, labels.copy(order="F")):  # no whole block of memory: not for the compiled pass
        survey = arithmetic.survey(given, probabilities, ids)
        assert (survey.shown.dtype, survey.shown.tolist()) == (np.uint8, shown.tolist())
        assert survey.areas(ids) == {value: int((shown == value).sum()) for value in ids}
        expected = [probabilities[value][labels == value].sum() for value in ids]
        np.testing.assert_allclose(survey.sums, expected, rtol=1e-5)
        if 255 not in ids:
            assert survey.areas((*ids, 200))[200] == 0  # an id that no row has
    only_labels = arithmetic.survey(labels, None, ())
    assert only_labels.sums is None
    assert np.array_equal(only_labels.shown, shown)
