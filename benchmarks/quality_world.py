"""The pictured network of a track, its doubles for controls, its store, and real images apart from it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from quality_protocol import Protocol, Track
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
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

    def attach(self, name: str, control: str = "") -> fv.HookedModel:
        model, mean, std = self.networks.load(name)
        if control == "untrained":
            torch.manual_seed(0)
            build: Any = self.networks.NETWORKS[name][0]
            model = build().eval().requires_grad_(requires_grad=False)
        elif control == "permuted":
            permute_outputs(model, self.track.output)
        return fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return self.attach(self.track.network)

    def judge(self, name: str) -> fv.HookedModel:
        """A judge, refused where it is the pictured network itself."""
        found = self.attach(name)
        check_judge(self.hooked, found, name=name)
        return found

    @cached_property
    def store(self) -> fv.Store:
        return self.store_of("")

    def store_of(self, control: str) -> fv.Store:
        """Statistics of real images; of a control's network, or with every label moved on by one."""
        images, labels = self.networks.cifar10("train")
        own = control in ("untrained", "permuted")
        hooked = self.attach(self.track.network, control) if own else self.hooked
        given = (labels + 1) % self.track.units if control == "swapped" else labels
        path = self.folder / (f"stats@{control}.zarr" if control else "stats.zarr")
        return fv.collect(hooked, TensorDataset(images, given), path, layers=self.track.layers)

    @cached_property
    def real(self) -> tuple[torch.Tensor, np.ndarray]:
        """Real images that no picture was made from, and their labels: test images and the report split."""
        table = self.store.images_table
        report = np.flatnonzero(table.split.values == "report")
        check_splits(table.id.values[table.split.values == self.protocol.references], table.id.values[report])
        images, labels = self.networks.cifar10("train")
        test, test_labels = self.networks.cifar10("test")
        held = table["index"].values[report]
        both = torch.cat([images[held], test]).float() / 255
        return both, np.concatenate([labels.numpy()[held], test_labels.numpy()])

    def split(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Rows of as many fresh real images a class as pictures, class by class, and of the rest."""
        labels, rng = self.real[1], np.random.default_rng(seed)
        parts = [rng.permutation(np.flatnonzero(labels == unit)) for unit in range(self.track.units)]
        fresh = np.concatenate([part[: self.protocol.seeds] for part in parts])
        return fresh, np.setdiff1d(np.arange(len(labels)), fresh)

    def reference_images(self, unit: int) -> torch.Tensor:
        table = self.store.images_table
        chosen = (table.label.values == unit) & (table.split.values == self.protocol.references)
        return self.store.images(table.id.values[chosen])


def permute_outputs(model: torch.nn.Module, layer: str) -> None:
    """Give each output the weights of the next one."""
    linear = model.get_submodule(layer)
    with torch.no_grad():
        for part in (linear.weight, linear.bias):
            part.copy_(part.roll(-1, 0))
