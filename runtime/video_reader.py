"""Frames from a video file or from a folder of images."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.regular_file import require_regular_file, stat_of

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_PLAYLISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}  # lists of other files
FOLDER_RATE = Fraction(24)  # frames per second; image folders do not say, DAVIS was filmed at 24


@dataclass(frozen=True)
class SourceFrame:
    """One frame and where it comes from."""

    image: NDArray[np.uint8]  # BGR [H, W, 3]
    name: str  # stem of the image file, or the frame's number with five digits
    timestamp: float  # seconds


def open_source(path: str | os.PathLike[str]) -> VideoFile | ImageFolder:
    """Open a folder of images or a video file.

    Raises:
        InputError: nothing is there, or it holds no frames.
    """
    try:
        found = stat_of(path)
    except OSError as error:
        cure = "give a video file or a folder of images"
        raise InputError(
            f"source {os.fspath(path)!r} cannot be used ({error.strerror})", cure=cure
        ) from error
    if found is None:
        raise InputError(
            f"source {os.fspath(path)} is not there", cure="give a video file or a folder of images"
        )
    return ImageFolder(path) if stat.S_ISDIR(found.st_mode) else VideoFile(path)


class VideoFile:
    """The frames of a video file in the order of display, turned upright; each can be read once.

    Attributes:
        rate: frames per second.
        length: how many frames the file says it holds; None when it does not say.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._av = import_for("reading a video", "av")
        try:
            require_regular_file(self.path)
            # "file:" keeps FFmpeg from taking a name with a colon for a protocol
            self._container = self._av.open(f"file:{self.path}", options=self._options())
        except (OSError, self._av.FFmpegError) as error:
            raise self._error(f"is not a readable video ({self._refusal(error)})") from error
        if not self._container.streams.video:
            raise self._error("holds no video, only sound or data")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or FOLDER_RATE)
        self.length: int | None = self._stream.frames or None

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: the file holds no frame, is cut off or damaged, or changes its size.
        """
        count = 0
        first: SourceFrame | None = None
        for frame in self._decoded():
            image = _upright(frame.to_ndarray(format="bgr24"), getattr(frame, "rotation", 0))
            timestamp = float(count / self.rate) if frame.time is None else float(frame.time)
            current = SourceFrame(image, f"{count:05d}", timestamp)
            first = first or current
            _check_size(self.path, first, current)
            yield current
            count += 1
        if count == 0:
            raise self._error("holds no frame")

    def _decoded(self) -> Iterator[Any]:
        count, incomplete = 0, False
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # the last packet is empty and makes the decoder give what it still holds
                    incomplete = packet.is_corrupt
                for frame in packet.decode():
                    yield frame
                    count += 1
        except self._av.FFmpegError as error:
            raise self._error(f"is damaged or cut off after {count} frames ({_reason(error)})") from error
        if incomplete:  # a decoder that works on several frames at once may drop the last ones in silence
            raise self._error(f"is damaged or cut off after {count} frames (its last packet is incomplete)")

    def _refusal(self, error: Exception) -> str:
        refused = isinstance(error, self._av.FFmpegError) and error.errno == errno.EINVAL
        return "a playlist, or another format that is not read" if refused else _reason(error)

    def _options(self) -> dict[str, str]:
        """FFmpeg's limits: nothing is fetched over a network, and lists are not even opened."""
        formats = sorted(self._av.formats_available - _PLAYLISTS)
        return {"protocol_whitelist": "file", "format_whitelist": ",".join(formats)}

    def _error(self, what: str) -> InputError:
        return InputError(f"source {self.path} {what}", cure="copy or convert the video again")


class ImageFolder:
    """The images of a folder in the sorted order of their names.

    Attributes:
        rate: frames per second, assumed.
        length: how many images there are.
    """

    def __init__(self, path: str | os.PathLike[str], *, rate: Fraction = FOLDER_RATE) -> None:
        self.path = Path(path)
        self.rate = rate
        try:
            files = [file for file in self.path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        except OSError as error:
            cure = "give a folder that can be read"
            raise InputError(f"source {self.path} cannot be listed ({error.strerror})", cure=cure) from error
        self.files = sorted(file for file in files if not file.name.startswith("."))
        self.length: int | None = len(self.files)
        if not self.files:
            raise InputError(
                f"source {self.path} holds no images",
                allowed=", ".join(IMAGE_SUFFIXES),
                cure="give the folder that directly holds the frames",
            )
        stems: dict[str, Path] = {}
        for file in self.files:
            if file.stem in stems:
                raise InputError(
                    f"source {self.path} holds two images of one name",
                    value=f"{stems[file.stem].name}, {file.name}",
                    cure="move one of them away: results are named after frames",
                )
            stems[file.stem] = file

    def __enter__(self) -> ImageFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to close; as for a video file."""

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: an image cannot be decoded or has another size than the first.
        """
        import_for("reading images", "cv2")
        first: SourceFrame | None = None
        for count, file in enumerate(self.files):
            current = SourceFrame(_read_image(file), file.stem, float(count / self.rate))
            first = first or current
            _check_size(self.path, first, current)
            yield current


def _read_image(file: Path) -> NDArray[np.uint8]:
    cv2, cure = import_for("reading images", "cv2"), "copy the image again, or move it away"
    try:
        require_regular_file(file)
        data = np.frombuffer(file.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except OSError as error:
        raise InputError(f"image {file} cannot be read ({error.strerror})", cure=cure) from error
    except cv2.error as error:
        raise InputError(f"image {file} cannot be decoded ({error.err or error})", cure=cure) from error
    if image is None:
        raise InputError(f"image {file} is damaged or cut off", cure=cure)
    return image


def _check_size(path: Path, first: SourceFrame, current: SourceFrame) -> None:
    if current.image.shape != first.image.shape:
        height, width = current.image.shape[:2]
        raise InputError(
            f"source {path}: size of frame {current.name}",
            value=f"{height}x{width}",
            allowed=f"{first.image.shape[0]}x{first.image.shape[1]}, the size of frame {first.name}",
            cure="resize the frames to one size, or run the parts one by one",
        )


def _upright(image: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    # FFmpeg gives the counter-clockwise turn in degrees that puts the frame upright
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
