"""Results leave the process without what lies on its GPU."""

from __future__ import annotations

import copy
import pickle

import numpy as np

from tests.runtime.cuda.scene import scene
from vosrt.stream import Stream


def test_results_can_be_pickled_without_what_lies_on_the_gpu(device, variants):
    device.driver.bindings = pickle  # as real drivers hold a module
    images, masks = scene(1)
    result = Stream(variants[:1], device).step(images[0], mask=masks[0])
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert np.array_equal(again.labels, result.labels)
        assert again.on_device is None
    assert result.on_device is not None
