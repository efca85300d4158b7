"""ONNX Runtime, the devices it can use, and the self-test on each."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from vosrt.doctor.finding import Finding, State
from vosrt.doctor.provider_trial import try_provider
from vosrt.errors import Error, reason_of
from vosrt.native_libraries import native_library
from vosrt.optional_import import installed_version

GROUP = "execution"
_REMOTE = {"AzureExecutionProvider"}  # in every build; sends data away, and is never used
_CURES = {
    "CPUExecutionProvider": "pip install --force-reinstall onnxruntime",
    "CUDAExecutionProvider": "install the CUDA and cuDNN versions that this onnxruntime-gpu names",
    "TensorrtExecutionProvider": "install the TensorRT version that this onnxruntime-gpu names",
}
_OPERATORS_CURE = "install g++, then vosrt again"
_PACKAGES = ("onnxruntime", "onnxruntime-gpu")


def execution_findings() -> Iterator[Finding]:
    """Look at ONNX Runtime and try every execution provider it was built with."""
    from vosrt.import_onnxruntime import import_onnxruntime

    versions = [f"{name} {version}" for name in _PACKAGES if (version := installed_version(name))]
    try:
        runtime = import_onnxruntime()
        providers = [name for name in runtime.get_available_providers() if name not in _REMOTE]
    except Error as error:
        yield Finding(GROUP, "ONNX Runtime", State.BROKEN, error.what, error.cure)
        return
    except Exception as error:
        cure = f"pip install --force-reinstall {_PACKAGES[0]}"
        yield Finding(GROUP, "ONNX Runtime", State.BROKEN, f"cannot be imported ({error})", cure)
        return
    detail = ", ".join(versions) or f"onnxruntime {runtime.__version__}"
    yield Finding(GROUP, "ONNX Runtime", State.WORKS, detail)
    yield _operators(runtime)
    yield from _provider_findings(providers)


def _operators(runtime: ModuleType) -> Finding:
    """The compiled operators that take the place of ONNX Runtime's own on the CPU."""
    library = native_library("vosrt_ort_cpu")
    if library is None:
        detail = "not compiled, so frames take longer"
        return Finding(GROUP, "CPU operators", State.ABSENT, detail, _OPERATORS_CURE)
    try:
        runtime.SessionOptions().register_custom_ops_library(str(library))
    except Exception as error:
        detail = f"{library} does not load ({reason_of(error)})"
        return Finding(GROUP, "CPU operators", State.BROKEN, detail, f"{_OPERATORS_CURE}, or delete the file")
    return Finding(GROUP, "CPU operators", State.WORKS, str(library))


def _provider_findings(providers: list[str]) -> Iterator[Finding]:
    trials = {provider: try_provider(provider) for provider in providers}
    some_works = any(trial.works for trial in trials.values())
    for provider, trial in trials.items():
        name = provider.removesuffix("ExecutionProvider")
        if trial.works:
            yield Finding(GROUP, name, State.WORKS, trial.detail)
        else:
            cure = _CURES.get(provider, "install what this execution provider needs, or do without")
            state = State.PROBLEM if some_works else State.BROKEN
            yield Finding(GROUP, name, state, trial.detail, cure)
    if not providers:
        yield Finding(GROUP, "providers", State.BROKEN, "none", _CURES["CPUExecutionProvider"])
