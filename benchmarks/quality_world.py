"""The pictured network of a track, its doubles for controls, its store, and real images apart from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import xarray as xr
from quality_data import Data, load_data
from quality_protocol import Draw, Judge, Protocol, Track
from torch.utils.data import TensorDataset
from trained import load_networks, network_of

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.metrics import check_judge, check_splits

CONTROLS = ("untrained", "permuted", "swapped")
"""What is wrong on purpose: random weights; another class's output weights; another class's references."""


@dataclass
class World:
    """What pictures are made of and judged by; everything slow is made when it is first asked for."""

    protocol: Protocol
    track: Track
    folder: Path
    networks: ModuleType = field(default_factory=load_networks)

    @cached_property
    def data(self) -> Data:
        return load_data(self.networks, self.track.data)

    @property
    def outputs(self) -> np.ndarray:
        """The pictured network's output of each unit."""
        return np.array(self.track.outputs)

    def outputs_of(self, judge: Judge) -> np.ndarray:
        """The judge's output of each unit."""
        return np.array(self.data.imagenet)[self.outputs] if judge.classes == "imagenet" else self.outputs

    def places(self, labels: Sequence[int] | np.ndarray) -> np.ndarray:
        """Which unit each image is of, −1 for none."""
        found = np.full(len(self.data.names), -1)
        found[self.outputs] = np.arange(self.track.units)
        return found[np.asarray(labels)]

    def attach(self, name: str, size: int | None, control: str = "") -> fv.HookedModel:
        """A network that takes the images of the data set; behind `enlarge` where it wants larger ones."""
        model, mean, std = network_of(self.networks, name, size, untrained=control == "untrained")
        if control == "permuted":
            permute_outputs(model, self.track.output)
        return fv.attach(model, mean=mean, std=std, input_shape=tuple(self.data.images.shape[1:]))

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return self.attach(self.track.network, self.track.size)

    def judge(self, judge: Judge) -> fv.HookedModel:
        """A judge, refused where it is the pictured network itself."""
        found = self.attach(judge.name, judge.size)
        check_judge(self.hooked, found, name=judge.name)
        return found

    @cached_property
    def store(self) -> fv.Store:
        """Statistics of all real images; refused where the track's outputs are not what its rule draws."""
        found = fv.collect(
            self.hooked,
            TensorDataset(self.data.images, self.data.labels),
            self.folder / "stats.zarr",
            layers=self.track.layers,
        )
        if self.track.drawn is not None:
            expected = drawn_outputs(found.images_table, self.track.drawn, self.track.units)
            if expected != list(self.track.outputs):
                raise MissingInputError(
                    f"The protocol lists the outputs {list(self.track.outputs)}, its rule draws {expected}: "
                    "the images or the network are others than it was written for."
                )
        return found

    def store_of(self, control: str) -> fv.Store:
        """Statistics for a control: of its own network, or with every label moved on by one.

        Where the outputs are a choice, of images of these labels alone: a recipe asks for no others.
        """
        if not control:
            return self.store
        own = control in ("untrained", "permuted")
        hooked = self.attach(self.track.network, self.track.size, control) if own else self.hooked
        labels = self.data.labels
        given = (labels + 1) % len(self.data.names) if control == "swapped" else labels
        rows = np.flatnonzero(self.places(given) >= 0)
        kept = TensorDataset(self.data.images[rows], given[rows])
        ids = None if len(rows) == len(given) else [str(row) for row in rows]
        path = self.folder / f"stats@{control}.zarr"
        return fv.collect(hooked, kept, path, layers=self.track.layers, ids=ids)

    @cached_property
    def _judged_rows(self) -> np.ndarray:
        """Rows of the store's images that no picture was made from, of the track's splits and units."""
        table = self.store.images_table
        chosen = np.isin(table.split.values, self.track.real) & (self.places(table.label.values) >= 0)
        made_from = table.id.values[table.split.values == self.protocol.references]
        check_splits(made_from, table.id.values[chosen])
        return np.flatnonzero(chosen)

    @cached_property
    def real(self) -> tuple[torch.Tensor, np.ndarray]:
        """Real images that no picture was made from, and the unit that each is of; test images behind."""
        held = self.store.images_table["index"].values[self._judged_rows]
        both = torch.cat([self.data.images[held], self.data.tests]).float() / 255
        labels = np.concatenate([self.data.labels.numpy()[held], self.data.test_labels.numpy()])
        return both, self.places(labels)

    @property
    def reported(self) -> torch.Tensor:
        """The report split of all classes, also of those that are not looked into."""
        table = self.store.images_table
        return self.data.images[table["index"].values[table.split.values == "report"]].float() / 255

    def split(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `fresh` real images a class, class by class, and of the rest.

        Fresh are test images and the report split, whatever else the rest holds.
        """
        labels, rng = self.real[1], np.random.default_rng(seed)
        reported = self.store.images_table.split.values[self._judged_rows] == "report"
        apart = np.concatenate([reported, np.ones(len(self.data.tests), bool)])
        parts = [
            rng.permutation(np.flatnonzero((labels == unit) & apart)) for unit in range(self.track.units)
        ]
        fresh = np.concatenate([part[: self.track.fresh] for part in parts])
        return fresh, np.setdiff1d(np.arange(len(labels)), fresh)

    def reference_images(self, unit: int) -> torch.Tensor:
        table = self.store.images_table
        of_unit = self.places(table.label.values) == unit
        return self.store.images(table.id.values[of_unit & (table.split.values == self.protocol.references)])


def drawn_outputs(table: xr.Dataset, draw: Draw, count: int) -> list[int]:
    """The outputs that a track's rule chooses, in order."""
    labels, split = table.label.values, table.split.values
    right = table.prediction.values == labels

    def fits(label: int) -> bool:
        counts = [int(((labels == label) & (split == part)).sum()) for part in ("calibration", "report")]
        known = right[(labels == label) & (split == "reference")]
        return min(counts) >= draw.images and bool(known.mean() >= draw.known)

    fair = [label for label in np.unique(labels).tolist() if fits(label)]
    return sorted(np.random.default_rng(draw.seed).choice(fair, count, replace=False).tolist())


def permute_outputs(model: torch.nn.Module, layer: str) -> None:
    """Give each output the weights of the next one."""
    linear = model.get_submodule(layer)
    with torch.no_grad():
        for part in (linear.weight, linear.bias):
            part.copy_(part.roll(-1, 0))
