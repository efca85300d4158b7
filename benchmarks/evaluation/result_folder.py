"""The folder that an evaluation leaves, and from which it goes on after a crash.

OUTPUT/settings.json            what the results depend on
OUTPUT/masks/<clip>/<frame>.png label maps
OUTPUT/scores/<clip>.json       written last: with it the clip is finished
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.clip import Clip
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.settings import Settings
from vosrt.errors import InputError
from vosrt.whole_file import write_whole_file

_PROGRAM = "vosrt eval"
_log = logging.getLogger(__name__)
SETTINGS, MASKS, SCORES = "settings.json", "masks", "scores"
PLOT, WORST, SHEETS = "scores.png", "worst.png", "sheets"


class ResultFolder:
    """A clip's results are whole or not there; all clips ran with one set of settings.

    Args:
        path: of the folder.
        settings: of this run.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings.to_json()

    @property
    def masks(self) -> Path:
        """Holds a folder of label maps per clip."""
        return self.path / MASKS

    @contextmanager
    def opened(self, *, overwrite: bool = False) -> Iterator[ResultFolder]:
        """Make the folder, or go on with it. When nothing is finished at the end, nothing is left.

        Args:
            overwrite: remove the results that are there.

        Raises:
            InputError: something else is there, or results of other settings, or it cannot be written.
        """
        existed = self.path.exists()
        before = self._checked(overwrite)
        try:
            self._start(before if overwrite else {})
            yield self
        except OSError as error:
            raise InputError(
                f"output {self.path} cannot be written ({error.strerror or error})",
                cure="choose a folder that can be written and has room",
            ) from error
        finally:
            self._remove_if_empty(keep=existed)

    def record_of(self, clip: Clip) -> ClipRecord | None:
        """What is kept of a clip; None when it is to be run: it is not finished, or has changed since."""
        file = self.path / SCORES / f"{clip.name}.json"
        try:
            record = ClipRecord.parse(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s is damaged and the clip runs again (%r)", file, error)
            return None
        masks = self.masks / clip.name
        is_whole = all((masks / f"{name}.png").is_file() for name in clip.saved)
        if record.digest != clip.digest() or not is_whole:
            _log.warning("clip %s has changed since it ran, and runs again", clip.name)
            return None
        return record

    @contextmanager
    def clip_folder(self, clip: Clip) -> Iterator[Path]:
        """An empty folder for a clip's label maps, renamed into place when all has gone well."""
        final, part = self.masks / clip.name, self.masks / f".{clip.name}.part"
        for leftover in (part, final):  # of a run that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            part.rename(final)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def finish(self, record: ClipRecord) -> None:
        """Keep a clip's record; from now on it is finished.

        Raises:
            OSError: it cannot be written.
        """
        (self.path / SCORES).mkdir(exist_ok=True)
        self._write(self.path / SCORES / f"{record.name}.json", record.to_json())

    def _checked(self, overwrite: bool) -> dict[str, Any]:
        """The settings of the results that are there."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError("--output", value=str(self.path), allowed="a folder")
        if self._is_empty():
            return {}
        before = self._settings_before()
        for name in [] if overwrite else [*self._settings, *before]:
            if before.get(name) != self._settings.get(name):
                raise InputError(
                    f"output {self.path} holds results of other settings: {name}",
                    value=self._settings.get(name),
                    allowed=json.dumps(before.get(name)),
                    cure="choose another --output, or give --overwrite to start anew",
                )
        return before

    def _settings_before(self) -> dict[str, Any]:
        try:
            content = json.loads((self.path / SETTINGS).read_bytes())
            if content["program"] != _PROGRAM or not isinstance(content["settings"], dict):
                raise ValueError("of another program")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"output {self.path} is not empty and holds no {SETTINGS} of an evaluation",
                cure="choose another --output",
            ) from error
        return content["settings"]

    def _is_empty(self) -> bool:
        try:
            return not self.path.exists() or not any(self.path.iterdir())
        except OSError as error:
            raise InputError(f"output {self.path} cannot be listed ({error.strerror})") from error

    def _start(self, replaced: dict[str, Any]) -> None:
        """Remove results of the given settings, if any, and note the new ones."""
        if replaced:
            for name in (MASKS, SCORES, SHEETS):
                shutil.rmtree(self.path / name, ignore_errors=True)
            for name in (SETTINGS, PLOT, WORST, Path(f"{replaced.get('dataset')}.zip").name):
                (self.path / name).unlink(missing_ok=True)
        self.masks.mkdir(parents=True, exist_ok=True)
        self._write(self.path / SETTINGS, {"program": _PROGRAM, "settings": self._settings})

    def _remove_if_empty(self, *, keep: bool) -> None:
        if any((self.path / SCORES).glob("*.json")):
            return
        with suppress(OSError):
            for name in (MASKS, SCORES):
                shutil.rmtree(self.path / name, ignore_errors=True)
            (self.path / SETTINGS).unlink(missing_ok=True)
            if not keep:
                self.path.rmdir()

    @staticmethod
    def _write(file: Path, content: dict[str, Any]) -> None:
        write_whole_file(file, (json.dumps(content, indent=1) + "\n").encode())
