"""Graph files that keep weights elsewhere are found, wherever in the graph the tensor stands."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import BundleError
from vosrt.bundle import Bundle
from vosrt.external_data import has_external_data
from vosrt.manifest import sha256_of_file


def outside() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "weights")
    set_external_data(tensor, "weights.bin", offset=0, length=16)
    tensor.ClearField("raw_data")
    return tensor


def model_of(nodes=(), initializers=(), functions=()) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "graph", [], [], list(initializers))
    return helper.make_model(graph, functions=list(functions))


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["y"], value=tensor)


def branch(tensor: onnx.TensorProto) -> onnx.NodeProto:
    graphs = [helper.make_graph([constant(tensor)], name, [], []) for name in ("then", "else")]
    return helper.make_node("If", ["x"], ["y"], then_branch=graphs[0], else_branch=graphs[1])


PLACES = {
    "initializer": lambda tensor: model_of(initializers=[tensor]),
    "constant": lambda tensor: model_of([constant(tensor)]),
    "branch": lambda tensor: model_of([branch(tensor)]),
    "list of tensors": lambda tensor: model_of([helper.make_node("Of", [], ["y"], tensors=[tensor, tensor])]),
    "function": lambda tensor: model_of(
        functions=[helper.make_function("d", "F", [], ["y"], [constant(tensor)], [])]
    ),
    "sparse": lambda tensor: model_of(
        [helper.make_node("Of", [], ["y"], s=onnx.SparseTensorProto(values=tensor))]
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found_in_every_place(place, tmp_path):
    path = tmp_path / "graph.onnx"
    path.write_bytes(PLACES[place](outside()).SerializeToString())
    assert has_external_data(path)
    inside = TensorProto(data_type=1, dims=[8], name="location", string_data=[b"location"])
    path.write_bytes(PLACES[place](inside).SerializeToString())
    assert not has_external_data(path)


@pytest.mark.parametrize("content", [b"", b"no ONNX file, but location", b"\x3a\xff\xff\xff\x7flocation"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "graph.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"empty|field|number"):
        has_external_data(path)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/weights.bin", "link.bin"])
def test_bundle_whose_weights_no_hash_covers_is_refused(location, tmp_path):
    bundle = write_colour_bundle(tmp_path / "bundle")
    path = bundle / "segment.onnx"
    model = onnx.load(path)
    tensor = next(one for one in model.graph.initializer if one.data_type == TensorProto.FLOAT)
    raw = numpy_helper.to_array(tensor).tobytes()
    (tmp_path / "weights.bin").write_bytes(raw)
    (bundle / "weights.bin").write_bytes(raw)
    (bundle / "link.bin").symlink_to(tmp_path / "weights.bin")
    tensor.raw_data = raw
    tensor.ClearField("float_data")
    set_external_data(
        tensor, location.replace("/weights", f"{tmp_path}/weights", location[0] == "/"), 0, len(raw)
    )
    tensor.ClearField("raw_data")
    before = sha256_of_file(path)
    path.write_bytes(model.SerializeToString())
    manifest = bundle / "bundle.json"
    manifest.write_text(manifest.read_text().replace(before, sha256_of_file(path)))
    with pytest.raises(
        BundleError, match=r"graphs\.segment\.file\.float32\.path.* keeps weights in other files"
    ):
        Bundle.open(bundle)
