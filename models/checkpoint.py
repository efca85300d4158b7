"""Reads trained weights: published `.pth` files, state dictionaries and safetensors."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vosrt.errors import CheckpointError, MissingDependencyError
from vosrt.manifest import sha256_of_file
from vosrt.models.network import VosNetwork
from vosrt.models.published_keys import IGNORED, name_here, published_name

LISTED = 12  # how many keys an error lists


@dataclass(frozen=True)
class CheckpointFile:
    """Where weights came from."""

    name: str
    sha256: str


def load_checkpoint(network: VosNetwork, path: str | Path) -> CheckpointFile:
    """Load every parameter of `network` from a file.

    Args:
        network: takes the weights; unchanged when an error is raised.
        path: a `.pth`, `.pt` or `.bin` file with a state dictionary, bare or under `state_dict`, with or
            without `module.` in front of its keys, in published names or those used here; or `.safetensors`.

    Returns:
        name and hash of the file.

    Raises:
        CheckpointError: the file is not readable, or a key is missing, unknown, repeated with other
            values or of another shape.
    """
    path = Path(path)
    tensors = read_tensors(path)
    network.load_state_dict(match_tensors(network, tensors, path))
    return CheckpointFile(path.name, sha256_of_file(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file under the keys it uses, `module.` removed."""
    if not os.path.isfile(path):  # False for names that are too long, where Path.is_file raises
        raise CheckpointError(f"no checkpoint at {path}", cure="give the path of a .pth or .safetensors file")
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(
            f"{path} holds no state dictionary", cure="save model.state_dict() with torch.save"
        )
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(
            f"{path} holds entries that are no tensors: {_list(strange)}",
            allowed="a dictionary of tensors, or one under the key 'state_dict'",
            cure="save the weights alone with torch.save",
        )
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        bare = str(key).removeprefix("module.")
        if bare in tensors and not _same(tensors[bare], value):
            raise CheckpointError(f"{path} holds {bare} twice with other values: with and without 'module.'")
        tensors[bare] = value
    return tensors


def match_tensors(network: VosNetwork, tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """A state dictionary for `network`; every disagreement is collected into one error."""
    expected = network.state_dict()
    found: dict[str, Tensor] = {}
    unknown, shapes, repeated, unusable = [], [], [], []
    for key, tensor in tensors.items():
        if IGNORED.search(key):
            continue
        name = name_here(key)
        if name not in expected:
            unknown.append(key)
        elif tensor.shape != expected[name].shape:
            shapes.append(f"{key} {list(tensor.shape)} instead of {list(expected[name].shape)}")
        elif not is_usable(tensor):
            unusable.append(key)
        elif name in found and not _same(found[name], tensor):
            repeated.append(key)
        else:
            found[name] = tensor
    refused = {name_here(entry.split(" ")[0]) for entry in (*shapes, *unusable)}
    missing = [published_name(name) for name in expected if name not in found and name not in refused]
    problems = [
        f"{len(keys)} {title}: {_list(keys)}"
        for title, keys in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another shape", shapes),
            ("repeated with other values", repeated),
            ("not finite floating-point numbers", unusable),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{path} does not fit {network.name}: " + "; ".join(problems),
            cure="choose the --model and --backbone that the checkpoint was trained with",
        )
    return found


def is_usable(tensor: Tensor) -> bool:
    """Dense, in memory, floating point, and every value finite in float32."""
    dense = tensor.layout == torch.strided and not tensor.is_quantized
    plain = dense and tensor.device.type == "cpu" and tensor.is_floating_point()
    return plain and bool(torch.isfinite(tensor.float()).all())


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return is_usable(one) and is_usable(other) and torch.equal(one.float(), other.float())


def save_published(network: VosNetwork, path: str | Path) -> None:
    """Write the weights in the layout of published checkpoints (`state_dict`, `module.` prefixes)."""
    state = {f"module.{published_name(name)}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "optimizer": {}}, path)


def _read_pickle(path: Path) -> Any:
    try:
        check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path} is not a checkpoint that can be read safely ({why_unread(error)})",
            allowed="tensors only; files that run code on loading are refused",
            cure="copy it again if damaged; else load it where you trust it and save model.state_dict()",
        ) from error


def why_unread(error: Exception) -> str:
    """What `torch.load` says in a line, without its advice to let a file run code."""
    text = str(error)
    refused = re.search(r"GLOBAL (\S+)", text)
    if refused:
        return f"it asks for {refused[1]}"
    if text.startswith("Weights only load failed"):
        return "it is no file of PyTorch's, or its pickle protocol is not 2, as usual"
    return (text.split(". In PyTorch")[0].splitlines() or [type(error).__name__])[0][:200]


def check_sums(path: Path) -> None:
    """Compare every part of an archive with its check sum, which `torch.load` does not.

    Files without sums pass: those of PyTorch's older format, and archives that were written with
    `torch.serialization.set_crc32_options(False)`, where those of all parts that hold anything are wrong.

    Raises:
        ValueError: one is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        parts = [part.filename for part in archive.infolist() if part.file_size]
        damaged = [part for part in parts if not _is_whole(archive, part)]
    if 0 < len(damaged) < len(parts):
        raise ValueError(f"the check sum of {damaged[0]} is another one")


def _is_whole(archive: zipfile.ZipFile, part: str) -> bool:
    try:
        with archive.open(part) as content:
            while content.read(1 << 20):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependencyError(
            "reading .safetensors needs safetensors", cure="pip install safetensors"
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file ({error})", cure="copy it again, or rename it if it is a .pth"
        ) from error


def _list(entries: list[str]) -> str:
    shown = ", ".join(entries[:LISTED])
    return shown if len(entries) <= LISTED else f"{shown} and {len(entries) - LISTED} more"
