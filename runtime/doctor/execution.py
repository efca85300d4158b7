"""ONNX Runtime, the devices it can use, and the self-test on each."""

from __future__ import annotations

from collections.abc import Iterator

from vosrt.doctor.finding import Finding, State
from vosrt.doctor.packages import installed_version
from vosrt.doctor.provider_trial import try_provider
from vosrt.errors import Error

GROUP = "execution"
_REMOTE = {"AzureExecutionProvider"}  # in every build; sends data away, and is never used
_CURES = {
    "CPUExecutionProvider": "pip install --force-reinstall onnxruntime",
    "CUDAExecutionProvider": "install the CUDA and cuDNN versions that this onnxruntime-gpu names",
    "TensorrtExecutionProvider": "install the TensorRT version that this onnxruntime-gpu names",
}
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
    yield from _provider_findings(providers)


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
