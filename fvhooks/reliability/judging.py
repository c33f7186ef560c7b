"""What another network makes of pictures and real images.

A network that was not looked into is the nearest thing to an onlooker: what a picture has in common with real
images only inside the audited network is no help to it.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.reliability.readings import Readings, readings_of
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

_BATCH = 64
_SPREAD = 14  # layers
_USUAL = 256  # real images that say what is usual of a feature
_FEWEST_USUAL = 20


_Seen = dict[str, Float[np.ndarray, "image _"]]


class Judge:
    """Another network, as an onlooker of pictures; it sees each real image once.

    Args:
        hooked: the network.
        store: where real images come from.
    """

    def __init__(self, hooked: HookedModel, store: Store) -> None:
        self.hooked, self.store = hooked, store

    @cached_property
    def readings(self) -> Readings:
        """What is known of real images in the network, also from earlier audits."""
        return readings_of(self.hooked, self.store, self._sized)

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return self.hooked.layout(LOGITS).channels

    def features(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[np.ndarray, "image feature"]:
        """What is unusual of each image: rows of length 1, whose products are similarities."""
        return self._unusual(self._peaks_in(self._see(images)))

    def features_of(self, ids: Sequence[str]) -> Float[np.ndarray, "image feature"]:
        """The same of real images, by their ids."""
        return self._unusual(self._peaks_in(self._see_real(ids)))

    def logits(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[np.ndarray, "image output"]:
        """The network's outputs for some images."""
        return self._see(images)[LOGITS]

    def logits_of(self, ids: Sequence[str]) -> Float[np.ndarray, "image output"]:
        """The same of real images, by their ids."""
        return self._see_real(ids)[LOGITS]

    @cached_property
    def layers(self) -> list[str]:
        """The layers whose channels are compared: the last third of a spread over the network.

        Measured with real images in the place of pictures, on calibration images alone: that third let a
        ResNet-56, a vision transformer and a GoogLeNet foresee most of units of other networks, or as much as
        the best single layer did within 0.4 %.
        """
        probe = self.hooked.probe()
        inner = [name for name in probe if name != LOGITS and probe[name].layout is not None]
        if not inner:
            raise MissingInputError("the judge has no inner layer with channels; pass another network")
        places = np.unique(np.linspace(0, len(inner) - 1, _SPREAD).round().astype(int))
        return [inner[place] for place in places[2 * len(places) // 3 :]]

    @cached_property
    def _usual(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Mean and deviation of each channel over real calibration images."""
        table = self.store.images_table
        rows = np.flatnonzero((table.split.values == "calibration") & (table.error.values == ""))
        if len(rows) < _FEWEST_USUAL:
            found = f"the calibration split has {len(rows)} images"
            raise MissingInputError(f"{found}, {_FEWEST_USUAL} are needed; collect more images")
        chosen = np.random.default_rng(0).permutation(rows)[:_USUAL]
        seen = self._peaks_in(self._see_real(table.id.values[chosen].astype(str).tolist()))
        return [layer.mean(0) for layer in seen], [layer.std(0) for layer in seen]

    def _unusual(self, peaks: list[np.ndarray]) -> Float[np.ndarray, "image feature"]:
        """Each layer in deviations from what is usual, at the same length: layers weigh the same."""
        parts = []
        for layer, mean, deviation in zip(peaks, *self._usual, strict=True):
            varies = deviation > 1e-6 * deviation.max()
            scaled = np.where(varies, (layer - mean) / np.where(varies, deviation, 1.0), 0.0)
            length = np.linalg.norm(scaled, axis=1, keepdims=True)
            parts.append(scaled / np.maximum(length, 1e-12))
        return np.concatenate(parts, axis=1) / math.sqrt(len(parts))

    def _peaks_in(self, seen: _Seen) -> list[np.ndarray]:
        return [seen[layer] for layer in self.layers]

    def _see_real(self, ids: Sequence[str]) -> _Seen:
        table = self.readings.table("judged")
        new = table.missing(ids)
        for start in range(0, len(new), _BATCH):
            names = new[start : start + _BATCH]
            table.add(names, self._see(self.store.images(names)))
        return {name: table.of(name, ids) for name in (*self.layers, LOGITS)}

    def _see(self, images: Float[torch.Tensor, "image rgb y x"]) -> _Seen:
        """The peak of each channel of each layer, and the outputs, for some images."""
        parts: dict[str, list[np.ndarray]] = {}
        for batch in torch.split(self._sized(images), _BATCH):
            with torch.no_grad():
                read = self.hooked.read(batch, [*self.layers, LOGITS])
            for name in self.layers:
                parts.setdefault(name, []).append(self._peaks(name, read[name], batch))
            logits = read[LOGITS].float().flatten(1).double().cpu().numpy()
            parts.setdefault(LOGITS, []).append(logits)
        return {name: np.concatenate(part) for name, part in parts.items()}

    def _peaks(self, layer: str, activations: torch.Tensor, images: torch.Tensor) -> np.ndarray:
        size = (int(images.shape[-2]), int(images.shape[-1]))
        layout = self.hooked.adapter.layout(layer, tuple(activations.shape), size)
        channels = (layout or self.hooked.layout(layer)).to_channels(activations)
        peaks: np.ndarray = channels.float().amax(-1).double().cpu().numpy()
        return peaks

    def _sized(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image rgb _ _"]:
        """Images at the size that the network takes, where it is known."""
        size = self.hooked.preprocessing.size
        if size is None or tuple(images.shape[-2:]) == tuple(size):
            return images
        return functional.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
