"""What the page gets for every frame: numbers, the picture, and the label map by itself."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from vosrt.cameras import View
from vosrt.optional_import import import_for

_QUALITY = 80  # of JPEG
_LARGEST_SIDE = 1280  # pixels that are sent; the page shows no more


def live_message(view: View, status: dict[str, Any], names: dict[int, str]) -> bytes:
    """One message of the live channel.

    Two little-endian uint32 with the lengths of JSON and JPEG, the JSON, the JPEG of the frame, and a grey
    PNG whose values are object ids. The client draws the masks, so colours and opacity are its own.

    Args:
        view: what is shown.
        status: of the camera, for the JSON; objects that it does not name any more are left out.
        names: of objects, by id.
    """
    cv2 = import_for("sending frames", "cv2")
    image, labels = view.frame.image, view.result.labels
    height, width = labels.shape
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    picture = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    plane = cv2.imencode(".png", np.ascontiguousarray(labels), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    result = view.result
    document = {
        **status,
        "frame": view.frame.name,
        "size": [height, width],
        "time": view.frame.timestamp,
        "age": view.age,
        "milliseconds": result.timings.get("total"),
        "objects": [
            {
                "id": value,
                "name": names.get(value, f"object {value}"),
                "confidence": result.confidence.get(value),
                "is_lost": value in result.lost,
            }
            for value in result.ids
            if value in status["objects"]
        ],
    }
    text = json.dumps(document).encode()
    return struct.pack("<II", len(text), len(picture)) + text + picture + plane
