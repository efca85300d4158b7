"""What other machines should reach, from operations and bytes counted here: a projection, no measurement.

    python -m vosrt.benchmarks.projection BUNDLE --size 480x854 --objects 1

runs a bundle on the CPU as `graph_profile` does. On a machine, the nodes of a kind take the longer of two
times: of their operations at a share of the peak of dense matrix products in float16, and of their bytes in
float16 at a share of the memory's rate. Every node adds the time from one kernel to the next in a CUDA graph.
Engines fuse nodes, and kernels of small maps do not fill a large GPU: this leaves out both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vosrt.benchmarks.graph_profile import GraphProfile, add_options, profile_bundle
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.required_packages import require_packages
from vosrt.errors import Error

# Shares of the peaks. Global matching reached 0.48 of a product's measured rate on an H200 and 0.47 on an
# H100, which is 0.7 to 0.8 of the data sheet's.
OPERATIONS_SHARE, BYTES_SHARE = 0.35, 0.6
BETWEEN_KERNELS = 2e-6  # seconds
_MULTIPLYING = ("convolution", "matching", "matrix product")


@dataclass(frozen=True)
class Machine:
    """Of a data sheet: dense float16 products with tensor cores, and memory, per second."""

    name: str
    operations: float
    bytes: float


MACHINES = (
    Machine("Jetson AGX Orin 64 GB", 42.5e12, 0.205e12),
    Machine("V100 SXM2", 125e12, 0.9e12),
    Machine("H100 SXM", 989e12, 3.35e12),
    Machine("H200", 989e12, 4.8e12),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.projection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    options = parser.parse_args(argv)
    try:
        require_packages("reading the attributes of operators", ("onnx", "onnxruntime"))
        profiles, _ = profile_bundle(options)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(profiles))
    return 0


def project(profiles: Mapping[str, GraphProfile], machine: Machine) -> dict[str, float]:
    """Seconds of a frame by what they go to: products, other kernels' bytes, gaps between kernels."""
    found = {"products": 0.0, "other kernels": 0.0, "between kernels": 0.0}
    for profile in profiles.values():
        for group, spent in profile.groups().items():
            moving = spent.bytes / 2 / (BYTES_SHARE * machine.bytes)  # counted in float32
            multiplying = spent.operations / (OPERATIONS_SHARE * machine.operations)
            found["products" if group in _MULTIPLYING else "other kernels"] += max(moving, multiplying)
            found["between kernels"] += spent.nodes * BETWEEN_KERNELS
    return found


def report(profiles: Mapping[str, GraphProfile]) -> str:
    """A table in Markdown."""
    rows = [["projected, float16", "products, ms", "other kernels, ms", "between kernels, ms", "frames/s"]]
    for machine in MACHINES:
        parts = project(profiles, machine)
        rows.append(
            [
                machine.name,
                *(f"{1e3 * seconds:.2f}" for seconds in parts.values()),
                f"{1 / sum(parts.values()):.0f}",
            ]
        )
    total = [profile.total for profile in profiles.values()]
    operations, moved, nodes = (
        sum(getattr(one, name) for one in total) for name in ("operations", "bytes", "nodes")
    )
    counted = f"{operations / 1e9:.1f} GFLOP, {moved / 1e6:.0f} MB in float32, {nodes:.0f} nodes per frame"
    return f"{counted}\n\n{markdown(rows)}"


if __name__ == "__main__":
    sys.exit(main())
