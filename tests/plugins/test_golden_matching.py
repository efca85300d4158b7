"""Matching maps of the published network, from recorded inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vosrt.plugins import global_matching, local_matching

torch = pytest.importorskip("torch")

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TOLERANCE = 2e-5  # of a squashed distance: two float32 implementations differ by up to 4e-6


def recorded(part: str) -> Iterator[Any]:
    """Cases whose maps are the operator's output and a squash, nothing else."""
    for path in sorted(GOLDEN.glob("cfbi_matching_*.npz")):
        with np.load(path) as file:
            for key in sorted(key for key in file.files if key.endswith(f"/{part}")):
                info = json.loads(str(file[key.replace(part, "info")]))
                thinned_by_row = info.get("min_matching_pixels", 0) > 0
                resampled = info.get("local_downsample", False)
                if (part == "global_fg" and not thinned_by_row) or (part == "local_fg" and not resampled):
                    yield pytest.param(path, key.split("/")[0], id=f"{path.stem}-{key.split('/')[0]}")


def squash(distances: torch.Tensor, info: dict[str, Any]) -> np.ndarray:
    """2 (sigmoid(d + b) - 0.5) with the background's bias for row 0."""
    bias = torch.full((len(distances),), info["bias_fg"])
    bias[0] = info["bias_bg"]
    return torch.tanh((distances + bias.reshape(-1, *[1] * (distances.ndim - 1))) / 2).numpy()


def load(path: Path, case: str) -> tuple[dict[str, np.ndarray], dict[str, Any], torch.Tensor]:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files if "/" not in key or key.startswith(f"{case}/")}
    info = json.loads(str(arrays[f"{case}/info"]))
    return arrays, info, torch.arange(info["objects"] + 1, dtype=torch.int32)


def channels_first(embedding: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(embedding).permute(2, 0, 1)


@pytest.mark.parametrize(("path", "case"), list(recorded("global_fg")))
def test_global_matching_reproduces_the_published_maps(path: Path, case: str) -> None:
    arrays, info, rows = load(path, case)
    step = info["global_atrous_rate"]
    bank, labels = [], []
    for index in range(info["references"]):
        bank.append(arrays[f"reference_{index}"][::step, ::step].reshape(-1, arrays["query"].shape[2]))
        labels.append(arrays[f"{case}/ref_label_{index}"][::step, ::step].reshape(-1).astype(np.int32))
    distances = global_matching(
        channels_first(arrays["query"]),
        torch.from_numpy(np.concatenate(bank)),
        torch.from_numpy(np.concatenate(labels)),
        rows,
    )
    np.testing.assert_allclose(squash(distances, info), arrays[f"{case}/global_fg"], atol=TOLERANCE)


@pytest.mark.parametrize(("path", "case"), list(recorded("local_fg")))
def test_local_matching_reproduces_the_published_maps(path: Path, case: str) -> None:
    arrays, info, rows = load(path, case)
    ascending = sorted(info["windows"])
    distances = local_matching(
        channels_first(arrays["query"]),
        channels_first(arrays["previous"]),
        torch.from_numpy(arrays[f"{case}/prev_label"].astype(np.int32)),
        rows,
        windows=[ascending[-1], *ascending[:-1]],
        dilation=info["local_atrous_rate"],
    )
    np.testing.assert_allclose(squash(distances, info), arrays[f"{case}/local_fg"], atol=TOLERANCE)
