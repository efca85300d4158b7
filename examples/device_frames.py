"""Frames that already lie on the GPU go in, labels stay there: with PyTorch, CuPy or PyCUDA, without a copy.

python examples/device_frames.py torch     # or cupy, pycuda; needs a GPU
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from vosrt import Segmenter, Stream
from vosrt.sources.open_source import open_source

Upload = Callable[[np.ndarray], Any]


def to_torch(image: np.ndarray) -> Any:
    """Stands for a decoder or a network that leaves its frames on the GPU as tensors."""
    import torch

    return torch.from_numpy(image).cuda()


def to_cupy(image: np.ndarray) -> Any:
    """The same with CuPy."""
    import cupy

    return cupy.asarray(image)


def to_pycuda(image: np.ndarray) -> Any:
    """The same with PyCUDA."""
    import pycuda.autoprimaryctx  # the context that the runtime uses, too
    import pycuda.gpuarray

    return pycuda.gpuarray.to_gpu(image)


UPLOADS: dict[str, Upload] = {"torch": to_torch, "cupy": to_cupy, "pycuda": to_pycuda}


def follow(stream: Stream, frames: Iterable[Any], mask: np.ndarray) -> Iterator[Any]:
    """Label maps on the GPU, each valid until the next; any package takes them where they lie.

    Args:
        stream: on a GPU.
        frames: uint8 `[H, W, 3]` on the GPU, BGR.
        mask: of the first frame, uint8 `[H, W]` in host memory.
    """
    for index, frame in enumerate(frames):
        yield stream.step(frame, mask=mask if index == 0 else None).on_device


def main(package: str) -> None:
    """Count the pixels of object 1 on the GPU, by the package that the frames come from."""
    stream = Segmenter("cfbi-lite-davis", require="cuda").stream()
    with open_source("test://480x854?frames=20") as source:
        scene = list(source)
    assert scene[0].truth is not None
    frames = (UPLOADS[package](frame.image) for frame in scene)
    for labels in follow(stream, frames, scene[0].truth):
        print(count(labels, package))


def count(labels: Any, package: str) -> int:
    """Pixels of object 1, counted where they lie."""
    if package == "torch":
        import torch

        return int((torch.as_tensor(labels, device="cuda") == 1).sum())
    if package == "cupy":
        import cupy

        return int((cupy.asarray(labels) == 1).sum())
    import pycuda.gpuarray

    borrowed = pycuda.gpuarray.GPUArray(labels.shape, np.uint8, gpudata=labels.pointer, base=labels)
    return int((borrowed.get() == 1).sum())


if __name__ == "__main__":
    main(sys.argv[1])
