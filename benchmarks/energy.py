"""Energy that the machine says it has taken: Intel's and AMD's counters, NVIDIA GPUs, Jetson's sensors."""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

_COUNTERS = "class/powercap/*/energy_uj"
_SENSORS = "bus/i2c/drivers/ina3221*/*/hwmon/hwmon*"
_BOARD = ("VDD_IN", "POM_5V_IN")  # what the whole Jetson takes
_SAMPLE = 0.05  # seconds between readings of a sensor that knows power only


class Meter(Protocol):
    """A source of energy readings."""

    name: str

    def joules(self) -> float:
        """Energy since some moment in the past."""
        ...

    def close(self) -> None:
        """End measuring."""
        ...


class CounterMeter:
    """Running counters of processor packages, in microjoules, which start over at a limit of theirs.

    Args:
        folders: of the packages.
    """

    name = "CPU packages"

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._last = [self._read(folder) for folder in folders]
        self._total = 0.0

    def joules(self) -> float:
        """See `Meter`; it must be read more often than the counters start over, which takes minutes."""
        for index, folder in enumerate(self._folders):
            now = self._read(folder)
            passed = now - self._last[index]
            if passed < 0:
                passed += int((folder / "max_energy_range_uj").read_text())
            self._total += passed / 1e6
            self._last[index] = now
        return self._total

    def close(self) -> None:
        """Nothing to end."""

    @staticmethod
    def _read(folder: Path) -> int:
        return int((folder / "energy_uj").read_text())


class PowerMeter:
    """Energy from power that is read again and again by a thread.

    Args:
        name: of what is measured.
        watts: reads the present power.
    """

    def __init__(self, name: str, watts: Callable[[], float]) -> None:
        self.name = name
        self._watts = watts
        self._joules, self._last, self._power = 0.0, time.monotonic(), watts()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"power of {name}", daemon=True)
        self._thread.start()

    def joules(self) -> float:
        """See `Meter`."""
        with self._lock:
            self._advance()
            return self._joules

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(_SAMPLE):
            with self._lock:
                self._advance()

    def _advance(self) -> None:
        now, power = time.monotonic(), self._watts()
        self._joules += (now - self._last) * (power + self._power) / 2
        self._last, self._power = now, power


def open_meter(device: str, system: Path = Path("/sys")) -> Meter | None:
    """What measures the energy of a device; None where nothing does, or nobody may read it.

    Args:
        device: "cpu" or "cuda".
        system: where the kernel shows devices.
    """
    with contextlib.suppress(OSError, ValueError):
        board = _jetson(system)
        if board is not None:
            return board
    if device == "cuda":
        return _nvidia()
    with contextlib.suppress(OSError, ValueError):
        packages = [file.parent for file in sorted(system.glob(_COUNTERS)) if _is_package(file.parent)]
        if packages:
            return CounterMeter(packages)
    return None


def _is_package(folder: Path) -> bool:
    return (folder / "name").read_text().startswith("package")


def _jetson(system: Path) -> Meter | None:
    for folder in sorted(system.glob(_SENSORS)):
        for label in sorted(folder.glob("in*_label")):
            if label.read_text().strip() in _BOARD:
                channel = label.name.removeprefix("in").removesuffix("_label")
                volts, amperes = folder / f"in{channel}_input", folder / f"curr{channel}_input"

                def watts(volts: Path = volts, amperes: Path = amperes) -> float:
                    return int(volts.read_text()) * int(amperes.read_text()) / 1e6  # mV, mA

                return PowerMeter("the whole board", watts)
    return None


def _nvidia() -> Meter | None:
    """The first GPU by NVIDIA's management library, where its Python package is installed."""
    try:
        library: Any = importlib.import_module("pynvml")
        library.nvmlInit()
        handle = library.nvmlDeviceGetHandleByIndex(0)
        library.nvmlDeviceGetPowerUsage(handle)
    except Exception:  # no package, no driver, or a device that does not tell
        return None
    return PowerMeter("GPU 0", lambda: library.nvmlDeviceGetPowerUsage(handle) / 1e3)
