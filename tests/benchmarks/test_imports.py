"""The benchmarks import without torch; those that need it say so and how to install it."""

import subprocess
import sys

import pytest

WITHOUT_TORCH = "import sys\nfor name in ('torch', 'onnx', 'onnxscript'): sys.modules[name] = None\n"


def run_without_torch(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("program", ["golden", "matching"])
def test_a_program_that_needs_torch_names_the_cure(program):
    code = f"from vosrt.benchmarks.{program} import main\nsys.exit(main(sys.argv[1:]))"
    arguments = ["absent.npz"] if program == "golden" else []
    result = run_without_torch(code, *arguments)
    assert result.returncode == 2, result.stderr
    assert "needs torch, onnx, onnxscript; run  pip install '.[cpu,export]'" in result.stderr
