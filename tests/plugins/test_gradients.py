"""Gradients of the matching operators: those of the least distance, which goes through the nearest pixel."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vosrt.plugins import global_matching, local_matching  # noqa: E402

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
