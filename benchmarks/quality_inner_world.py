"""Inner units of a track, crops of real images for each, and the pictures that are judged beside them."""

import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from quality_data import Data, load_data
from quality_entries import REAL, Entry
from quality_protocol import Judge
from torch.utils.data import TensorDataset
from trained import load_networks, network_of

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.metrics import check_entry, check_judge, check_splits
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.recipes.vital import Vital
from fvhooks.synthesis.references.crops import best_crops, reference_crops

FILE = Path(__file__).with_name("quality_inner_protocol.json")
CONTROLS = ("swapped", "untrained", "next")
"""What is wrong on purpose: another unit's references; random weights; the pictures of the next unit."""


@dataclass(frozen=True)
class Track:
    """What is pictured, how often, and by whom it is judged; all from the protocol.

    `data`: whose images. `size`: what the network has them enlarged to, None for as they are. `side`: theirs.
    """

    network: str
    digest: str
    seed: int
    range: float
    high: float
    draws: int
    references: int
    side: int
    layers: tuple[str, ...]
    layer: str
    units: int
    seeds: int
    firing: float
    held_out: int
    calibration: int
    judges: tuple[Judge, ...]
    data: str = "cifar10"
    size: int | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The depths up to the units' own, which recipes may match."""
        return self.layers[: self.layers.index(self.layer) + 1]


def load_tracks(path: Path = FILE) -> dict[str, Track]:
    """The tracks of the protocol; one that is added leaves the digest of the others as it was."""
    given = json.loads(path.read_text(encoding="utf-8"))
    judges = {name: Judge(name, **about) for name, about in given.pop("judges").items()}
    shared = {name: value for name, value in given.items() if name not in ("tracks", "version")}
    tracks = {}
    for name, about in given["tracks"].items():
        about["judges"] = tuple(judges[judge] for judge in about["judges"])
        about["layers"] = tuple(about["layers"])
        said = repr((name, sorted(shared.items()), sorted(about.items())))
        digest = sha256(said.encode()).hexdigest()[:12]
        tracks[name] = Track(network=name, digest=digest, **shared, **about)
    return tracks


