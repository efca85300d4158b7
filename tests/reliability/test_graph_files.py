"""Graph files that are damaged are found by their hash; what is loaded all the same ends no process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.reliability.bundle_copy import copy_of, outcome_of
from tests.reliability.effort import effort
from tests.reliability.file_faults import damaged
from vosrt.bundle import Bundle
from vosrt.manifest import sha256_of_file
from vosrt.shipped_bundles import find_bundle

ROOT = Path(__file__).parents[2]


def opened(bundle: Path) -> str:
    Bundle.open(bundle)
    return "opened"


@effort("count", 8, 600)
@pytest.mark.parametrize("kind", ["toy", "cfbi-lite-davis"])
def test_a_damaged_graph_is_found_by_its_hash(colour_bundle, kind, count, tmp_path, tally):
    bundle = copy_of(colour_bundle if kind == "toy" else find_bundle(kind), tmp_path)
    for path in sorted(bundle.glob("*.onnx")):
        whole = path.read_bytes()
        for what, content in damaged(whole, count, seed=4):
            path.write_bytes(content)
            found = outcome_of(lambda: opened(bundle))
            tally.tried()
            if not found.startswith("error") or "is not the file that was exported" not in found:
                tally.failure(f"{path.name}, {what}: {found}")
        path.write_bytes(whole)
    assert opened(bundle) == "opened"
    tally.check()


@effort("count", 40, 2000)
def test_a_damaged_graph_whose_hash_was_made_anew_ends_no_process(colour_bundle, count, tmp_path, tally):
    """Not the bundle that was exported, whatever it computes; the process goes on, or ends with an error."""
    bundles = []
    for role in ("segment", "encode"):
        whole = (colour_bundle / f"{role}.onnx").read_bytes()
        for index, (what, content) in enumerate(damaged(whole, count // 2, seed=5)):
            bundle = copy_of(colour_bundle, tmp_path / f"{role}{index}")
            (bundle / f"{role}.onnx").write_bytes(content)
            seal(bundle)
            bundles.append((what, bundle))
    tally.tried(len(bundles))
    for (what, bundle), found in zip(bundles, outcomes([bundle for _, bundle in bundles]), strict=True):
        if found.startswith(("RAISED", "DIED")):
            tally.failure(f"{bundle}, {what}: {found}")
    tally.check()


HUGE = {
    "constant of 4 TiB": lambda: [
        helper.make_node("ConstantOfShape", ["huge"], ["many"]),
        helper.make_node("ReduceMax", ["many"], ["most"], keepdims=0),
    ],
    "expanded to 2^62": lambda: [
        helper.make_node("ConstantOfShape", ["one"], ["single"]),
        helper.make_node("Expand", ["single", "widest"], ["many"]),
        helper.make_node("ReduceMax", ["many"], ["most"], keepdims=0),
    ],
    "negative": lambda: [
        helper.make_node("ConstantOfShape", ["negative"], ["many"]),
        helper.make_node("ReduceMax", ["many"], ["most"], keepdims=0),
    ],
}


def test_a_graph_that_asks_for_an_oversized_tensor_ends_with_an_error(colour_bundle, tmp_path, tally):
    bundles = [with_nodes(copy_of(colour_bundle, tmp_path / kind), HUGE[kind]()) for kind in HUGE]
    tally.tried(len(bundles))
    for bundle, found in zip(bundles, outcomes(bundles), strict=True):
        if not found.startswith("error: graph segment"):
            tally.failure(f"{bundle}: {found}")
    tally.check()


def with_nodes(bundle: Path, nodes: list[onnx.NodeProto]) -> Path:
    """The bundle, whose graph adds what the nodes call `most` to its probabilities."""
    model = onnx.load(bundle / "segment.onnx")
    sizes = {"huge": [1 << 20, 1 << 20], "one": [1], "widest": [1 << 62], "negative": [-5]}
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in sizes.items()]
    model.graph.initializer.extend(constants)
    last = next(node for node in model.graph.node if "probabilities" in node.output)
    last.output[0] = "before"
    model.graph.node.extend([*nodes, helper.make_node("Add", ["before", "most"], ["probabilities"])])
    onnx.save(model, bundle / "segment.onnx")
    seal(bundle)
    return bundle


def seal(bundle: Path) -> None:
    """Write the hashes of the graphs as they are into the manifest."""
    document = json.loads((bundle / "bundle.json").read_text())
    for graph in document["graphs"].values():
        for file in graph["file"].values():
            file["sha256"] = sha256_of_file(bundle / file["path"])
    (bundle / "bundle.json").write_text(json.dumps(document))


def outcomes(bundles: list[Path]) -> list[str]:
    """What became of each bundle; a process that dies of one is followed by another for the next."""
    found: list[str] = []
    while len(found) < len(bundles):
        command = [sys.executable, "-m", "tests.reliability.segment_bundles"]
        command += [str(bundle) for bundle in bundles[len(found) : len(found) + 100]]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        run = subprocess.run(command, **pipes, text=True, check=False, cwd=ROOT)
        found += run.stdout.splitlines()
        if run.returncode:
            found.append(f"DIED with {run.returncode}")
    return found
