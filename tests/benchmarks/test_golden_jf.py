"""The golden runner computes J and F again, without torch, and notices what deviates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.brute_force_jf import (
    brute_force_boundary,
    brute_force_decay,
    brute_force_f,
    brute_force_j,
)
from vosrt.benchmarks.golden import main

ALL = Path(__file__).parents[3] / "shared" / "golden" / "jf_metric.json"
needs_all = pytest.mark.skipif(not ALL.is_file(), reason="the golden values of DAVIS' program are not here")


def statistics(values):
    decay = brute_force_decay(np.array(values, float))
    plain = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(plain)),
        "recall": sum(v > 0.5 for v in plain) / len(values),
        "decay": decay,
    }


def summary(objects):
    stored = {
        f"{measure}-{name}": float(np.mean([one[measure][name.lower()] for one in objects]))
        for measure in ("J", "F")
        for name in ("Mean", "Recall", "Decay")
    }
    return {"J&F-Mean": (stored["J-Mean"] + stored["F-Mean"]) / 2, **stored}


@pytest.fixture
def excerpt(tmp_path):
    """A small file of the same layout, with the values of a second implementation."""
    truth, found = np.zeros((2, 8, 24, 20), np.uint8)
    for index in range(8):
        truth[index, 3:12, 2 + index : 10 + index] = 1
        truth[index, 10:20, 8:16] = 2
        found[index, 3:12, 2 + index // 2 : 10 + index // 2] = 1
        found[index, 12:20, 8:15] = 2
    void = np.zeros((24, 20), bool)
    void[:, 12:] = True
    pair = truth[5] == 1, found[5] == 1, void
    case = {"key": "c000", "name": "squares", "bound_th": 0.05, "has_void": True, "has_gt_boundary": True}
    edges = [brute_force_boundary(mask & ~void) for mask in pair[:2]]
    counts = {"bound_pix": 2, "n_boundary_gt": len(edges[0]), "n_boundary_res": len(edges[1])}
    near = [
        [any((y - b) ** 2 + (x - a) ** 2 <= 4 for b, a in other) for y, x in one]
        for one, other in (edges, edges[::-1])
    ]
    counts |= {"matched_gt": sum(near[0]), "matched_res": sum(near[1])}
    case["objects"] = {"1": {"J": brute_force_j(*pair), "F": brute_force_f(*pair, bound=0.05), **counts}}
    boundary = np.zeros((24, 20), np.uint8)
    boundary[tuple(np.transpose(brute_force_boundary(pair[0])))] = 1
    objects = {}
    for object_id in (1, 2):
        masks = [(truth[index] == object_id, found[index] == object_id) for index in range(1, 7)]
        values = {"J": [brute_force_j(*one) for one in masks], "F": [brute_force_f(*one) for one in masks]}
        objects[str(object_id)] = {m: {"per_frame": v, **statistics(v)} for m, v in values.items()}
    numbers = summary(list(objects.values()))
    document = {
        "cases": [case],
        "sequences": [{"key": "s00", "name": "squares", "objects": objects, "sequence": numbers}],
        "global": {"sequences": ["squares"], **numbers},
        "global_with_void_label": {"sequences": ["squares"], **numbers},
        "statistics": [{"values": [0.9, 0.4, 0.2], **statistics([0.9, 0.4, 0.2])}],
    }
    masks = {"gt": pair[0], "res": pair[1], "void": void, "gt_boundary": boundary}
    arrays = {f"c000_{name}": mask.astype(np.uint8) for name, mask in masks.items()}
    np.savez(tmp_path / "jf.npz", s00_gt=truth, s00_res=found, **arrays)
    return document, tmp_path / "jf.json"


def run(capsys, document, path):
    path.write_text(json.dumps(document))
    status = main([str(path)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_an_excerpt_agrees_with_a_second_implementation(capsys, excerpt):
    status, out, _ = run(capsys, *excerpt)
    assert status == 0, out
    assert "jf: 1 pairs of masks, 1 sequences, 1 series" in out
    assert "all within limits" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (lambda d: d["cases"][0]["objects"]["1"].update(J=0.5), "J"),
        (lambda d: d["cases"][0]["objects"]["1"].update(matched_gt=3), "boundary counts"),
        (lambda d: d["sequences"][0]["objects"]["2"]["F"]["per_frame"].__setitem__(3, 0.9), "F"),
        (lambda d: d["sequences"][0]["objects"]["2"]["F"]["per_frame"].pop(), "F"),
        (lambda d: d["sequences"][0]["sequence"].update({"F-Recall": 0.123}), "recall"),
        (lambda d: d["global"].update({"J&F-Mean": d["global"]["J&F-Mean"] + 2e-9}), "J&F"),
        (lambda d: d["statistics"][0].update(decay=None), "official decay"),
        (lambda d: d["statistics"][0].update(decay_with_wide_index=0.1), "decay"),
    ],
)
def test_a_changed_value_is_noticed(capsys, excerpt, change, stage):
    document, path = excerpt
    change(document)
    status, out, _ = run(capsys, document, path)
    assert status == 1
    assert any(line.startswith(f"over its limit: metric {stage}:") for line in out.splitlines())
    assert "over a limit" in out.splitlines()[-1]


def test_files_of_another_kind_are_refused(capsys, excerpt):
    document, path = excerpt
    assert "is no complete golden file" in run(capsys, {**document, "cases": [{"key": "c1"}]}, path)[2]
    assert "holds no golden numbers of J and F" in run(capsys, {"cases": []}, path)[2]
    assert "is no golden file" in run(capsys, document, path.with_name("alone.json"))[2]
    path.write_text("{")
    assert main([str(path)]) == 2


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from vosrt.benchmarks.golden import main
sys.exit(main(sys.argv[1:]))
"""


@needs_all
def test_every_value_of_the_official_program_is_met_without_torch():
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(ALL)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "55 pairs of masks, 4 sequences, 18 series" in result.stdout
