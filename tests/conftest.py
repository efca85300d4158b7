"""The bundle that tests of several rooms share: exported once, in the process of the group `lite`."""

import os

import pytest

from tests.plugins.kernels.emulated import SHARED_FOLDER
from vosrt.manifest import Checkpoint

STAND_IN = Checkpoint("stand-in weights, salt f", "0" * 64, True)


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory):
    """Names the folder that all processes of this run share; each has a folder of its own in it."""
    own = tmp_path_factory.getbasetemp()
    os.environ[SHARED_FOLDER] = str(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def lite_network():
    """cfbi-lite with stand-in weights, which PyTorch can build again without a checkpoint."""
    from vosrt.models import build_network, load_stand_in_weights

    network = build_network("cfbi-lite")
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="session")
def lite_traces(lite_network):
    """The network's graphs as traced, which is what an export takes longest for."""
    from vosrt.export.bundle_writer import ExportSettings, trace_network

    return trace_network(lite_network, ExportSettings())


@pytest.fixture(scope="session")
def lite_bundle(lite_network, lite_traces, tmp_path_factory):
    """Any frame size, any number of objects, both precisions."""
    from vosrt.export import bundle_writer

    settings = bundle_writer.ExportSettings(precisions=("float32", "float16"))
    folder = tmp_path_factory.mktemp("bundles") / "lite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_writer, "trace_network", lambda network, settings: lite_traces)
        bundle_writer.export_bundle(lite_network, STAND_IN, folder, settings)
    return folder
