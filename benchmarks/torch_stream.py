"""A bundle's network in PyTorch, as a stream. Needs torch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from vosrt.benchmarks.candidate import TORCH_COMPILED, TORCH_PUBLISHED, Candidate
from vosrt.benchmarks.compiled_network import CompiledExecutor
from vosrt.benchmarks.published_memory import PublishedMemoryExecutor
from vosrt.benchmarks.published_network import PublishedExecutor
from vosrt.cpu_device import CpuDevice
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.export.torch_executor import TorchExecutor
from vosrt.manifest import Manifest, read_manifest
from vosrt.memory_budget import default_limit, gpu_limit
from vosrt.models import (
    VosNetwork,
    load_checkpoint,
    load_stand_in_weights,
    rebuild_network,
    salt_of_source,
)
from vosrt.models.memory_network import MemoryNetwork
from vosrt.shipped_bundles import find_bundle
from vosrt.stream import Stream
from vosrt.variant import Variant

Watch = Callable[[Executor], Executor]


def open_torch_stream(
    candidate: Candidate, watch: Watch | None = None, *, gpu: CudaDevice | None = None
) -> Stream:
    """Build the network that the bundle was exported from and start a stream on it.

    Args:
        candidate: bundle, executor and threads.
        watch: given the executor, gives one to take its place; None for none.
        gpu: where it runs; None for the CPU.

    Raises:
        Error: the bundle does not say how it was made, or the checkpoint does not fit.
    """
    manifest = read_manifest(find_bundle(candidate.bundle)).limited(candidate.long_edge)
    torch.set_num_threads(candidate.threads)
    network = rebuild_network(manifest.options)
    _load_weights(network, manifest, candidate)
    return _stream(manifest, network, candidate, watch, gpu)


def arithmetic_facts() -> dict[str, bool]:
    """Whether PyTorch computes in TF32 on a GPU: its defaults, as networks are published."""
    return {
        "torch_cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "torch_matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
    }


def _load_weights(network: VosNetwork, manifest: Manifest, candidate: Candidate) -> None:
    if not manifest.source.stand_in:
        if candidate.checkpoint is None:
            raise InputError("--checkpoint", allowed=f"the file {manifest.source.file}")
        load_checkpoint(network, candidate.checkpoint)
        return
    salt = salt_of_source(manifest.source.file)
    if salt is None:
        raise InputError(
            f"bundle {candidate.bundle}: source.file does not say the salt of the stand-in weights",
            value=manifest.source.file,
            cure="export the bundle again with this version",
        )
    load_stand_in_weights(network, salt)


def _stream(
    manifest: Manifest,
    network: VosNetwork,
    candidate: Candidate,
    watch: Watch | None,
    gpu: CudaDevice | None,
) -> Stream:
    """The one place where a stream is put on a PyTorch executor."""
    frame = manifest.frame_size
    size = manifest.input.resize.network_size(*frame) if frame else None
    kind = TorchExecutor
    if candidate.executor == TORCH_PUBLISHED:
        kind = PublishedMemoryExecutor if isinstance(network, MemoryNetwork) else PublishedExecutor
    elif candidate.executor == TORCH_COMPILED:
        kind = CompiledExecutor
    plain = kind(network, network_size=size, gpu=gpu)
    executor: Executor = plain if watch is None else watch(plain)
    limit = default_limit() if gpu is None else gpu_limit(gpu.driver.gpu().memory)  # as of vosrt's own
    return Stream((Variant(manifest, executor),), gpu or CpuDevice(), memory_limit=limit)
