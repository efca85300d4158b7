"""Every check and measurement on a GPU in one go, into one JSON file.

    python -m vosrt.benchmarks.gpu_suite BUNDLE... --output results

Each part is a program of `vosrt.benchmarks.gpu`, `vosrt build` or `vosrt bench` in a process of its own, with
a time limit; what fails is a result, too, and in `vosrt bench` the others are measured. Kernels run under
compute-sanitizer where that is on the path. Engines are built before anything that runs them is timed.
`--tensorrt-python` names another Python for what needs TensorRT, where it and PyTorch are not to be had
together; they still take turns in one run of `vosrt bench`. All is saved after every part, so an interrupted
run is of use, and parts that are not run again stay, with the facts about the machine that they were measured
under where those are others now. `--only` chooses parts; those that build their engines
are run as well, as the machine may have none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vosrt.benchmarks.environment import environment
from vosrt.benchmarks.option_values import whole_numbers
from vosrt.bundle import Bundle
from vosrt.errors import Error, InputError
from vosrt.usable_cores import usable_cores
from vosrt.whole_file import write_whole_file

_SAID = 40  # last lines of what failed
_PATIENCE = 30.0  # seconds for the end of what was killed
_STEADY_OBJECTS = 1  # in steady state
_FLEETING = ("load_average", "gpu_clock", "gpu_memory_clock")  # facts that differ from one run to the next


@dataclass(frozen=True)
class Part:
    """A program to run.

    Attributes:
        name: in the results.
        program: module and arguments; "{json}" stands for a file that the program writes its result to, where
            it does not print it, and "{tensorrt-python}" for the Python that has TensorRT.
        needs_tensorrt: whether it is run with the Python that has TensorRT.
        under: a program that runs it, and its options.
        engines: names of the parts that build what it runs.
    """

    name: str
    program: tuple[str, ...]
    needs_tensorrt: bool = False
    under: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns 0 when every part has succeeded, else 1, and 2 for a mistake."""
    options = _parser().parse_args(arguments)
    ending = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {one: signal.signal(one, _end) for one in ending}
    try:
        return _run(_chosen(list(_parts(options)), options.only), options)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(number: int, _frame: object) -> None:
    """End the part that runs, too."""
    sys.exit(128 + number)


def _chosen(parts: Sequence[Part], only: str) -> list[Part]:
    """Parts whose name matches, and those that build their engines."""
    try:
        matching = [part for part in parts if re.search(only, part.name)]
    except re.error as error:
        raise InputError("--only", value=only, allowed=f"a regular expression ({error})") from error
    if not matching:
        names = ", ".join(part.name for part in parts)
        raise InputError("--only", value=only, allowed=f"a pattern of one of {names}")
    wanted = {name for part in matching for name in (part.name, *part.engines)}
    return [part for part in parts if part.name in wanted]


def _run(parts: Sequence[Part], options: argparse.Namespace) -> int:
    facts = environment(usable_cores())
    facts["gpu"] = _gpu(options.limit) or facts.get("gpu")  # as nvidia-smi calls it
    folder = Path(options.output) / re.sub(r"[^A-Za-z0-9]+", "-", facts["gpu"] or "cpu").strip("-").lower()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.json"
    kept = _earlier(path, facts)
    results: dict[str, Any] = {}
    for part in parts:
        print(f"{part.name} ...", end=" ", file=sys.stderr, flush=True)
        results[part.name] = result = _result(part, options)
        seconds = f"{result['seconds']} s"
        failure = "" if result["status"] == 0 else f", failed: {result['error']}"
        print(seconds + failure, file=sys.stderr)
        text = json.dumps({"environment": facts, "parts": kept | results}, indent=1)
        write_whole_file(path, text.encode())
    print(path)
    return 0 if all(result["status"] == 0 for result in results.values()) else 1


