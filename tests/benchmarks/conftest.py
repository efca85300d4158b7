"""What the demonstration leaves: a bundle of cfbi-lite and a rendered clip, made once."""

import pytest

from vosrt.benchmarks import demo


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert demo.main(["--output", str(folder)]) == 0
    return folder
