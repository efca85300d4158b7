"""`vosrt bench` end to end, in real processes: what it reports, what it refuses, what it leaves behind."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import bench
from vosrt.benchmarks.bench_plan import BenchPlan
from vosrt.benchmarks.confidence import LEAST_ROUNDS, median_interval
from vosrt.benchmarks.torch_stream import open_torch_stream
from vosrt.label_map import write_label_map
from vosrt.shipped_bundles import DEFAULT

RUN_FIELDS = {
    "bundle": str,
    "executor": str,
    "device": str,
    "precision": str,
    "size": list,
    "input_size": list,
    "objects": int,
    "threads": int,
    "fps": float,
    "latency_ms": dict,
    "labels_ms": dict,
    "p50_interval_ms": list,
    "rounds_ms": list,
    "yardstick_ms": list,
    "cpu_ms_per_frame": float,
    "graphs_ms": float,
    "outside_graphs_ms": float,
    "joules_per_frame": float | None,
    "stages": dict,
    "peak_rss_mb": float,
    "peak_rss_above_opening_mb": float,
    "startup_s": dict,
    "frames": int,
    "warm_up": int,
    "baseline": str | None,
    "ratio_to_baseline": dict | None,
    "equal_labels": dict | None,
    "end_to_end": dict | None,
}
ENVIRONMENT = {
    "cpu",
    "cores",
    "logical_cores",
    "memory_gb",
    "os",
    "python",
    "vosrt",
    "threads",
    "load_average",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return str(write_colour_bundle(tmp_path_factory.mktemp("toy") / "colour"))


def run_bench(tmp_path, *arguments):
    """The document that a successful run writes."""
    file = tmp_path / "bench.json"
    small = ["--size", "64x97", "--frames", "3", "--warm-up", "1", "--rounds", "2", "--threads", "1"]
    assert bench.main([*small, "--json", str(file), *arguments]) == 0
    return json.loads(file.read_text())


def error_of(capsys, *arguments):
    assert bench.main([*arguments]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


def processes_of_group(group):
    """Whether any process of a process group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def check_run(run):
    assert run.keys() == RUN_FIELDS.keys()
    for name, kind in RUN_FIELDS.items():
        assert isinstance(run[name], kind), name
    latency = run["latency_ms"]
    assert latency.keys() == {"p50", "p90", "p95", "p99", "mean", "min", "max"}
    ascending = [latency[name] for name in ("min", "p50", "p90", "p95", "p99", "max")]
    assert ascending[0] > 0
    assert ascending == sorted(ascending)
    assert run["labels_ms"] == latency  # on a CPU they are there when all is done
    assert sum(map(len, run["rounds_ms"])) == run["frames"]
    assert len(run["yardstick_ms"]) == len(run["rounds_ms"])
    assert 0 < run["outside_graphs_ms"] < latency["max"]
    assert math.isclose(run["fps"], 1e3 / latency["mean"], rel_tol=1e-2)
    assert {"encode", "segment"} <= run["stages"].keys()
    assert run["startup_s"].keys() == {"import", "open", "first_mask"}
    assert min(run["startup_s"].values()) >= 0
    assert 0 <= run["peak_rss_above_opening_mb"] < run["peak_rss_mb"]


def test_a_run_reports_every_field_and_prints_a_table(tmp_path, capsys, toy):
    document = run_bench(tmp_path, toy, "--objects", "1,2")
    assert document.keys() == {"runs", "environment"}
    assert document["environment"].keys() >= ENVIRONMENT | {"onnxruntime", "numpy"}
    assert [run["objects"] for run in document["runs"]] == [1, 2]
    for run in document["runs"]:
        check_run(run)
        assert (run["bundle"], run["executor"]) == ("colour", "onnxruntime")
        assert (run["size"], run["frames"], run["warm_up"], run["threads"]) == ([64, 97], 3, 1, 1)
        assert run["baseline"] is run["ratio_to_baseline"] is run["equal_labels"] is None
    out = capsys.readouterr().out
    assert "3 timed frames after 1 warm-up frames, in 2 rounds" in out
    assert "p50 ms" in out
    assert out.count("baseline") == 2
    assert "load average" in out


def test_a_run_ends_when_the_medians_are_known_or_says_that_they_are_not(tmp_path, capsys, toy):
    rounds = ["--frames", "40", "--rounds", "20"]
    (run,) = run_bench(tmp_path, toy, *rounds, "--until", "100")["runs"]
    parts = run["rounds_ms"]

    def uncertainty(count):
        first = parts[:count]
        return median_interval(first).half_width(median(value for part in first for value in part))

    sure = [count for count in range(LEAST_ROUNDS, len(parts) + 1) if uncertainty(count) <= 1]
    assert sure[0] == len(parts)  # on a busy machine more rounds than the least
    assert run["frames"] == 2 * len(parts)
    low, high = run["p50_interval_ms"]
    assert low <= run["latency_ms"]["p50"] <= high
    assert f"Every median is known to 100.0% after {run['frames']} frames." in capsys.readouterr().out
    (run,) = run_bench(tmp_path, toy, *rounds, "--until", "0.0001")["runs"]
    assert run["frames"] == 40
    assert "only after all 40 frames, not to 0.0%" in capsys.readouterr().out
    assert f"at least {LEAST_ROUNDS}" in error_of(capsys, toy, "--until", "5", "--rounds", "5")


