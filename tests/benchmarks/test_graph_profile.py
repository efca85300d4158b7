"""ONNX Runtime's trace read back: which runs count, what is added up, and operations of every operator."""

from __future__ import annotations

import json

import pytest

from vosrt.benchmarks import graph_profile, projection
from vosrt.benchmarks.graph_profile import GraphProfile, Limits, Spent, read_profile, report


def run_event(start, length):
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": length}


def node_event(start, length, operator, inputs=(), outputs=(), name="node"):
    shapes = {
        f"{side}_type_shape": [{"float": list(shape)} for shape in tensors]
        for side, tensors in (("input", inputs), ("output", outputs))
    }
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": start,
        "dur": length,
        "args": {"op_name": operator, **shapes},
    }


def test_the_last_runs_count_and_what_holds_other_nodes_does_not():
    events = [
        run_event(0, 100),
        node_event(10, 50, "Relu", name="early"),
        *(
            event
            for start in (200, 400)
            for event in (
                run_event(start, 100),
                node_event(start + 1, 90, "Scan", name="loop"),
                node_event(start + 2, 20, "Add", [(1, 2)], [(1, 2)], name="inner"),
                node_event(start + 30, 40, "Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], [(1, 4, 8, 8)], name="conv"),
            )
        ),
    ]
    profile = read_profile(events, 2)
    assert set(profile.operators) == {"Add", "Conv"}
    conv = profile.operators["Conv"]
    assert conv.seconds == pytest.approx(40e-6)  # per frame
    assert conv.operations == 2 * 4 * 8 * 8 * 27
    assert conv.bytes == 4 * (3 * 64 + 4 * 27 + 4 * 64)
    assert profile.total.nodes == 2
    assert list(profile.groups()) == ["convolution", graph_profile.ELEMENTWISE]


def test_a_graph_of_the_first_frame_alone_is_no_frames():
    assert not read_profile([run_event(0, 9), node_event(1, 2, "Relu")], 3).operators


@pytest.mark.parametrize(
    ("operator", "inputs", "outputs", "attributes", "expected"),
    [
        ("MatMul", [(2, 5, 7), (7, 3)], [(2, 5, 3)], {}, 2 * 2 * 5 * 3 * 7),
        ("Gemm", [(7, 5), (7, 3)], [(5, 3)], {"transA": 1}, 2 * 5 * 3 * 7),
        ("GlobalMatching", [(4, 6, 5), (11, 4)], [(2, 6, 5)], {}, 2 * 4 * 30 * 11),
        ("LocalMatching", [(4, 6, 5), (4, 6, 5)], [(2, 2, 6, 5)], {"windows": [1, 3]}, 2 * 4 * 30 * 49),
        ("DirectionalMatching", [(4, 6), (2, 4, 9)], [(1, 2, 6)], {}, 2 * 4 * 6 * 2 * 9),
        ("MemoryRead", [(3, 6), (2, 5, 3, 6), (2, 5, 8, 6)], [(2, 8, 6)], {}, 2 * 2 * 5 * 36 * (3 + 8)),
        ("Relu", [(2, 3)], [(2, 3)], {}, 0),
    ],
)
def test_operations_are_counted_from_shapes(operator, inputs, outputs, attributes, expected):
    events = [run_event(0, 1), run_event(10, 10), node_event(11, 5, operator, inputs, outputs)]
    profile = read_profile(events, 1, {"node": attributes})
    assert profile.operators[operator].operations == expected


def test_rates_are_shares_of_the_machines():
    events = [
        run_event(0, 1),
        run_event(10, 10),
        node_event(11, 5, "MatMul", [(10, 20), (20, 30)], [(10, 30)]),
    ]
    text = "\n".join(report({"match": read_profile(events, 1)}, 1e-5, Limits(4.8e9, 1e12), 3))
    assert "| match | 1 | 0.01 | 100% | 0.00 | 50% |" in text
    assert "match: MatMul node" in text


def test_a_bundle_is_profiled(capsys):
    options = ["cfbi-lite-davis", "--size", "64x96", "--frames", "2", "--threads", "1", "--json"]
    assert graph_profile.main(options) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"encode", "match", "segment", "finish"} <= document["graphs"].keys()
    assert sum(one["gflop"] for one in document["graphs"]["segment"].values()) > 0.1
    assert document["limits"]["gflops"] > 1
    spent = sum(one["ms"] for graph in document["graphs"].values() for one in graph.values())
    assert 0.3 < spent / document["step_ms"] < 1.2


def test_mistakes_are_named(capsys):
    assert graph_profile.main(["no/such/bundle"]) == 2
    assert "error:" in capsys.readouterr().err


def test_projection_takes_the_longer_of_operations_and_bytes(monkeypatch):
    monkeypatch.setattr(projection, "MACHINES", ())
    profile = GraphProfile()
    profile.operators["Conv"] = Spent(0, operations=35e9, bytes=12e6, nodes=10)
    profile.operators["Add"] = Spent(0, operations=0, bytes=120e6, nodes=90)
    slow, wide = (projection.Machine("one", 1e12, rate) for rate in (1e9, 1e12))
    found = projection.project({"segment": profile, "finish": GraphProfile()}, wide)
    assert found == pytest.approx({"products": 0.1, "other kernels": 1e-4, "between kernels": 2e-4})
    assert projection.project({"segment": profile}, slow)["other kernels"] == pytest.approx(0.1)
    assert projection.report({"segment": profile}).startswith("35.0 GFLOP, 132 MB in float32, 100 nodes")


def test_projection_names_every_machine(capsys):
    assert projection.main(["cfbi-lite-davis", "--size", "96x160", "--frames", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {machine.name} |" in printed for machine in projection.MACHINES)
