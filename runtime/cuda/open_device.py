"""The GPU's memory and small graphs, with whatever is installed."""

from __future__ import annotations

from vosrt.cuda.cuda_device import CudaDevice, SmallGraphs
from vosrt.cuda.driver import CudaDriver, open_driver
from vosrt.cuda.kernel_library import KernelLibrary
from vosrt.native_libraries import native_library


def open_cuda_device(driver: CudaDriver | None = None) -> CudaDevice:
    """The current GPU.

    Args:
        driver: None for the first that works.

    Raises:
        MissingDependencyError: no package can use a GPU here.
    """
    return CudaDevice(driver or open_driver(), _small_graphs)


def _small_graphs(device: CudaDevice) -> SmallGraphs:
    """As kernels where they have been built, else on ONNX Runtime."""
    library = native_library("vosrt_kernels")
    if library is not None:
        return KernelLibrary(library, _no_workspace, device.stream).arithmetic
    from vosrt.cuda.small_graph_sessions import SmallGraphSessions

    return SmallGraphSessions(device)


def _no_workspace(size: int) -> None:
    raise AssertionError("small graphs need none")
