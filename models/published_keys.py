"""Names of parameters in published checkpoints, and the names they have here."""

from __future__ import annotations

import re

# Published prefix (misspelt as published) -> prefix here. The first row that fits decides.
PREFIXES = (
    ("feature_extracter.", "encoder."),
    ("seperate_conv.", "embedding.0."),
    ("bn1.", "embedding.1."),
    ("embedding_conv.", "embedding.3."),
    ("bn2.", "embedding.4."),
    ("dynamic_prehead.", "prehead."),
    ("dynamic_seghead.", "ensembler."),
)
# Second names under which checkpoints repeat a tensor.
ALIASES = (
    (re.compile(r"^semantic_embedding\."), "embedding."),
    (
        re.compile(
            r"^feature_extracter\.backbone\."
            r"(low_level_features|high_level_features|feautre_8x|feature_16x|feature_32x)\."
        ),
        "encoder.backbone.features.",
    ),
)
# Counters that newer PyTorch versions add to batch norms; inference does not read them.
IGNORED = re.compile(r"\.num_batches_tracked$")


def name_here(key: str) -> str:
    """The parameter name used here for a key of a published checkpoint or of one written here."""
    for pattern, replacement in ALIASES:
        if pattern.search(key):
            return pattern.sub(replacement, key)
    for published, here in PREFIXES:
        if key.startswith(published):
            return here + key[len(published) :]
    return key


def published_name(name: str) -> str:
    """The canonical published key of a parameter name used here."""
    for published, here in PREFIXES:
        if name.startswith(here):
            return published + name[len(here) :]
    return name
