"""Bundles that several tests of exports share; each is exported once."""

import pytest

from tests.conftest import STAND_IN
from vosrt.export.bundle_writer import ExportSettings, export_bundle


@pytest.fixture(scope="session")
def fixed_lite_bundle(lite_network, tmp_path_factory):
    """Frames of 175x231, at most three objects, two references."""
    folder = tmp_path_factory.mktemp("bundles") / "fixed"
    settings = ExportSettings(frame=(175, 231), objects=3, references=2)
    export_bundle(lite_network, STAND_IN, folder, settings)
    return folder
