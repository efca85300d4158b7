"""Operations of a frame, by graph role: as this project computes the network, and as it was published.

    python -m vosrt.benchmarks.network_cost BUNDLE --size 480x854 --objects 3

Counted by PyTorch while it runs the network: two for every multiplication with addition, of convolutions and
matrix products. Frame 0 takes the masks; the last frame is counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.bundle_weights import find_weights
from vosrt.benchmarks.candidate import TORCH, TORCH_PUBLISHED, Candidate
from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.benchmarks.required_packages import require_packages
from vosrt.errors import Error
from vosrt.manifest import read_manifest
from vosrt.shipped_bundles import find_bundle
from vosrt.usable_cores import usable_cores

if TYPE_CHECKING:
    from vosrt.device import Array, Take
    from vosrt.executor import Executor

NAMES = {TORCH: "vosrt", TORCH_PUBLISHED: "as published"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.network_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote")
    parser.add_argument("--size", type=frame_size, default=(480, 854), metavar="HxW", help="(480x854)")
    parser.add_argument("--objects", type=whole_number(1, 254), default=1, metavar="N", help="(1)")
    parser.add_argument(
        "--frames",
        type=whole_number(2, 1000),
        default=3,
        metavar="F",
        help="frames, the last one counted (3)",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights, where they are no stand-ins")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    try:
        require_packages("counting a network's operations")
        counted = {name: count(arguments, name) for name in NAMES}
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps({NAMES[name]: roles for name, roles in counted.items()}))
    else:
        print("\n".join(lines(counted)))
    return 0


def count(arguments: argparse.Namespace, executor: str) -> dict[str, float]:
    """GFLOP of the last frame by graph role.

    Raises:
        Error: the bundle cannot be run by PyTorch.
    """
    from vosrt.benchmarks.torch_stream import open_torch_stream

    manifest = read_manifest(find_bundle(arguments.bundle))
    candidate = Candidate(
        bundle=arguments.bundle,
        title=manifest.name,
        executor=executor,
        precision="float32",
        objects=arguments.objects,
        threads=usable_cores(),
        long_edge=None,
        input_size=manifest.input.resize.network_size(*arguments.size),
        checkpoint=find_weights(manifest, [arguments.checkpoint] if arguments.checkpoint else []),
    )
    counting: list[CountingExecutor] = []

    def watched(plain: Executor) -> CountingExecutor:
        counting.append(CountingExecutor(plain))
        return counting[-1]

    stream = open_torch_stream(candidate, watched)
    clip = generated_clip(arguments.size, arguments.objects, frames=arguments.frames)
    for index in range(arguments.frames):
        counting[0].roles.clear()
        stream.step(clip.frame(index), clip.mask if index == 0 else None)
    return dict(counting[0].roles)


class CountingExecutor:
    """Stands between a stream and a PyTorch executor and counts what every role computes.

    Attributes:
        roles: GFLOP by role, since it was last emptied.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.roles: dict[str, float] = {}

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role; see `vosrt.executor.Executor`."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            outputs = self.executor.run(role, inputs, take)
        self.roles[role] = self.roles.get(role, 0.0) + counter.get_total_flops() / 1e9
        return outputs


def lines(counted: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A table: roles, and a column for each formulation."""
    roles = list(dict.fromkeys(role for of_one in counted.values() for role in of_one))
    rows = [f"{'GFLOP':10}" + "".join(f"{NAMES[name]:>14}" for name in counted)]
    for role in roles:
        rows.append(f"{role:10}" + "".join(f"{of_one.get(role, 0.0):14.1f}" for of_one in counted.values()))
    rows.append(f"{'a frame':10}" + "".join(f"{sum(of_one.values()):14.1f}" for of_one in counted.values()))
    return rows


if __name__ == "__main__":
    sys.exit(main())
