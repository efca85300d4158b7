"""Examples as modules, and what they run on."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.runtime.cuda.conftest import device, variants  # noqa: F401 - fixtures

EXAMPLES = Path(__file__).parents[2] / "examples"
SCENE = "test://96x160?objects=2"


@pytest.fixture
def example():
    """Loads an example by its name, as an import would."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
