"""Runs the self-test with one execution provider, in a process of its own: a broken driver may end it.

`python -m vosrt.doctor.provider_trial CUDAExecutionProvider` prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from vosrt.child_environment import child_environment
from vosrt.errors import reason_of

_CPU = "CPUExecutionProvider"
_TIME_LIMIT = 180.0  # seconds; TensorRT compiles even a small graph for a while
_FATAL_ONLY = 4  # ONNX Runtime's log severity: what goes wrong is in the error


@dataclass(frozen=True)
class Trial:
    """Whether a provider gave the right result, and if not, why."""

    works: bool
    detail: str


def try_provider(provider: str) -> Trial:
    """Run the self-test in another process."""
    command = [sys.executable, "-m", __name__, provider]
    try:
        process = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            check=False,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        return Trial(False, f"gave no answer in {_TIME_LIMIT:.0f} seconds")
    except OSError as error:
        return Trial(False, f"could not be tried ({error.strerror})")
    lines = process.stdout.strip().splitlines()
    try:
        return Trial(**json.loads(lines[-1]))
    except (IndexError, TypeError, ValueError):
        return Trial(False, f"ended the process that tried it (status {process.returncode})")


def _run(provider: str) -> Trial:
    import numpy as np

    from vosrt.doctor.self_test import SELF_TEST_GRAPH, self_test_image, self_test_result
    from vosrt.import_onnxruntime import import_onnxruntime

    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    if provider != _CPU:  # otherwise the CPU would take over in silence
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = runtime.InferenceSession(str(SELF_TEST_GRAPH), options, providers=[provider], enable_fallback=0)
    if provider not in session.get_providers():
        return Trial(False, "cannot be loaded; a library that it needs is missing or too old")
    (result,) = session.run(None, {"image": self_test_image()})
    if not np.array_equal(result, self_test_result()):
        return Trial(False, "gives wrong numbers")
    return Trial(True, "runs the self-test")


def _main(provider: str) -> None:
    try:
        trial = _run(provider)
    except Exception as error:
        trial = Trial(False, f"fails: {reason_of(error)}")
    print(json.dumps({"works": trial.works, "detail": trial.detail}))


if __name__ == "__main__":
    _main(sys.argv[1])
