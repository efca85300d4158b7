"""Compares golden files with the networks and their exported graphs. Needs torch and what exporting needs."""

from __future__ import annotations

import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vosrt.benchmarks.golden_aggregation import compare_aggregation
from vosrt.benchmarks.golden_directional import compare_directional
from vosrt.benchmarks.golden_file import (
    DirectionalCase,
    FusionCase,
    GoldenSequence,
    MatchingCase,
    MemoryReadCase,
    MemorySequence,
    NetworkKey,
    read_golden,
)
from vosrt.benchmarks.golden_fusion import compare_fusion
from vosrt.benchmarks.golden_matching import compare_matching_case
from vosrt.benchmarks.golden_memory import MemorySequenceRun
from vosrt.benchmarks.golden_memory_read import compare_memory_read
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.benchmarks.golden_sequence import SequenceRun
from vosrt.bundle import Bundle
from vosrt.executor import Executor
from vosrt.export.bundle_writer import ExportSettings, trace_network, write_bundle
from vosrt.export.torch_executor import TorchExecutor
from vosrt.manifest import Checkpoint
from vosrt.models import build_network, load_stand_in_weights, stand_in_source
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor


def check_files(paths: Sequence[str], record: GoldenRecord) -> None:
    """Compare every file; one export per network and options serves all files and salts of that network.

    Raises:
        InputError: a file is not a golden file.
    """
    warnings.filterwarnings("ignore", category=FutureWarning)
    by_network: dict[NetworkKey, list[GoldenSequence | MemorySequence]] = defaultdict(list)
    for path in paths:
        content = read_golden(path)
        if isinstance(content, GoldenSequence | MemorySequence):
            by_network[content.network].append(content)
            continue
        for case in content:
            if isinstance(case, MatchingCase):
                compare_matching_case(case, record)
            elif isinstance(case, MemoryReadCase):
                compare_memory_read(case, record)
            elif isinstance(case, DirectionalCase):
                compare_directional(case, record)
            elif isinstance(case, FusionCase):
                compare_fusion(case, record)
            else:
                compare_aggregation(case, record)
        print(f"{Path(path).stem}: {len(content)} cases", flush=True)
    for key, sequences in by_network.items():
        check_network(key, sequences, record)


def check_network(
    key: NetworkKey, sequences: Sequence[GoldenSequence | MemorySequence], record: GoldenRecord
) -> None:
    """Compare all sequences of one network: traced once, weights exchanged for every salt."""
    network = build_network(key.model, key.backbone, **key.options())
    settings = ExportSettings(taps=True)
    traced = trace_network(network, settings)
    for salt in sorted({sequence.salt for sequence in sequences}):
        load_stand_in_weights(network, salt)
        with tempfile.TemporaryDirectory() as folder:
            source = Checkpoint(stand_in_source(salt), "0" * 64, True)
            manifest = write_bundle(network, traced, source, Path(folder), settings)
            executors: dict[str, Executor] = {
                "torch": TorchExecutor(network, with_taps=True),
                "onnxruntime": OnnxRuntimeExecutor(Bundle.open(folder)),
            }
            for sequence in (sequence for sequence in sequences if sequence.salt == salt):
                for name, executor in executors.items():
                    if isinstance(sequence, MemorySequence):
                        MemorySequenceRun(sequence, manifest, executor, name).compare(record)
                    else:
                        SequenceRun(sequence, manifest, executor, name).compare(record)
                print(f"{sequence.name}: {len(sequence.frames)} frames", flush=True)
