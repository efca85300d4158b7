"""Networks and exported graphs give the golden numbers; the runner notices when they do not."""

from pathlib import Path

import numpy as np
import pytest

from vosrt.benchmarks.golden import main
from vosrt.benchmarks.golden_file import read_golden
from vosrt.benchmarks.golden_record import LIMITS, GoldenRecord

GOLDEN = Path(__file__).parents[1] / "golden"
ALL = Path(__file__).parents[3] / "shared" / "golden"


def run(capsys, *files):
    """Exit status and printed lines."""
    status = main([str(file) for file in files])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


@pytest.mark.parametrize(
    "network",
    [
        "cfbi_matching_24x31",
        pytest.param("cfbi_matching_57x45_c32", marks=pytest.mark.full),
        pytest.param("cfbi_mobilenetv2", marks=pytest.mark.full),
        pytest.param("cfbip_r101", marks=pytest.mark.full),
        pytest.param("cfbi_r101", marks=pytest.mark.full),
    ],
)
def test_golden_numbers(capsys, network):
    status, lines, _ = run(capsys, *sorted(GOLDEN.glob(f"{network}*.npz")))
    assert status == 0, "\n".join(lines)
    assert lines[-1].endswith("s)")
    assert "all within limits" in lines[-1]


@pytest.mark.full
@pytest.mark.skipif(not ALL.is_dir(), reason="the whole set of golden files is not here")
def test_all_golden_numbers(capsys):
    names = ("cfbi_*.npz", "cfbip_*.npz", "stm_memread.npz", "ddeal_ops.npz", "lse_fusion.npz")
    status, lines, _ = run(capsys, *(file for name in names for file in sorted(ALL.glob(name))))
    assert status == 0, "\n".join(lines)


def test_a_changed_number_is_noticed(capsys, tmp_path):
    with np.load(GOLDEN / "cfbi_matching_57x45_c32.npz") as file:
        arrays = dict(file)
    arrays["obj2/local_fg"] = arrays["obj2/local_fg"] + 3e-4
    np.savez(tmp_path / "changed.npz", **arrays)
    status, lines, _ = run(capsys, tmp_path / "changed.npz")
    assert status == 1
    assert any(line.startswith("over its limit: torch local_fg: 3.0") for line in lines)
    assert "over a limit" in lines[-1]


def test_files_of_another_kind_are_refused(capsys, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name, message in (
        ("other.npz", "layout or model None is not known"),
        ("text.npz", "is no golden file"),
    ):
        status, _, error = run(capsys, tmp_path / name)
        assert status == 2
        assert message in error


def test_damaged_and_incomplete_files_are_refused(capsys, tmp_path):
    whole = (GOLDEN / "cfbi_matching_57x45_c32.npz").read_bytes()
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(
        tmp_path / "case.npz", query=np.zeros((3, 3, 2)), previous=np.zeros((3, 3, 2)), **{"a/info": "{}"}
    )
    np.savez(tmp_path / "info.npz", **{"a/info": "no json"})
    for name in ("empty.npz", "cut.npz", "case.npz", "info.npz", "absent.npz"):
        status, _, error = run(capsys, tmp_path / name)
        assert status == 2, name
        assert error.startswith("error: ")


def test_every_stored_stage_must_be_compared(tmp_path):
    with np.load(GOLDEN / "cfbi_r101_absent.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "more.npz", step1_new_stage=np.zeros(3), **arrays)
    assert "step1_new_stage" in read_golden(tmp_path / "more.npz").stage_keys()
    assert "step1_prev_mask" not in read_golden(tmp_path / "more.npz").stage_keys()
    assert "nothing was compared" in GoldenRecord().failures()


def memory_read_arrays():
    """One case of two objects and three remembered frames, computed in float64."""
    rng = np.random.default_rng(0)
    shapes = {
        "query_key": (2, 8, 3, 4),
        "query_value": (2, 5, 3, 4),
        "mem_key": (2, 8, 3, 3, 4),
        "mem_value": (2, 5, 3, 3, 4),
    }
    case = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    flat = {name: array.reshape(*array.shape[:2], -1).astype(np.float64) for name, array in case.items()}
    logits = flat["mem_key"].transpose(0, 2, 1) @ flat["query_key"] / np.sqrt(8)  # [n, T*N, N]
    case["attention"] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    read = (flat["mem_value"] @ case["attention"]).reshape(2, 5, 3, 4)
    case["out"] = np.concatenate([read, case["query_value"]], axis=1)
    return {"meta": '{"op": "space-time memory read"}', **{f"case0_{k}": v for k, v in case.items()}}


def test_memory_reads_are_compared(capsys, tmp_path):
    arrays = memory_read_arrays()
    np.savez(tmp_path / "read.npz", **arrays)
    status, lines, _ = run(capsys, tmp_path / "read.npz")
    assert status == 0, "\n".join(lines)
    for key, stage in (("out", "memory_read"), ("attention", "memory_weights")):
        changed = {**arrays, f"case0_{key}": arrays[f"case0_{key}"] + 1e-4}
        np.savez(tmp_path / "changed.npz", **changed)
        status, lines, _ = run(capsys, tmp_path / "changed.npz")
        assert status == 1
        for implementation in ("torch", "onnxruntime"):
            assert any(line.startswith(f"over its limit: {implementation} {stage}: 1.0") for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("case0_out", None, "no complete golden file"),
        ("case0_more", np.zeros(2), "case0_more"),
        ("case0_mem_key", np.zeros((2, 8, 3, 4, 3)), "shape of mem_key"),
        ("case0_mem_key", np.zeros(2), "shape of mem_key"),
    ],
)
def test_memory_reads_that_lack_something_are_refused(capsys, tmp_path, key, value, message):
    arrays = {**memory_read_arrays(), key: value}
    np.savez(tmp_path / "read.npz", **{name: array for name, array in arrays.items() if array is not None})
    status, _, error = run(capsys, tmp_path / "read.npz")
    assert status == 2
    assert message in error


@pytest.mark.skipif(not (ALL / "stm_memread.npz").is_file(), reason="the golden file is not here")
def test_golden_memory_reads(capsys):
    status, lines, _ = run(capsys, ALL / "stm_memread.npz")
    assert status == 0, "\n".join(lines)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_over_every_limit(bad):
    record = GoldenRecord()
    record.add("torch", "logits", np.array([1.0, bad]), np.array([1.0, 2.0]), "here")
    record.add("torch", "prob", np.zeros((2, 3)), np.zeros((3, 2)), "there")
    assert len(record.failures()) == 2


def test_labels_may_differ_at_near_ties_only():
    record = GoldenRecord()
    probabilities = np.array([[[0.5005, 0.9]], [[0.4995, 0.1]]])
    record.add_labels("torch", np.array([[1, 0]]), np.array([[0, 0]]), probabilities, "tie")
    record.add("torch", "logits", np.zeros(2), np.zeros(2), "here")
    record.labels["torch"].pixels = 10_000
    assert record.failures() == []
    record.add_labels("torch", np.array([[0, 1]]), np.array([[0, 0]]), probabilities, "clear")
    assert "1 pixels differ without a tie" in record.failures()[0]


def test_both_implementations_have_a_limit_for_every_stage():
    assert set(LIMITS["torch"]) == set(LIMITS["onnxruntime"])