@dataclass(eq=False)
class World:
    """The pictured network, its store, its units, and three sets of crops that share no image."""

    track: Track
    folder: Path
    networks: ModuleType = field(default_factory=load_networks)

    @property
    def protocol(self) -> Track:
        """For `quality_entries`, which asks it for the number of seeds."""
        return self.track

    @cached_property
    def data(self) -> Data:
        return load_data(self.networks, self.track.data)

    def attach(self, name: str, size: int | None, *, untrained: bool = False) -> fv.HookedModel:
        model, mean, std = network_of(self.networks, name, size, untrained=untrained)
        return fv.attach(model, mean=mean, std=std, input_shape=(3, self.track.side, self.track.side))

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return self.attach(self.track.network, self.track.size)

    def judge(self, judge: Judge) -> fv.HookedModel:
        found = self.attach(judge.name, judge.size)
        check_judge(self.hooked, found, name=judge.name)
        return found

    @cached_property
    def store(self) -> fv.Store:
        data = TensorDataset(self.data.images, self.data.labels)
        where = self.folder / "stats.zarr"
        return fv.collect(self.hooked, data, where, layers=list(self.track.layers), show_progress=False)

    @cached_property
    def units(self) -> list[fv.Unit]:
        """Drawn at random among those that fire often enough for as many crops as are needed."""
        firing = np.flatnonzero(self.store[self.track.layer].active_fraction.values >= self.track.firing)
        drawn = np.random.default_rng(self.track.seed).choice(firing, self.track.units, replace=False)
        return [fv.Unit(self.track.layer, int(channel)) for channel in np.sort(drawn)]

    @property
    def channels(self) -> np.ndarray:
        return np.array([unit.channel for unit in self.units])

    def of_split(self, split: str) -> torch.Tensor:
        """Images of a split of the store; the report split has the test images with it."""
        table = self.store.images_table
        ids = table.id.values[table.split.values == split]
        check_splits(table.id.values[table.split.values == "reference"], ids)
        images = self.store.images([str(name) for name in ids])
        if split == "report":
            images = torch.cat([images, self.data.tests.float() / 255])
        return images

    def peaks(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The largest activation of every unit of the layer in each image, and where it is."""
        layer, values, places = self.hooked.resolve(self.track.layer), [], []
        with torch.no_grad():
            for batch in torch.split(images, 32):
                most = look(self.hooked, batch, [layer])[layer].max(-1)
                values.append(most.values.numpy())
                places.append(most.indices.numpy())
        return np.concatenate(values), np.concatenate(places)

    def crops(self, split: str, count: int) -> tuple[torch.Tensor, np.ndarray]:
        """Crops of the strongest images of each unit in a split, and the peaks of all units in its images."""
        images = self.of_split(split)
        values, places = self.peaks(images)
        found = []
        for unit in self.units:
            best = np.argsort(-values[:, unit.channel], kind="stable")[:count]
            positions = places[best, unit.channel].tolist()
            found.append(best_crops(self.hooked, unit, images[best], positions))
        return torch.stack(found), values

    @cached_property
    def report(self) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Of each unit fresh crops, one a picture, and the rest, drawn apart; peaks in whole images."""
        count = self.track.seeds + self.track.held_out
        crops, natural = self.crops("report", count)
        rng = np.random.default_rng(self.track.seed)
        order = torch.from_numpy(np.stack([rng.permutation(count) for _ in self.units]))
        mixed = torch.stack([some[rows] for some, rows in zip(crops, order, strict=True)])
        return mixed[:, : self.track.seeds], mixed[:, self.track.seeds :], natural

    @cached_property
    def references(self) -> torch.Tensor:
        """What recipes are given: crops of the strongest reference images, the strongest first."""
        count = self.track.references
        return torch.stack([reference_crops(self.hooked, self.store, unit, count) for unit in self.units])


def made(world: World, name: str) -> Entry:
    """Pictures of a recipe, cached or made now; what follows @ is wrong on purpose."""
    recipe, _, control = name.partition("@")
    if control and control not in CONTROLS:
        raise MissingInputError(f"Expected a control of {', '.join(CONTROLS)} after @, got {control!r}.")
    if control == "next":
        own = made(world, recipe)
        return replace(own, name=name, kind="control", images=own.images.roll(-1, 0))
    path = world.folder / f"{name}-{world.track.units}x{world.track.seeds}.npz"
    if not path.exists():
        begun = time.process_time()
        images = _controlled(world, name) if control else _visualized(world, recipe)
        spent = (time.process_time() - begun) / (world.track.units * world.track.seeds)
        np.savez(path, images=images, seconds=spent)
    with np.load(path) as kept:
        images, seconds = torch.from_numpy(kept["images"]), float(kept["seconds"])
    size = (world.track.side, world.track.side)
    checked = check_entry(images, units=world.track.units, seeds=world.track.seeds, size=size)
    return Entry(name, "control" if control else "recipe", checked, seconds)


def _visualized(world: World, recipe: str) -> np.ndarray:
    found = fv.visualize(
        world.hooked, world.units, recipe, world.store, seeds=world.track.seeds, show_progress=False
    )
    return np.asarray(found.images.transpose("unit", "seed", "rgb", "y", "x").values)


def _controlled(world: World, name: str) -> np.ndarray:
    """`vital` of the next unit's references, or of its own as a network of random weights sees them."""
    if not name.startswith("vital@"):
        raise MissingInputError(f"Only 'vital' takes images of our choice for a unit, not {name!r}.")
    untrained = name.endswith("@untrained")
    hooked = (
        world.attach(world.track.network, world.track.size, untrained=True) if untrained else world.hooked
    )
    given = world.references if untrained else world.references.roll(-1, 0)
    pictures = []
    for unit, images in zip(world.units, given[:, : Vital().references], strict=True):
        recipe = Vital(nodes=world.track.nodes, images=images)
        found = fv.visualize(hooked, [unit], recipe, seeds=world.track.seeds, show_progress=False)
        pictures.append(found.images.transpose("unit", "seed", "rgb", "y", "x").values)
    return np.concatenate(pictures)


def trivial(world: World) -> list[Entry]:
    """Real crops that no picture was made from, and what anyone can hand in without making a picture."""
    count, crops = world.track.seeds, world.references
    copies = crops[:, :1].expand(-1, count, -1, -1, -1)
    means = crops.mean(1, keepdim=True).expand(-1, count, -1, -1, -1)
    noise = torch.rand(copies.shape, generator=torch.Generator().manual_seed(0))
    floors = {"copy": copies, "crop mean": means, "grey": torch.full_like(copies, 0.5), "noise": noise}
    return [
        Entry(REAL, "real", world.report[0]),
        *(Entry(name, "floor", images) for name, images in floors.items()),
        Entry("references", "shown", crops[:, :count]),
    ]
