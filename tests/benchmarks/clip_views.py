"""What of a clip is shown to a network, and what is scored."""

from __future__ import annotations

from vosrt.benchmarks.evaluation.clip_prompts import ClipPrompts
from vosrt.benchmarks.evaluation.scored_frames import scorer_of


def shown(clip):
    """The masks that a network gets to see, by frame name."""
    prompts = ClipPrompts(clip)
    given = {name: prompts.at(name) for name in clip.frames}
    return {name: mask for name, mask in given.items() if mask is not None}


def scored(clip):
    """Object id -> how many frames count, with the truth as result."""
    scorer = scorer_of(clip)
    for name, files in clip.truth.items():
        scorer.add(name, files.labels(), files.truth())
    assert all(score.j.mean == 1 for score in scorer.scores().values())
    return {object_id: len(score.j_values) for object_id, score in scorer.scores().items()}
