"""What a process holds over the frames of a long run, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vosrt.errors import InputError
from vosrt.optional_import import import_for

if TYPE_CHECKING:
    from vosrt.benchmarks.endurance import Endurance

_SIZE = (9.0, 5.0)  # inches
_PIXELS = 100  # per inch
_ROOM = 4.0  # MB of the axis at least: noise of a few pages shall not look like growth


def draw_endurance(file: Path, measured: Endurance) -> None:
    """Draw memory, and below it descriptors and threads, over the number of frames.

    Raises:
        InputError: the file cannot be written.
        MissingDependencyError: Matplotlib is not installed.
    """
    figures = import_for("drawing the plot of a long run", "matplotlib.figure")
    figure = figures.Figure(figsize=_SIZE, dpi=_PIXELS, layout="constrained")
    memory, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    frames = [reading.frames for reading in measured.readings]
    usages = [reading.usage for reading in measured.readings]
    resident = [usage.resident_mb for usage in usages]
    private = [usage.private_mb for usage in usages]
    memory.plot(frames, resident, label="resident")
    memory.plot(frames, private, label="private")
    middle = (min(private) + max(resident)) / 2
    half = max(_ROOM, max(resident) - min(private) + 2) / 2
    memory.set(ylabel="MB", ylim=(middle - half, middle + half))
    memory.set_title(f"{Path(measured.bundle).name}, {measured.size[0]}x{measured.size[1]}")
    counts.plot(frames, [usage.descriptors for usage in usages], label="descriptors")
    counts.plot(frames, [usage.threads for usage in usages], label="threads")
    counts.set(xlabel="frames", ylim=(0, None))
    for axes in (memory, counts):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--plot {file} cannot be written ({reason})") from error
