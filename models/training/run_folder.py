"""The files of a training run: settings, a checkpoint to go on from, curves, examples, weights."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from vosrt.errors import CheckpointError, InputError, reason_of
from vosrt.models.checkpoint import check_sums, why_unread
from vosrt.models.training.settings import TrainingSettings
from vosrt.whole_file import remove_left_parts, whole_file, write_whole_file

CHECKPOINT, SETTINGS = "checkpoint.pt", "settings.json"
WEIGHTS, HALF_WEIGHTS = "weights.safetensors", "weights-float16.safetensors"
STEPS, VALIDATION = "steps.csv", "validation.csv"


class RunFolder:
    """A folder that holds one run; every file is complete at any moment.

    Args:
        path: of the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._board: Any = None

    def begin(self, settings: TrainingSettings) -> None:
        """Make the folder, or check that the run in it is this one; once, before the run's processes start.

        Raises:
            InputError: the folder holds a run with other settings, or cannot be written.
            CheckpointError: the checkpoint in it is damaged.
        """
        with _told(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        remove_left_parts(self.path)
        stored = self.path / SETTINGS
        if stored.exists() and TrainingSettings.from_json(stored.read_bytes()) != settings:
            raise InputError(
                f"{self.path} holds a run with other settings",
                cure="choose another --output, or the settings of this run to go on with it",
            )
        _write_whole(stored, settings.to_json().encode())
        checkpoint = self.load_checkpoint()
        self._forget_after(0 if checkpoint is None else int(checkpoint["step"]))

    def load_checkpoint(self) -> dict[str, Any] | None:
        """What `save_checkpoint` stored last, or None.

        Raises:
            CheckpointError: it is damaged, or something else.
        """
        path = self.path / CHECKPOINT
        if not path.exists():
            return None
        try:
            check_sums(path)
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            int(content["step"])
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise CheckpointError(
                f"{path} is damaged, or no run wrote it ({why_unread(error)})",
                cure="put a copy in its place, or delete it: the run then begins anew",
            ) from error
        return content

    def save_checkpoint(self, content: Mapping[str, Any]) -> None:
        """Store everything that the next step depends on.

        Raises:
            InputError: it cannot be written; the one before is still there.
        """
        path = self.path / CHECKPOINT
        with _told(path), whole_file(path) as file:
            torch.save(dict(content), file)

    def save_weights(self, weights: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
        """Store weights for export, with notes on where they come from, and in float16, to be handed on.

        Norms and biases stay float32 there: they are few, and a variance may be too large for float16.

        Raises:
            InputError: they cannot be written.
        """
        halves = {
            name: value.half() if value.is_floating_point() and value.dim() > 1 else value
            for name, value in weights.items()
        }
        for file, tensors in ((WEIGHTS, weights), (HALF_WEIGHTS, halves)):
            content = save({name: value.contiguous() for name, value in tensors.items()}, dict(notes))
            _write_whole(self.path / file, content)  # `save_file` would make a file for its owner alone

    def log(self, name: str, values: Mapping[str, float]) -> None:
        """Append a line to a CSV file, and to TensorBoard where that is installed."""
        path = self.path / name
        with _told(path), path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(values))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" for key, value in values.items()})
        board = self._open_board()
        if board is not None:
            for key, value in values.items():
                if key != "step":
                    board.add_scalar(f"{Path(name).stem}/{key}", value, int(values["step"]))

    def save_picture(self, name: str, step: int, picture: Any) -> None:
        """Store example masks, uint8 `[H, W, 3]` blue, green, red, as PNG and in TensorBoard."""
        import cv2

        folder = self.path / "examples"
        with _told(folder):
            folder.mkdir(exist_ok=True)
        _write_whole(folder / f"{name}_{step:07d}.png", cv2.imencode(".png", picture)[1].tobytes())
        board = self._open_board()
        if board is not None:
            board.add_image(f"examples/{name}", picture[..., ::-1].copy(), step, dataformats="HWC")

    def _open_board(self) -> Any:
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # optional: the CSV files hold the same numbers
                self._board = False
            else:
                self._board = SummaryWriter(str(self.path / "tensorboard"))
        return self._board or None

    def _forget_after(self, step: int) -> None:
        """Drop lines that a killed run wrote after its last checkpoint: they will come again."""
        for name in (STEPS, VALIDATION):
            path = self.path / name
            if path.exists() and path.stat().st_size:
                header, *lines = path.read_text().splitlines()
                whole = [line for line in lines if line.count(",") == header.count(",")]
                kept = [line for line in whole if int(line.split(",")[0]) <= step]
                _write_whole(path, ("\n".join([header, *kept]) + "\n").encode())


def _write_whole(path: Path, content: bytes) -> None:
    with _told(path):
        write_whole_file(path, content)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What cannot be written is the user's to mend."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # PyTorch's writer tells an OSError as a RuntimeError of its own
        hidden = error.__context__ if isinstance(error, RuntimeError) else None
        raise InputError(
            f"{path} cannot be written ({reason_of(hidden or error)})",
            cure="make room or choose another --output; the same command goes on from the last checkpoint",
        ) from error
