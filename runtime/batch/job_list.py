"""The videos of a batch: from files, folders, patterns, lists and manifests."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vosrt.batch.address import (
    VIDEO_SUFFIXES,
    address_in,
    check_is_recording,
    folder_of,
    is_remote,
    join,
    name_of,
    open_remote,
    remote_entries,
    stem_of,
)
from vosrt.batch.job import LONGEST_NAME, BatchJob
from vosrt.batch.video_manifest import manifest_jobs
from vosrt.errors import InputError, reason_of
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.image_folder import IMAGE_SUFFIXES

_log = logging.getLogger(__name__)
_LIST_SUFFIXES, _MANIFEST_SUFFIXES = (".txt", ".lst"), (".jsonl", ".ndjson")


@dataclass(frozen=True)
class JobDefaults:
    """What holds for every video that does not say otherwise.

    Attributes:
        masks: an address that holds `{name}`, or a folder with a PNG, or a folder of PNGs, for each video by
            its name; None for none.
        outputs: kinds that are wanted.
        frames: stop after so many; None for all.
        split: whether every mask starts anew.
    """

    masks: str | None = None
    outputs: tuple[str, ...] = ("masks",)
    frames: int | None = None
    split: bool = False


def find_jobs(addresses: Sequence[str], defaults: JobDefaults) -> list[BatchJob]:
    """Find the videos that addresses name.

    Args:
        addresses: video files, folders of images, folders of either, patterns with `*`, lists (`.txt`: an
            address per line), manifests (`.jsonl`); of this machine or of a file system that fsspec opens.
        defaults: for what manifests leave open.

    Returns:
        a job for each, sorted by name.

    Raises:
        InputError: an address names nothing, a manifest is wrong, or two videos share a name.
    """
    jobs: dict[str, BatchJob] = {}
    for address in addresses:
        check_is_recording(address)
        for job in map(_absolute, _jobs_at(address, defaults)):
            check_is_recording(job.video)
            if defaults.masks is not None and job.video == os.path.abspath(defaults.masks):
                continue  # the folder of masks lies among the videos
            before = jobs.setdefault(job.name, job)
            if before is not job and before != job:
                raise InputError(
                    f"two videos share the name {job.name!r}",
                    value=f"{shown_address(before.video)}, {shown_address(job.video)}",
                    cure="name them in a manifest: {'video': …, 'name': …} per line of a .jsonl file",
                )
    found = sorted(jobs.values(), key=lambda job: job.name)
    _check_masks(found)
    for job in found:
        _check_split(job)
    return found


def _jobs_at(address: str, defaults: JobDefaults) -> Iterable[BatchJob]:
    suffix = Path(name_of(address)).suffix.lower()
    if suffix in _MANIFEST_SUFFIXES:
        base = folder_of(address)
        jobs = manifest_jobs(_text_of(address), document=shown_address(address))
        return [_completed(job, base, defaults) for job in jobs]
    if suffix in _LIST_SUFFIXES:
        lines = (line.strip() for line in _text_of(address).splitlines())
        videos = [join(folder_of(address), line) for line in lines if line and not line.startswith("#")]
        return [_named(video, stem_of(video), defaults) for video in videos]
    if scheme_of(address) != "test" and re.search(r"[*?\[]", address) and not os.path.lexists(address):
        return [_named(video, name, defaults) for video, name in _matches(address)]
    return [_named(video, name, defaults) for video, name in _videos_at(address)]


def _matches(pattern: str) -> Iterator[tuple[str, str]]:
    """Videos that a pattern finds, with their names."""
    if is_remote(pattern):
        files, path = open_remote(pattern)
        found = [address_in(files, match, pattern) for match in sorted(files.glob(path))]
    else:
        found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise InputError(f"pattern {shown_address(pattern)} finds nothing", cure="check it, and quote it")
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    for address in found:
        for video, name in _videos_at(address):
            below = os.path.relpath(folder_of(video), fixed or ".") if not is_remote(video) else "."
            yield video, name if below in (".", "") or below.startswith("..") else f"{below}/{name}"


def _videos_at(address: str) -> Iterator[tuple[str, str]]:
    """The video that an address is, or those that lie in a folder, with their names."""
    if scheme_of(address) == "test":
        yield address, address.partition("://")[2]
        return
    look = remote_entries if is_remote(address) else _local_entries
    entries = look(address)
    videos = [entry for entry in entries or () if _has(entry, VIDEO_SUFFIXES)]
    if entries is None or (not videos and any(_has(entry, IMAGE_SUFFIXES) for entry in entries)):
        yield address, stem_of(address)
        return
    folders = [
        entry
        for entry in entries
        if entry not in videos and not name_of(entry).startswith(".") and _holds_images(entry, look)
    ]
    if not videos and not folders:
        raise InputError(
            f"folder {shown_address(address)} holds no videos",
            allowed=f"files such as {', '.join(VIDEO_SUFFIXES[:4])}, or folders of images",
        )
    for entry in sorted([*videos, *folders]):
        yield entry, stem_of(entry)


def _holds_images(folder: str, look: Callable[[str], list[str] | None]) -> bool:
    """Whether an entry of a folder is a folder of images; one that cannot be looked at is left out."""
    try:
        return any(_has(entry, IMAGE_SUFFIXES) for entry in look(folder) or ())
    except InputError as error:
        _log.warning("left out: %s", error)
        return False


def _local_entries(address: str) -> list[str] | None:
    """Paths of a folder's entries; None for what is no folder."""
    try:
        return [os.path.join(address, name) for name in sorted(os.listdir(address))]
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        what = f"video {address} cannot be used ({reason_of(error)})"
        raise InputError(what, cure="check the path") from error


