"""Checks J, F and their statistics against golden numbers: a `.json` file with its `.npz` beside it.

The values were made by DAVIS' own program. Everything is compared: single frames with their counts of
boundary pixels, sequences frame by frame, summaries over sequences, and statistics of plain series. Needs no
torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.array_archive import read_arrays
from vosrt.benchmarks.clip_score import ClipScorer, ObjectScore, Summary, davis_ids, inner_frames
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.benchmarks.jf_metric import boundary_map, contour_match, region_similarity
from vosrt.benchmarks.jf_statistics import Statistics, statistics_of
from vosrt.errors import InputError

Arrays = Mapping[str, NDArray[Any]]
IMPLEMENTATION = "metric"  # in the record
_PARTS = ("cases", "sequences", "global", "global_with_void_label", "statistics")


def check_metric_file(path: str | Path, record: GoldenRecord) -> None:
    """Compute every value of a file again and compare.

    Raises:
        InputError: it is no golden file of the metric, or its arrays are missing.
    """
    document, arrays = _read(Path(path))
    try:
        for case in document["cases"]:
            _compare_case(case, arrays, record)
        scores = {one["name"]: _compare_sequence(one, arrays, record) for one in document["sequences"]}
        for part in ("global", "global_with_void_label"):
            chosen = [score for name in document[part]["sequences"] for score in scores[name].values()]
            _compare_summary(Summary.of(chosen), document[part], record, part)
        for number, entry in enumerate(document["statistics"]):
            _compare_series(entry, record, f"series {number}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no complete golden file ({error!r})") from error
    counts = f"{len(document['cases'])} pairs of masks, {len(scores)} sequences"
    print(f"{Path(path).stem}: {counts}, {len(document['statistics'])} series", flush=True)


def _read(path: Path) -> tuple[Mapping[str, Any], Arrays]:
    archive = path.with_suffix(".npz")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or not set(_PARTS) <= set(document):
            raise InputError(f"{path} holds no golden numbers of J and F", allowed=", ".join(_PARTS))
        return document, read_arrays(archive)
    except (OSError, ValueError) as error:
        cure = f"give a .json file of the metric with {archive.name} beside it"
        raise InputError(f"{path} is no golden file ({error})", cure=cure) from error


def _compare_case(case: Mapping[str, Any], arrays: Arrays, record: GoldenRecord) -> None:
    key = case["key"]
    void = arrays[f"{key}_void"] > 0 if case["has_void"] else None
    for name, stored in case["objects"].items():
        truth, found = arrays[f"{key}_gt"] == int(name), arrays[f"{key}_res"] == int(name)
        place = f"{key} {case['name']}, object {name}"
        match = contour_match(truth, found, void=void, bound=case["bound_th"])
        _compare(record, "J", region_similarity(truth, found, void=void), stored["J"], place)
        _compare(record, "F", match.f, stored["F"], place)
        counts = [match.radius, match.truth, match.found, match.matched_truth, match.matched_found]
        names = ["bound_pix", "n_boundary_gt", "n_boundary_res", "matched_gt", "matched_res"]
        _compare(record, "boundary counts", counts, [stored[name] for name in names], place)
        if case["has_gt_boundary"] and name == "1":
            _compare(record, "boundary map", boundary_map(truth), arrays[f"{key}_gt_boundary"] > 0, place)


def _compare_sequence(
    entry: Mapping[str, Any], arrays: Arrays, record: GoldenRecord
) -> dict[int, ObjectScore]:
    truths, results = arrays[f"{entry['key']}_gt"], arrays[f"{entry['key']}_res"]
    names = [f"{index:05d}" for index in range(len(truths))]
    scorer = ClipScorer(dict.fromkeys(davis_ids(truths[0]), inner_frames(names)))
    for name, truth, found in zip(names, truths, results, strict=True):
        scorer.add(name, found, truth)
    scores = scorer.scores()
    _compare(record, "objects", sorted(scores), sorted(map(int, entry["objects"])), entry["name"])
    for name, stored in entry["objects"].items():
        score, place = scores[int(name)], f"{entry['name']}, object {name}"
        _compare(record, "J", score.j_values, stored["J"]["per_frame"], place)
        _compare(record, "F", score.f_values, stored["F"]["per_frame"], place)
        _compare_statistics(score.j, stored["J"], record, f"{place}, J")
        _compare_statistics(score.f, stored["F"], record, f"{place}, F")
    _compare_summary(Summary.of(scores.values()), entry["sequence"], record, entry["name"])
    return scores


def _compare_summary(summary: Summary, stored: Mapping[str, float], record: GoldenRecord, place: str) -> None:
    _compare(record, "J&F", summary.j_and_f, stored["J&F-Mean"], place)
    for measure, found in (("J", summary.j), ("F", summary.f)):
        named = {name.lower(): stored[f"{measure}-{name}"] for name in ("Mean", "Recall", "Decay")}
        _compare_statistics(found, named, record, f"{place}, {measure}")


def _compare_series(entry: Mapping[str, Any], record: GoldenRecord, place: str) -> None:
    values = [math.nan if value is None else value for value in entry["values"]]
    _compare_statistics(statistics_of(values), entry, record, f"{place}, {len(values)} frames")


def _compare_statistics(
    found: Statistics, stored: Mapping[str, float | None], record: GoldenRecord, place: str
) -> None:
    """Series tell both decays; of shorter sequences, where they are one, the official one is stored."""
    _compare(record, "mean", found.mean, stored["mean"], place)
    _compare(record, "recall", found.recall, stored["recall"], place)
    _compare(record, "official decay", found.official_decay, stored["decay"], place)
    _compare(record, "decay", found.decay, stored.get("decay_with_wide_index", stored["decay"]), place)


def _compare(record: GoldenRecord, stage: str, found: Any, stored: Any, place: str) -> None:
    """Compare numbers; a value that both sides do not have (NaN, null) is equal."""
    one, other = _numbers(found), _numbers(stored)
    if one.shape == other.shape:
        neither = np.isnan(one) & np.isnan(other)
        one, other = np.where(neither, 0, one), np.where(neither, 0, other)
    record.add(IMPLEMENTATION, stage, one, other, place)


def _numbers(given: Any) -> NDArray[np.float64]:
    values: Iterable[Any] = given if isinstance(given, list | tuple | np.ndarray) else [given]
    return np.asarray([math.nan if value is None else value for value in values], np.float64)
