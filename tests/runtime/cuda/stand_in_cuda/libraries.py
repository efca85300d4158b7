"""Libraries of CUDA's names, over which the real onnxruntime-gpu loads on a machine without a GPU."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
RUNTIME, CUDNN = "libcudart", "libcudnn"
_OF_CUDA = re.compile(r"\[(lib(?:cu|nv)[^\]]+)\]")


def build_libraries(provider: Path, headers: Path, folder: Path) -> None:
    """Build what a library needs.

    Args:
        provider: onnxruntime-gpu's library for CUDA.
        headers: of the CUDA for which it was built.
        folder: for the libraries.
    """
    missing = _output("nm", "-D", "--undefined-only", provider).split()
    needed = _OF_CUDA.findall(_output("readelf", "-d", provider))
    symbols = {name: {s.split("@")[0] for s in missing if s.endswith(f"@{name}")} for name in needed}
    plain = {symbol for symbol in missing if "@" not in symbol}
    for name in needed:
        kind = "cu" if name.startswith("libcuda.") else name.split(".")[0].removeprefix("lib")
        symbols[name] |= {symbol for symbol in plain if re.match(rf"{kind}[A-Z]\w*$", symbol)}
    if not any(name.startswith(CUDNN) for name in needed):  # then it is loaded when it is first called
        called = {
            name for name in _output("strings", provider).split() if re.fullmatch(r"cudnn[A-Z]\w+", name)
        }
        symbols[f"{CUDNN}.so"] = called
    for name in sorted(symbols, key=lambda name: not name.startswith(RUNTIME)):
        _build(name, symbols[name], headers, folder)


def _build(name: str, symbols: Iterable[str], headers: Path, folder: Path) -> None:
    written = [HERE / f"{part}.cpp" for part in ("cudart", "cudnn") if name.startswith(f"lib{part}.")]
    known = set(re.findall(r"\b(\w+)\([^;\n]*\) \{", "".join(path.read_text() for path in written)))
    source = folder / f"{name}.cpp"
    rest = [symbol for symbol in symbols if not known & {symbol, symbol.removesuffix("_v2")}]
    source.write_text('extern "C" {\n' + "".join(map(_plain, sorted(rest))) + "}\n")
    version = folder / f"{name}.map"
    version.write_text(f"{name} {{ global: *; }};\n")
    runtime = [] if name.startswith(RUNTIME) else [next(folder.glob(f"{RUNTIME}.so.*[0-9]"))]
    settings = ["-std=c++17", "-O1", "-w", "-shared", "-fPIC", f"-I{headers}", f"-Wl,-soname,{name}"]
    target = [f"-Wl,--version-script={version}", "-o", folder / name]
    subprocess.run(["g++", *settings, source, *written, *runtime, *target], check=True)


def _plain(symbol: str) -> str:
    """A function that succeeds, gives a handle where it makes something, and counts where it computes."""
    if re.search(r"GetStatus(Name|String)|ErrorString", symbol):
        return f'char const* {symbol}() {{ return "stand-in"; }}\n'
    if "Create" in symbol:
        return f"int {symbol}(void** made) {{ static char handle[256]; *made = handle; return 0; }}\n"
    if re.search(r"(gemm|Gemm|geam|Matmul(_v2)?$|AddTensor$|ReduceTensor$|Forward)", symbol):
        counted = '{ stand_in_count("kernel"); return 0; }'
        return f"void stand_in_count(char const*);\nint {symbol}(...) {counted}\n"
    return f"int {symbol}(...) {{ return 0; }}\n"


def _output(*command: object) -> str:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout
