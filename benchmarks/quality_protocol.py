"""The frozen protocol of the quality benchmark: what is judged, by whom, where, with how many seeds."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FILE = Path(__file__).with_name("quality_protocol.json")


@dataclass(frozen=True)
class Judge:
    """A network that took no part in making the pictures, and the layer whose features it gives."""

    name: str
    family: str
    layer: str


@dataclass(frozen=True)
class Track:
    """One pictured network: its class units, the depths of its path, and its judges."""

    network: str
    units: int
    layers: tuple[str, ...]
    output: str
    judges: tuple[Judge, ...]


@dataclass(frozen=True)
class Protocol:
    """Everything that two runs must share for their numbers to be compared."""

    version: str
    digest: str
    seeds: int
    references: str
    calibration: int
    range: float
    draws: int
    tracks: dict[str, Track]


def load_protocol(path: Path = FILE) -> Protocol:
    """The protocol as its file says; `digest` tells two versions of the file apart."""
    raw = path.read_bytes()
    given = json.loads(raw)
    judges = {name: Judge(name, **about) for name, about in given.pop("judges").items()}
    tracks = {
        name: Track(
            name,
            about["units"],
            tuple(about["layers"]),
            about["output"],
            tuple(judges[judge] for judge in about["judges"]),
        )
        for name, about in given.pop("tracks").items()
    }
    return Protocol(digest=sha256(raw).hexdigest()[:12], tracks=tracks, **given)
