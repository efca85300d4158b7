"""Bundles that several tests share; each is exported once."""

import pytest

from vosrt.export import bundle_writer
from vosrt.export.bundle_writer import ExportSettings, export_bundle, trace_network
from vosrt.manifest import Checkpoint
from vosrt.models import build_network, load_stand_in_weights

STAND_IN = Checkpoint("stand-in weights", "0" * 64, True)


@pytest.fixture(scope="session")
def lite_network():
    network = build_network("cfbi-lite")
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="session")
def lite_traces(lite_network):
    """The network's graphs as traced, which is what an export takes longest for."""
    return trace_network(lite_network, ExportSettings())


@pytest.fixture(scope="session")
def lite_bundle(lite_network, lite_traces, tmp_path_factory):
    """Any frame size, any number of objects, both precisions."""
    folder = tmp_path_factory.mktemp("bundles") / "lite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_writer, "trace_network", lambda network, settings: lite_traces)
        export_bundle(lite_network, STAND_IN, folder, ExportSettings(precisions=("float32", "float16")))
    return folder


@pytest.fixture(scope="session")
def fixed_lite_bundle(lite_network, tmp_path_factory):
    """Frames of 175x231, at most three objects, two references."""
    folder = tmp_path_factory.mktemp("bundles") / "fixed"
    settings = ExportSettings(frame=(175, 231), objects=3, references=2)
    export_bundle(lite_network, STAND_IN, folder, settings)
    return folder
