"""What a graph reads, as a GPU's executor takes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array
from vosrt.manifest import Graph


def inputs_on_gpu(
    graph: Graph, inputs: Mapping[str, Array], device: CudaDevice
) -> tuple[NDArray[np.int64] | None, dict[str, Array]]:
    """The size of the network's input, and all other inputs on the device.

    Args:
        graph: by the manifest.
        inputs: arrays of the device, or small ones of the host.
        device: where the graph runs.

    Returns:
        the size, None where the graph does not take it: it is part of what runs; and arrays by name.
    """
    size, arrays = None, {}
    for name, value in graph.inputs.items():
        array = inputs[name]
        if value.source == "size":
            size = np.asarray(array, np.int64)
        elif isinstance(array, np.ndarray):
            arrays[name] = device.constant(np.ascontiguousarray(array))
        else:
            arrays[name] = array
    return size, arrays
