"""The frozen protocol of the quality benchmark: what is judged, by whom, where, with how many seeds."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("quality_protocol.json")


@dataclass(frozen=True)
class Judge:
    """A network that took no part in making the pictures, and the layer whose features it gives.

    `size`: the side that images are enlarged to for it, None where it takes them as they are. `classes`:
    "own" where its outputs are numbered as the data set's, "imagenet" where it knows the classes of ImageNet.
    """

    name: str
    family: str
    layer: str
    size: int | None = None
    classes: str = "own"


@dataclass(frozen=True)
class Draw:
    """The rule by which a track's outputs were chosen, by chance among those that the network knows.

    `known`: the least share of a class's references that the network is right about. `images`: the fewest
    calibration images and the fewest report images of a class.
    """

    seed: int
    known: float
    images: int


@dataclass(frozen=True)
class Track:
    """One pictured network: its images, its outputs, the depths of its path, and its judges.

    `outputs`: which of the network's; a unit is a place among them. `digest`: tells two versions apart of
    what a score depends on, the shared settings and this track. `size`: as of a judge. `real`: the splits
    that pictures are judged beside. `fresh`: real images a class that are judged as the pictures are.
    """

    network: str
    data: str
    outputs: tuple[int, ...]
    layers: tuple[str, ...]
    output: str
    judges: tuple[Judge, ...]
    digest: str
    fresh: int
    size: int | None = None
    real: tuple[str, ...] = ("report",)
    drawn: Draw | None = None

    @property
    def units(self) -> int:
        """How many outputs are looked into."""
        return len(self.outputs)


@dataclass(frozen=True)
class Protocol:
    """Everything that two runs must share for their numbers to be compared."""

    version: str
    seeds: int
    references: str
    calibration: int
    range: float
    draws: int
    tracks: dict[str, Track]


def load_protocol(path: Path = FILE) -> Protocol:
    """The protocol as its file says; another track in it changes no other track's digest."""
    given = json.loads(path.read_bytes())
    judges, tracks = given.pop("judges"), given.pop("tracks")
    return Protocol(tracks={name: _track(name, tracks[name], judges, given) for name in tracks}, **given)


def _track(name: str, about: dict[str, Any], judges: dict[str, Any], shared: dict[str, Any]) -> Track:
    asked = {judge: judges[judge] for judge in about["judges"]}
    text = json.dumps({"shared": shared, "track": {"network": name} | about, "judges": asked}, sort_keys=True)
    told = about | {
        "outputs": tuple(about["outputs"]),
        "layers": tuple(about["layers"]),
        "judges": tuple(Judge(judge, **said) for judge, said in asked.items()),
        "real": tuple(about.get("real", ("report",))),
        "fresh": about.get("fresh", shared["seeds"]),
        "drawn": Draw(**about["drawn"]) if "drawn" in about else None,
    }
    return Track(name, digest=sha256(text.encode()).hexdigest()[:12], **told)
