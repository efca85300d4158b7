"""The custom operators: one definition each, and every implementation of it."""

from vosrt.plugins.convolution import (
    CONVOLUTION_1X1,
    CONVOLUTION_1X1_RELU,
    CONVOLUTION_3X3,
    CONVOLUTION_3X3_RELU,
    convolution_1x1,
    convolution_3x3,
)
from vosrt.plugins.directional_matching import DIRECTIONAL_MATCHING, directional_matching
from vosrt.plugins.frame_image import FRAME_IMAGE, frame_image
from vosrt.plugins.frame_labels import (
    FRAME_LABELS,
    FRAME_PROBABILITIES,
    frame_labels,
    frame_probabilities,
)
from vosrt.plugins.global_matching import GLOBAL_MATCHING, global_matching
from vosrt.plugins.least_other import LEAST_OTHER, least_other
from vosrt.plugins.local_matching import LOCAL_MATCHING, local_matching
from vosrt.plugins.memory_read import MEMORY_READ, memory_read
from vosrt.plugins.normalization import (
    CHANNEL_GATE,
    GROUP_NORM,
    GROUP_NORM_RELU,
    channel_gate,
    group_norm,
)
from vosrt.plugins.operator import DOMAIN, NO_CANDIDATE, Attribute, Operator, Port
from vosrt.plugins.separable_resize import SEPARABLE_RESIZE, separable_resize

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        CHANNEL_GATE,
        CONVOLUTION_1X1,
        CONVOLUTION_1X1_RELU,
        CONVOLUTION_3X3,
        CONVOLUTION_3X3_RELU,
        DIRECTIONAL_MATCHING,
        FRAME_IMAGE,
        FRAME_LABELS,
        FRAME_PROBABILITIES,
        GLOBAL_MATCHING,
        GROUP_NORM,
        GROUP_NORM_RELU,
        LEAST_OTHER,
        LOCAL_MATCHING,
        MEMORY_READ,
        SEPARABLE_RESIZE,
    )
}

__all__ = [
    "DOMAIN",
    "NO_CANDIDATE",
    "OPERATORS",
    "Attribute",
    "Operator",
    "Port",
    "channel_gate",
    "convolution_1x1",
    "convolution_3x3",
    "directional_matching",
    "frame_image",
    "frame_labels",
    "frame_probabilities",
    "global_matching",
    "group_norm",
    "least_other",
    "local_matching",
    "memory_read",
    "separable_resize",
]
