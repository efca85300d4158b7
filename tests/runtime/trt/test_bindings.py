"""The stand-in offers what real bindings of TensorRT offer, and nothing else.

TENSORRT_BINDINGS lists folders, each with an unpacked wheel of the bindings (`tensorrt_bindings/`, or
`tensorrt/` of an older release), separated by colons. Bindings load over libraries that hold nothing but the
symbols they need, so no GPU and no TensorRT is there.
"""

from __future__ import annotations

import enum
import inspect
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.trt.stand_in import stand_in
from vosrt.trt.engine_builder import PASSIVE

FOLDERS = [Path(folder) for folder in os.environ.get("TENSORRT_BINDINGS", "").split(":") if folder]
LIST_NAMES = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
kinds = {
    name: {entry: str(getattr(getattr(kind, entry), "__doc__", "")) for entry in dir(kind)}
    for name, kind in vars(module).items()
    if isinstance(kind, type)
}
print(json.dumps({"version": module.__version__, "module": dir(module), "kinds": kinds}))
"""


@pytest.fixture(params=FOLDERS or [pytest.param(None, marks=pytest.mark.skip("needs TENSORRT_BINDINGS"))])
def real(request, tmp_path) -> dict:
    """Names of the module, and of its classes with what they say of themselves."""
    (library,) = request.param.glob("tensorrt*/tensorrt.so")
    package = tmp_path / library.parent.name  # a copy: older bindings load what lies beside them
    shutil.copytree(library.parent, package, ignore=shutil.ignore_patterns("lib*"))
    stub_libraries(library, tmp_path)
    failures = []
    for minor in range(13, 7, -1):
        found = [*Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")]
        found += filter(None, [shutil.which(f"python3.{minor}")])
        for python in found:
            result = subprocess.run(
                [python, "-c", LIST_NAMES, package.name],
                env={"PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": str(tmp_path), "LC_ALL": "C"},
                capture_output=True,
                text=True,
            )
            if result.returncode == 0:
                return json.loads(result.stdout)
            failures.append(result.stderr.strip().splitlines()[-1])
    pytest.fail(f"no Python loads {library}: {failures}")


def stub_libraries(bindings: Path, folder: Path) -> None:
    """Libraries of the names that bindings need, with the symbols that they need."""
    needed = subprocess.run(["readelf", "-d", bindings], capture_output=True, text=True, check=True).stdout
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", bindings], capture_output=True, text=True, check=True
    ).stdout
    own = re.findall(
        r" U ((?:create|get|init)\w*(?:_INTERNAL|ParserVersion|PluginRegistry|Plugins)|_ZN\w*nv\w+)", symbols
    )
    for name in re.findall(r"\[(libnv[^\]]+)\]", needed):
        source = folder / "stub.c"
        source.write_text("".join(f"void* {symbol}(void) {{ return 0; }}\n" for symbol in own))
        subprocess.run(
            ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", source, "-o", folder / name], check=True
        )


def test_the_stand_in_has_no_name_that_the_bindings_lack(real):
    module = stand_in(real["version"])
    for name, kind in vars(module).items():
        if name.startswith("_"):
            continue
        assert name in real["module"], name
        if not isinstance(kind, type):
            continue
        names = {attribute for base in kind.__mro__[:-1] for attribute in vars(base)}
        members = getattr(kind, "__members__", None)  # of an enumeration
        public = (
            set(members) if members else {n for n in names if not n.startswith("_")} - {"built", "refuse"}
        )
        hidden = {
            n for n in public if isinstance(getattr(kind, n, None), property) and not getattr(kind, n).fget
        }
        assert public - hidden <= set(real["kinds"][name]), (name, public - set(real["kinds"][name]))


def test_the_stand_in_has_the_choices_between_versions(real):
    """Where vosrt looks whether a name is there, both must answer the same."""
    module = stand_in(real["version"])
    for name in ("IProgressMonitor", "ExecutionContextAllocationStrategy"):
        if name == "IProgressMonitor" or real["version"].startswith("11"):
            assert hasattr(module, name) == (name in real["module"]), name
    for kind, name in (
        ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"),
        ("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH"),
        ("BuilderFlag", "TF32"),
        ("ICudaEngine", "create_execution_context_without_device_memory"),
        ("ICudaEngine", "device_memory_size_v2"),
        ("IExecutionContext", "set_device_memory"),
    ):
        here = getattr(module, kind)
        known = here.__members__ if hasattr(here, "__members__") else vars(here.__mro__[1]) | vars(here)
        hidden = isinstance(known.get(name), property) and known[name].fget is None
        assert (name in known and not hidden) == (name in real["kinds"][kind]), (kind, name)


def test_kinds_of_layers_are_called_as_the_bindings_call_them(real):
    later = {"CAST", "PLUGIN_V3"} if real["version"].startswith("8.5") else set()
    assert set(PASSIVE) - set(real["kinds"]["LayerType"]) == later


def test_the_stand_in_takes_the_arguments_of_the_bindings(real):
    """As many, and those of the same name at the same place."""
    checked = set()
    for name, kind in vars(stand_in(real["version"])).items():
        if not isinstance(kind, type) or issubclass(kind, enum.Enum):
            continue
        for base in kind.__mro__[:-1]:
            for function in filter(inspect.isfunction, vars(base).values()):
                forms = _forms(function.__name__, real["kinds"][name].get(function.__name__, ""))
                own = list(inspect.signature(function).parameters)[1:]
                assert not forms or any(_fits(own, form) for form in forms), (name, own, forms)
                checked |= {function.__name__} if forms else set()
    assert {"parse", "set_timing_cache", "set_shape", "execute_async_v3", "create_network"} <= checked


def _fits(own: list[str], form: dict[str, bool]) -> bool:
    """Whether a call with these arguments is one of that form."""
    has_places = len(own) <= len(form) and not any(list(form.values())[len(own) :])
    return has_places and all(
        word == place or word not in form for word, place in zip(own, form, strict=False)
    )


def _forms(name: str, said: str) -> list[dict[str, bool]]:
    """The arguments of a function by what the bindings say, and whether each has to be given."""
    found = re.findall(rf"(?:^|\n\d+\. ){name}\(self: [\w.]+(.*?)\) -> ", said)
    return [
        {word: " = " not in rest for word, rest in re.findall(r", (\w+): ((?:(?!, \w+: ).)*)", one)}
        for one in found
    ]