def _has(entry: str, suffixes: Sequence[str]) -> bool:
    name = name_of(entry)
    return not name.startswith(".") and Path(name).suffix.lower() in suffixes


def _named(video: str, name: str, defaults: JobDefaults) -> BatchJob:
    """A job for a video that a list or folder names."""
    return _completed(BatchJob(_usable_name(name), video, outputs=()), "", defaults, name)


def _usable_name(name: str) -> str:
    """A file's path as a name of results."""
    usable = re.sub(r"[^\w.+@=,-]", "_", name.replace("/", "__")).lstrip(".")
    return usable.encode()[:LONGEST_NAME].decode(errors="ignore") or "video"


def _completed(job: BatchJob, base: str, defaults: JobDefaults, name: str = "") -> BatchJob:
    """A job with what a manifest left open; `name` is what the video is called, if something else."""
    video = join(base, job.video) if base else job.video
    name = name or job.name or stem_of(video)
    job = replace(job, video=video, name=job.name or _usable_name(name))
    if job.mask is not None:
        job = replace(job, mask=join(base, job.mask))
    elif not job.boxes and defaults.masks is not None:
        job = replace(job, mask=_mask_for((job.name, name), defaults.masks))
    return replace(
        job,
        outputs=job.outputs or defaults.outputs,
        frames=job.frames or defaults.frames,
        split=job.split or defaults.split,
    )


def _mask_for(names: tuple[str, str], masks: str) -> str:
    """Where the mask of a video is, whose results have another name than it where that holds a space."""
    forms = [masks] if "{name}" in masks else [join(masks, "{name}.png"), join(masks, "{name}")]
    places = [form.replace("{name}", name) for name in dict.fromkeys(names) for form in forms]
    exists: Callable[[str], bool] = _remote_exists if is_remote(masks) else os.path.exists
    return places[0] if len(places) == 1 else next(filter(exists, places), places[0])


def _remote_exists(address: str) -> bool:
    files, path = open_remote(address)
    return bool(files.exists(path))


def _absolute(job: BatchJob) -> BatchJob:
    """The same files, from whatever folder a worker looks."""
    video, mask = (
        address if address is None or scheme_of(address) is not None else os.path.abspath(address)
        for address in (job.video, job.mask)
    )
    assert video is not None
    return replace(job, video=video, mask=mask)


def _check_masks(jobs: Sequence[BatchJob]) -> None:
    """Refuse a place for masks where there is none at all: more likely a slip than so many bad videos."""
    masked = [job.mask for job in jobs if job.mask is not None and not is_remote(job.mask)]
    if masked and not any(os.path.exists(mask) for mask in masked):
        raise InputError(
            f"no video has a mask: {masked[0]} is not there, nor that of any other",
            allowed="--masks FOLDER with NAME.png or NAME/, or an address that holds {name}",
        )


def _check_split(job: BatchJob) -> None:
    if job.split and "video" in job.outputs:
        raise InputError(
            f"video {job.name} is to be split, and an overlay video of it is wanted",
            allowed="masks, rle, cutout: these can be put together again",
        )


def _text_of(address: str) -> str:
    """The text of a list or manifest."""
    try:
        if is_remote(address):
            files, path = open_remote(address)
            return files.cat_file(path).decode("utf-8-sig")
        return Path(address).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"list {shown_address(address)} is not there", cure="check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(f"list {shown_address(address)} cannot be read ({error})") from error
