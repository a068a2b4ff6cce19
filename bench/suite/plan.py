"""What is run, for how long and how often."""

from typing import NamedTuple


class Measurement(NamedTuple):
    name: str
    ms: int            # for each figure
    repetitions: int
    tuned: bool = False        # the tuned client is measured too
    native_only: bool = False  # there is nothing of a server in it
    limit_s: int = 60


FULL = [
    Measurement("wake", 200, 5, native_only=True),
    Measurement("floor", 200, 3, native_only=True),
    Measurement("latency", 300, 5),
    Measurement("submit", 300, 5, tuned=True),
    Measurement("record", 200, 5),
    Measurement("threads", 200, 5),
    Measurement("create", 150, 5, tuned=True),
    Measurement("descriptors", 150, 5),
    Measurement("pipelines", 200, 5),
    Measurement("memory", 200, 5),
    Measurement("mapped", 300, 5),
    Measurement("compute", 300, 3),
    Measurement("frame", 400, 5),
    Measurement("poll", 800, 3, tuned=True),
    Measurement("fps", 5000, 2, tuned=True),
    Measurement("idle", 7000, 1),
    Measurement("storm", 600, 3),
    Measurement("start", 4000, 2),
]

# Against sleeping at once, on one core and on two.
WAITING = [
    Measurement("latency", 100, 3),
    Measurement("submit", 100, 3, tuned=True),
    Measurement("record", 60, 3),
    Measurement("threads", 100, 3),
    Measurement("create", 60, 3),
    Measurement("descriptors", 60, 3),
    Measurement("memory", 80, 3),
    Measurement("frame", 150, 3),
]


def shortened(measurement):
    """For a look: a tenth of the time, and not often enough for a verdict."""
    least = {"idle": 4000, "fps": 1000}.get(measurement.name, 20)
    return measurement._replace(ms=max(measurement.ms // 10, least),
                                repetitions=min(measurement.repetitions, 2))