def test_the_whole_way_from_video_to_video_is_measured(tmp_path, capsys, toy):
    (run,) = run_bench(tmp_path, toy, "--end-to-end", "12")["runs"]
    found = run["end_to_end"]
    assert found.keys() == {"fps", "cpu_ms_per_frame", "age_ms", "camera_frames_taken"}
    assert found["fps"] > 0
    assert 0 < found["age_ms"]["p50"] <= found["age_ms"]["p95"]
    assert 0 < found["camera_frames_taken"] <= 1
    assert "end to end" in capsys.readouterr().out


def test_figures_are_written_for_people_too(tmp_path, toy):
    cv2 = pytest.importorskip("cv2")
    pytest.importorskip("matplotlib")
    report, plots = tmp_path / "report" / "speed.md", tmp_path / "plots"
    report.parent.mkdir()
    options = ["--objects", "1,2", "--long-edge", "97,64", "--end-to-end", "5"]
    document = run_bench(tmp_path, toy, *options, "--markdown", str(report), "--plots", str(plots))
    text = report.read_text()
    for run in document["runs"]:
        assert f"| {run['latency_ms']['p50']:g} |" in text
    for name in ("latency", "stages", "frames", "objects", "resolution"):
        assert f"(../plots/{name}.png)" in text
        picture = cv2.imread(str(plots / f"{name}.png"))
        assert (picture < 128).any(axis=2).mean() > 0.005  # something is drawn
    for heading in ("## Stages", "## End to end", "## Machine"):
        assert heading in text


def test_a_profile_sets_what_the_command_line_does_not(tmp_path, capsys, toy):
    document = run_bench(tmp_path, toy, "--profile", "cpu", "--frames", "12", "--rounds", "6")
    assert document["runs"][0]["frames"] == 12
    assert "one thread per physical core" in capsys.readouterr().out
    assert "allowed: float32" in error_of(capsys, toy, "--profile", "v100")


def test_runs_of_one_bundle_compare(tmp_path, capsys, toy):
    run_bench(tmp_path, toy)
    file = str(tmp_path / "bench.json")
    assert bench.main(["--compare", file, file]) == 0
    assert "| same |" in capsys.readouterr().out
    assert "--compare measures nothing" in error_of(capsys, toy, "--compare", file, file)


def test_limits_of_the_input_are_measured_side_by_side(tmp_path, capsys, toy):
    document = run_bench(tmp_path, toy, "--long-edge", "97,64")
    assert [run["input_size"] for run in document["runs"]] == [[64, 97], [42, 64]]
    assert all(run["baseline"] is None for run in document["runs"])
    assert "42x64" in capsys.readouterr().out


@pytest.mark.xdist_group("lite")  # one export
def test_every_executor_is_compared_with_the_network_as_published(tmp_path, capsys, lite_bundle):
    document = run_bench(tmp_path, str(lite_bundle), "--executors", "onnxruntime,torch,torch-published")
    runs = {run["executor"]: run for run in document["runs"]}
    assert list(runs) == ["torch-published", "torch", "onnxruntime"]
    assert runs["torch-published"]["baseline"] is None
    for name in ("torch", "onnxruntime"):
        check_run(runs[name])
        assert runs[name]["baseline"] == "lite, torch-published float32, 65x97, 1 object"
        assert runs[name]["ratio_to_baseline"].keys() == {"speed", "peak_rss", "peak_rss_above_opening"}
        equal = runs[name]["equal_labels"]
        assert equal["fed_frames"] == 4
        assert 0.999 < equal["fed_worst"] <= equal["fed_mean"] <= 1
        assert 0.99 < equal["free_worst"] <= equal["free_mean"] <= 1
    assert "torch" in document["environment"]
    out = capsys.readouterr().out
    assert " x" in out
    assert "lite: stand-in weights." in out


def test_own_frames_and_their_mask_are_measured(tmp_path, toy, clip):
    file = tmp_path / "bench.json"
    assert bench.main([toy, *clip, "--frames", "2", "--warm-up", "0", "--json", str(file)]) == 0
    (run,) = json.loads(file.read_text())["runs"]
    assert (run["size"], run["objects"], run["frames"]) == ([96, 128], 2, 2)


def test_two_folders_of_one_name_are_told_apart(tmp_path):
    folders = [str(write_colour_bundle(tmp_path / name / "same")) for name in ("one", "two")]
    document = run_bench(tmp_path, *folders)
    assert [run["bundle"] for run in document["runs"]] == folders