def _earlier(path: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that the file holds already; those that were measured under other facts say which."""
    try:
        document = json.loads(path.read_text())
        before, parts = dict(document["environment"]), dict(document["parts"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if _lasting(before) == _lasting(facts):
        return parts
    return {name: {**part, "environment": part.get("environment", before)} for name, part in parts.items()}


def _lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in _FLEETING}


def _result(part: Part, options: argparse.Namespace) -> dict[str, Any]:
    """What a part has printed or written, its status and what it said last."""
    started = time.perf_counter()
    python = options.tensorrt_python if part.needs_tensorrt else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        meant = {"{json}": str(file), "{tensorrt-python}": options.tensorrt_python}
        command = [*part.under, python, "-m", *(meant.get(word, word) for word in part.program)]
        status, output, said = _run_command(command, options.limit)
        text = file.read_text() if file.is_file() else (output.strip().splitlines() or [""])[-1]
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if found is None and status == 0:
        status, said = 1, f"{said}\nit gave no result"
    lines = said.strip().splitlines() or [""]
    return {
        "command": [*part.under, *part.program],
        "status": status,
        "seconds": round(time.perf_counter() - started, 1),
        "error": "" if status == 0 else lines[-1],
        "said": [] if status == 0 else lines[-_SAID:],
        "result": found,
    }


def _run_command(command: Sequence[str], limit: float) -> tuple[int, str, str]:
    """Status and outputs of a program, in a session of its own.

    Where it is ended before its time, so is all that it has started: no process is to work on the GPU beside
    the next part.

    Args:
        command: words.
        limit: seconds after which it is ended, with status -1.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, said = process.communicate(timeout=limit)
        return process.returncode, output, said
    except subprocess.TimeoutExpired:
        _kill_session(process)
        output, said = "", ""
        with suppress(subprocess.TimeoutExpired):  # what waits for a GPU that is gone cannot be killed
            output, said = process.communicate(timeout=_PATIENCE)
        return -1, output, f"{said}\nno end within {limit} s"
    except BaseException:  # Ctrl-C, which does not reach other sessions
        _kill_session(process)
        raise


def _kill_session(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _parts(options: argparse.Namespace) -> Iterator[Part]:
    """The quick ones first."""
    on = ("--device", options.device)
    kernels = (*on, *(("--library", options.library) if options.library else ()))
    yield Part("kernel accuracy", ("vosrt.benchmarks.gpu.kernel_accuracy", *kernels, *options.kernel_cases))
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is not None and options.device != "cpu":  # else the results lack this part
        yield Part(
            "kernel memory check",
            ("vosrt.benchmarks.gpu.kernel_accuracy", *kernels, "--cases", "2"),
            under=(  # each tensor in memory of its own; what is said must not come behind the result
                *("env", "PYTORCH_NO_CUDA_MEMORY_CACHING=1", sanitizer, "--tool", "memcheck"),
                *("--error-exitcode", "9", "--log-file", "/dev/stderr"),
            ),
        )
    yield Part("kernel speed", ("vosrt.benchmarks.gpu.kernel_speed", *kernels, *options.kernel_speed))
    yield from _engine_parts(options)
    for name, size, precisions in _looks(options):
        for executor in options.deployed:
            for precision in precisions if executor == "tensorrt" else precisions[:1]:
                yield from _steady(name, size, executor, precision, options)
        executors = dict.fromkeys([*options.executors, *options.deployed])
        yield Part(
            f"{Path(name).name} {size} side by side",
            (
                *("vosrt", "bench", name, *on, "--size", size, "--json", "{json}", "--keep-going"),
                *("--executors", ",".join(executors), "--tensorrt-python", "{tensorrt-python}"),
                *("--precision", ",".join(precisions), "--objects", ",".join(map(str, options.objects))),
                *("--frames", str(options.frames), "--rounds", str(options.rounds)),
                *(("--checkpoint", options.checkpoint) if options.checkpoint else ()),
            ),
            engines=tuple(
                _engines_name(name, size, precision, objects)
                for precision in precisions
                for objects in options.objects
                if _has_engines(options)
            ),
        )


def _looks(options: argparse.Namespace) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Every bundle at every size, and its precisions.

    Raises:
        InputError: two have one name, by which their results are known.
    """
    names = [Path(name).name for name in options.bundles]
    if len({*names}) < len(names):
        raise InputError("bundles", value=" ".join(options.bundles), allowed="folders of different names")
    for name in options.bundles:
        precisions = options.precisions or Bundle.open(name).precisions
        for size in options.sizes:
            yield name, size, precisions


def _engine_parts(options: argparse.Namespace) -> Iterator[Part]:
    """All engines that others run; labels that drift are for those to tell."""
    if not _has_engines(options):
        return
    for name, size, precisions in _looks(options):
        for precision in precisions:
            for objects in sorted({_STEADY_OBJECTS, *options.objects}):
                yield Part(
                    _engines_name(name, size, precision, objects),
                    (
                        *("vosrt", "build", name, "--frame", size, "--objects", str(objects)),
                        *("--precision", precision, "--allow-drift", "--json"),
                    ),
                    needs_tensorrt=True,
                )


def _has_engines(options: argparse.Namespace) -> bool:
    return "tensorrt" in options.deployed and options.device != "cpu"


def _engines_name(bundle: str, size: str, precision: str, objects: int) -> str:
    return f"{Path(bundle).name} {size} engines {precision} for {objects}"


def _steady(
    bundle: str, size: str, executor: str, precision: str, options: argparse.Namespace
) -> Iterator[Part]:
    """Many frames for their times, then some for a trace, which slows them down."""
    traced = ("--frames", "200", "--trace", *(("--cupti", options.cupti) if options.cupti else ()))
    kinds = {"steady state": ("--frames", str(options.steady_frames)), "traced": traced}
    if options.device == "cpu":
        del kinds["traced"]
    needed = (_engines_name(bundle, size, precision, _STEADY_OBJECTS),) if executor == "tensorrt" else ()
    for kind, frames in kinds.items():
        yield Part(
            f"{Path(bundle).name} {size} {executor} {precision} {kind}",
            (
                *("vosrt.benchmarks.gpu.steady_state", bundle, "--device", options.device),
                *("--executor", executor, "--precision", precision, "--size", size),
                *("--objects", str(_STEADY_OBJECTS), *frames),
            ),
            needs_tensorrt=executor == "tensorrt",
            engines=needed,
        )


def _gpu(limit: float) -> str | None:
    """The GPU's name; None without one, or a package that can ask.

    Another process asks: this one would keep memory there.
    """
    program = "from vosrt.cuda.driver import open_driver; print(open_driver().gpu())"
    _, output, _ = _run_command([sys.executable, "-c", program], limit)
    return output.strip() or None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE")
    parser.add_argument(
        "--output", default="benchmarks/results", metavar="DIR", help="holds a folder per GPU"
    )
    parser.add_argument("--only", default="", metavar="PATTERN", help="parts whose name matches")
    parser.add_argument("--limit", type=float, default=1800.0, metavar="SECONDS", help="for each part (1800)")
    parser.add_argument(
        "--tensorrt-python",
        default=sys.executable,
        metavar="PYTHON",
        help="for what needs TensorRT (this one)",
    )
    parser.add_argument("--device", default="cuda", help="of everything (cuda)")
    parser.add_argument("--library", help="kernels (those of `make plugins`)")
    parser.add_argument("--sizes", type=_words, default=("480x854", "720x1280"), help="of frames")
    parser.add_argument("--objects", type=whole_numbers(1, 254), default=(1, 3, 8), help="of side by side")
    parser.add_argument("--executors", type=_words, default=("torch-published", "torch", "torch-compiled"))
    parser.add_argument("--deployed", type=_words, default=("onnxruntime", "tensorrt"))
    parser.add_argument("--precisions", type=_words, help="of the bundles (all that they have)")
    parser.add_argument("--frames", type=int, default=60, help="timed, side by side (60)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each, side by side (10)")
    parser.add_argument("--steady-frames", type=int, default=2000)
    parser.add_argument("--kernel-cases", type=str.split, default=(), metavar="OPTIONS")
    parser.add_argument("--kernel-speed", type=str.split, default=(), metavar="OPTIONS")
    parser.add_argument("--checkpoint", help="weights for PyTorch, where they did not come along")
    parser.add_argument("--cupti", metavar="FILE", help="CUPTI's library, where it lies in no usual place")
    return parser


if __name__ == "__main__":
    sys.exit(main())
