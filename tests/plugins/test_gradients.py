"""Gradients: of matching those of the least distance, through the nearest pixel; of reading those of all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vosrt.plugins import global_matching, local_matching, memory_read  # noqa: E402

ROWS = torch.tensor([0, 1, 2, -1, 9], dtype=torch.int32)  # -1 is unused, 9 has no pixel


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def labels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 3, shape, dtype=torch.int32, generator=torch.Generator().manual_seed(7))


def test_gradient_of_global_matching():
    query, bank, of_bank = normal(3, 5, 6), normal(40, 3), labels(40)

    def distances(query, bank):
        return global_matching(query, bank, of_bank, ROWS)

    assert torch.autograd.gradcheck(distances, (query, bank))
    with torch.no_grad():
        without = distances(query, bank)
    torch.testing.assert_close(distances(query, bank).detach(), without)


@pytest.mark.parametrize(("windows", "dilation"), [([4, 2, 1], 1), ([4, 2], 2), ([0], 1)])
def test_gradient_of_local_matching(windows, dilation):
    query, previous, of_previous = normal(3, 6, 7), normal(3, 7, 6).permute(0, 2, 1), labels(6, 7)
    previous = previous.detach().contiguous().requires_grad_()

    def distances(query, previous):
        return local_matching(query, previous, of_previous, ROWS, windows=windows, dilation=dilation)

    assert torch.autograd.gradcheck(distances, (query, previous))
    with torch.no_grad():
        without = distances(query, previous)
    torch.testing.assert_close(distances(query, previous).detach(), without)


VALID = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=torch.int32)


def memory(slots: int = 3) -> tuple[torch.Tensor, ...]:
    """Query, keys and values of 4 pixels."""
    return normal(3, 4), normal(3, slots, 3, 4), normal(3, slots, 5, 4)


def test_gradient_of_memory_read():
    assert torch.autograd.gradcheck(lambda *features: memory_read(*features, VALID), memory())


def test_gradient_of_memory_read_over_query_tiles(monkeypatch):
    from vosrt.plugins import memory_read_torch

    monkeypatch.setattr(memory_read_torch, "_QUERY_TILE", 3)
    assert torch.autograd.gradcheck(lambda *features: memory_read(*features, VALID), memory())


def test_slots_that_are_not_read_get_no_gradient_whatever_they_hold():
    query, keys, values = memory()
    with torch.no_grad():
        keys[VALID == 0], values[VALID == 0] = float("nan"), float("inf")
    memory_read(query, keys, values, VALID).square().sum().backward()
    assert query.grad.isfinite().all()
    for gradient in (keys.grad, values.grad):
        assert not gradient[VALID == 0].any()
        assert gradient[VALID != 0].all()


def test_reading_computes_in_float32_under_autocast():
    query, keys, values = (features.detach().float().requires_grad_() for features in memory())
    expected = torch.autograd.grad(memory_read(query, keys, values, VALID).sin().sum(), (query, keys, values))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = memory_read(query, keys, values, VALID).sin().sum()
        found = torch.autograd.grad(loss, (query, keys, values))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_half_features_get_half_gradients():
    features = [one.detach().half().requires_grad_() for one in memory()]
    read = memory_read(*features, VALID)
    assert read.dtype == torch.float32
    read.sin().sum().backward()
    exact = [one.detach().double().requires_grad_() for one in features]
    memory_read(*exact, VALID).sin().sum().backward()
    for one, other in zip(features, exact, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-3, atol=1e-4)
