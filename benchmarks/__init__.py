"""Golden numbers, matching speed and the demonstration. Needs what exporting needs."""

import sys
from importlib.util import find_spec

_missing = [name for name in ("torch", "onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
if _missing:
    print(
        f"error: vosrt.benchmarks needs {', '.join(_missing)}; "
        "run  pip install '.[cpu,export]'  in the folder that holds setup.py",
        file=sys.stderr,
    )
    sys.exit(2)
