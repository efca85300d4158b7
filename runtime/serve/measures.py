"""Figures for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from vosrt.cameras import View
from vosrt.serve.camera_group import CameraGroup

_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10)  # seconds


class Measures:
    """Counts views as they come; what cameras know themselves is asked for when somebody looks.

    On Linux the process's memory, processor time and open files are among them (`process_…`).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._frames = Counter("vosrt_frames", "frames segmented", ("camera",), registry=self.registry)
        times: dict[str, Any] = {"buckets": _BUCKETS, "registry": self.registry}
        age = "from a frame's arrival to its masks"
        self._age = Histogram("vosrt_frame_age_seconds", age, ("camera",), **times)
        self._stages = Histogram("vosrt_stage_seconds", "time of a stage", ("camera", "stage"), **times)
        self._gauges = {
            name: Gauge(f"vosrt_{name}", text, ("camera",), registry=self.registry)
            for name, text in {
                "frames_per_second": "frames segmented in the last seconds",
                "dropped_frames": "frames that newer ones replaced",
                "scale": "part of both sides of a frame that is left when it is segmented",
                "reconnects": "how often the source came back",
                "objects": "objects that are followed",
                "lost_objects": "objects that are lost",
                "is_live": "whether frames come",
            }.items()
        }

    def seen(self, camera: str, view: View) -> None:
        """Count a view."""
        self._frames.labels(camera).inc()
        self._age.labels(camera).observe(view.age)
        for stage, milliseconds in view.result.timings.items():
            self._stages.labels(camera, stage).observe(milliseconds / 1e3)

    def text(self, cameras: CameraGroup) -> bytes:
        """In Prometheus' text format."""
        for name in cameras.names:
            status = cameras.status(name)
            values = {
                "frames_per_second": status["fps"],
                "dropped_frames": status["dropped"],
                "scale": status["scale"],
                "reconnects": status["reconnects"],
                "objects": len(status["objects"]),
                "lost_objects": len(status["lost"]),
                "is_live": status["state"] == "live",
            }
            for key, value in values.items():
                self._gauges[key].labels(name).set(value)
        return generate_latest(self.registry)
