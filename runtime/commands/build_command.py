"""`vosrt build`: TensorRT engines for a bundle, before a stream needs them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundles, add_engine_settings, add_look_settings, look_settings
from vosrt.counted import counted
from vosrt.errors import InputError


def add_build_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "build",
        help="build TensorRT engines and compare them with float32",
        description="Build the TensorRT engines that a stream of one frame size needs, compare their labels "
        "with float32, and keep them. A stream that finds none builds them itself with its first mask.",
    )
    parser.set_defaults(run=run_build)
    add_bundles(parser)
    parser.add_argument(
        "--frame", required=True, type=option_readers.size, metavar="HxW", help="size of the frames: 720x1280"
    )
    parser.add_argument("--precision", help="one of the bundle's precisions (float32 where there is one)")
    add_look_settings(parser.add_argument_group("as the stream will have them"))
    add_engine_settings(parser)
    parser.add_argument(
        "--workspace",
        type=option_readers.memory,
        metavar="SIZE",
        help="most memory that a layer may take while it runs (1G)",
    )
    parser.add_argument(
        "--cache",
        type=option_readers.path,
        metavar="DIR",
        help="folder of the engines ($VOSRT_CACHE, or ~/.cache/vosrt/engines)",
    )
    parser.add_argument(
        "--graphs",
        type=option_readers.path,
        metavar="DIR",
        help="write the graphs as TensorRT gets them, for trtexec or to look at, and build nothing; "
        "needs no GPU",
    )
    parser.add_argument(
        "--report", type=option_readers.path, metavar="JSON", help="write what became of every layer"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_build(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if arguments.graphs is not None:
        return _write_graphs(arguments)
    from vosrt.engine_cache import EngineCache
    from vosrt.segmenter import Segmenter
    from vosrt.trt.checked_engines import OBJECTS, EngineSettings

    built: list[str] = []
    with _Progress(shown=not arguments.json) as progress:

        def building(name: str) -> None:
            built.append(name)
            progress.start(name)

        settings = EngineSettings(
            objects=arguments.objects or OBJECTS,
            workspace=arguments.workspace,
            allow_drift=bool(arguments.allow_drift),
            detailed=arguments.report is not None,
            cache=EngineCache(arguments.cache),
            building=building,
            progress=progress.step,
        )
        started = time.perf_counter()
        segmenter = Segmenter(
            arguments.bundle,
            precision=arguments.precision,
            require="tensorrt",
            engines=settings,
            **look_settings(arguments),
        )
        agreement = segmenter.prepare(*arguments.frame)
    assert agreement is not None
    if arguments.report is not None:
        _write_report(arguments.report, segmenter.layer_reports())
    result = {
        "placement": str(segmenter.placement),
        "precision": segmenter.precision,
        "frame": list(arguments.frame),
        "objects": settings.objects,
        "built": built,
        "seconds": round(time.perf_counter() - started, 1),
        "equal labels": {"mean": agreement.mean, "worst frame": agreement.worst},
        "cache": str(settings.cache.folder),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        done = f"{counted(len(built), 'engine')} built in {result['seconds']} s"
        print(f"{done if built else 'all engines were there'}; {agreement}")
        print(f"{segmenter.placement}; engines are kept in {settings.cache.folder}")
    return 0


def _write_graphs(arguments: argparse.Namespace) -> int:
    """Say of every graph where it is, what it holds, and how trtexec is told of sizes that are open."""
    from vosrt.segmenter import Segmenter
    from vosrt.trt.checked_engines import OBJECTS
    from vosrt.trt.written_graphs import write_graphs

    written = write_graphs(
        Segmenter(arguments.bundle, device="cpu", **look_settings(arguments)),
        arguments.graphs,
        arguments.frame,
        objects=arguments.objects or OBJECTS,
        precision=arguments.precision,
        memory_limit=arguments.memory_limit,
    )
    if arguments.json:
        rows = [
            {"file": str(graph.path), "nodes": dict(graph.nodes), "shapes": graph.shapes} for graph in written
        ]
        print(json.dumps(rows))
        return 0
    for graph in written:
        kinds = ", ".join(f"{count} {kind}" for kind, count in graph.nodes.items())
        print(f"{graph.path}: {sum(graph.nodes.values())} nodes ({kinds})")
        if graph.shapes:
            print("  open sizes: " + " ".join(f"--{name}={text}" for name, text in graph.shapes.items()))
    return 0


class _Progress:
    """A bar per engine where TensorRT tells how far it is, else its name."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Progress:
        if self._shown:
            from rich.console import Console
            from rich.progress import Progress, TimeElapsedColumn

            columns = (*Progress.get_default_columns()[:2], TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, name: str) -> None:
        """The next engine."""
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(name, total=None)

    def step(self, phase: str, share: float) -> None:
        """How much of an engine's outermost phase is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=share, total=1.0)


def _write_report(path: Path, layers: dict[str, list[dict[str, Any]]]) -> None:
    try:
        path.write_text(json.dumps(layers, indent=1))
    except OSError as error:
        raise InputError(f"--report {path} cannot be written ({error.strerror})") from error
    print(f"layers: {path}", file=sys.stderr)