def test_without_a_bundle_the_one_that_comes_along_is_measured(tmp_path):
    document = run_bench(tmp_path)
    assert [run["bundle"] for run in document["runs"]] == [DEFAULT]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "float16"], "precision: got 'float16'; allowed: float32"),
        (["--source", "clip.mp4"], "--source and --mask belong together"),
        (["--source", "clip.mp4", "--mask", "mask.png"], "mask.png is not there"),
        (["--json", "no/such/folder/file.json"], "--json: got 'no/such/folder/file.json'"),
    ],
)
def test_mistakes_are_explained(capsys, toy, arguments, message):
    assert message in error_of(capsys, toy, *arguments)


def test_a_clip_that_does_not_fit_is_explained(capsys, toy, clip, tmp_path):
    assert "holds 6 frames, and 113 are needed" in error_of(capsys, toy, *clip, "--frames", "100")
    few = [toy, *clip, "--frames", "3", "--warm-up", "1", "--rounds", "1"]
    assert "at most 2, as --mask holds" in error_of(capsys, *few, "--objects", "3")
    assert "--size is of generated frames" in error_of(capsys, *few, "--size", "64x64")
    write_label_map(tmp_path / "void.png", np.full((64, 80), 255, np.uint8))
    assert "void.png holds no object; allowed: ids from 1 to 254" in error_of(
        capsys, *few, "--mask", str(tmp_path / "void.png")
    )


def test_limits_of_a_fixed_bundle_are_explained(tmp_path, capsys):
    folder = str(write_colour_bundle(tmp_path / "fixed", objects=2, frame_size=(64, 80)))
    assert "takes frames of 64x80 only: got '96x96'" in error_of(capsys, folder, "--size", "96x96")
    assert "--objects: got 3; allowed: at most 2" in error_of(capsys, folder, "--objects", "1,3")
    assert run_bench(tmp_path, folder, "--size", "64x80", "--objects", "2")["runs"][0]["size"] == [64, 80]


@pytest.mark.parametrize("option", [["--executors", "tensorflow"], ["--size", "large"], ["--objects", "0"]])
def test_values_that_are_not_known_are_refused(capsys, option):
    with pytest.raises(SystemExit) as stop:
        bench.main(["bundle", *option])
    assert stop.value.code == 2
    assert "allowed" in capsys.readouterr().err


def test_a_bundle_that_does_not_say_how_it_was_built_has_no_torch_baseline(capsys, toy):
    error = error_of(capsys, toy, "--size", "64x64", "--executors", "onnxruntime,torch")
    assert "the bundle's options name no model and backbone" in error


@pytest.mark.xdist_group("lite")  # one export
def test_weights_must_be_those_of_the_bundle(tmp_path, capsys, lite_bundle):
    trained = tmp_path / "trained"
    trained.mkdir()
    for file in lite_bundle.iterdir():
        (trained / file.name).write_bytes(file.read_bytes())
    document = json.loads((trained / "bundle.json").read_text())
    document["source"] = {"file": "weights.pth", "sha256": "ab" * 32, "stand_in": False}
    (trained / "bundle.json").write_text(json.dumps(document))
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")
    for checkpoints in ([], ["--checkpoint", str(other)]):
        error = error_of(capsys, str(trained), "--executors", "torch", *checkpoints)
        assert "PyTorch needs the weights of cfbi-lite" in error
        assert f"weights.pth, sha256 {'ab' * 32}" in error
    error = error_of(
        capsys, str(trained), "--executors", "torch", "--checkpoint", str(tmp_path / "absent.pth")
    )
    assert "no checkpoint at" in error


def test_weights_that_came_along_are_found(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    for name in (DEFAULT, "cfbi-nano-davis"):
        options = bench._parser().parse_args([name, "--executors", "torch", "--size", "96x160"])
        (candidate,) = BenchPlan.of(options).candidates
        assert Path(candidate.checkpoint).name == f"{name}.safetensors"
    stream = open_torch_stream(candidate)  # by its name
    frame, mask = np.zeros((96, 160, 3), np.uint8), np.zeros((96, 160), np.uint8)
    mask[30:60, 50:90] = 1
    assert stream.step(frame, mask=mask).labels.shape == (96, 160)


@pytest.mark.parametrize(
    ("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_run_leaves_no_process(toy, stop, status):
    command = [sys.executable, "-m", "vosrt.benchmarks.bench", toy, "--frames", "100000", "--size", "64x64"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for line in process.stderr:
            if line.startswith("round"):
                break
        if stop == signal.SIGINT:
            os.killpg(process.pid, stop)  # as a terminal does
        else:
            process.send_signal(stop)
        _, error = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in error
    deadline = time.monotonic() + 10  # where it was killed, the others end by themselves
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of_group(process.pid)


def test_a_run_needs_no_torch(tmp_path, toy):
    bar = "import sys\nfor name in ('torch', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
    (tmp_path / "sitecustomize.py").write_text(bar)  # reaches the measured process too
    command = [sys.executable, "-m", "vosrt.benchmarks.bench", toy, "--size", "64x64", "--frames", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*arguments):
        line = [*command, *arguments]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)

    result = run()
    assert result.returncode == 0, result.stderr
    result = run("--executors", "torch")
    assert result.returncode == 2
    assert "the PyTorch baseline needs torch, onnx, onnxscript; run  pip install" in result.stderr
