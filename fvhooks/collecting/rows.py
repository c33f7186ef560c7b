"""What is kept of each image of a shard: one batch after the other through the model, into arrays."""

import numpy as np
import torch
import zarr
from jaxtyping import Float, Int, Shaped

from fvhooks.collecting.ballots import Ballot
from fvhooks.collecting.works import Work
from fvhooks.datasets.batches import Batch
from fvhooks.images import as_images
from fvhooks.statistics.peaks import peaks
from fvhooks.statistics.reductions import Spread
from fvhooks.store import schema
from fvhooks.store.checksums import checksum
from fvhooks.store.ledgers import array_of, object_names
from fvhooks.store.schema import LayerSpec, open_root
from fvhooks.units import LOGITS

Activations = dict[str, Float[torch.Tensor, "image channel position"]]


class Rows:
    """What is kept of each image of a shard, in memory until it is complete.

    Args:
        work: what runs on what.
        rows: of the shard.
        ballot: where influence is counted, while the model runs.
    """

    def __init__(self, work: Work, rows: slice, ballot: Ballot | None = None) -> None:
        self._work, self._rows, self._ballot = work, rows, ballot
        count = rows.stop - rows.start
        self._arrays: dict[str, Shaped[np.ndarray, "image ..."]] = {}
        if work.one.owns_rows:
            self._arrays["images/prediction"] = np.full(count, -1, np.int64)
            self._arrays["images/logit"] = np.full(count, np.nan, np.float32)
            self._arrays["images/error"] = np.full(count, "", object)
        for spec in work.specs:
            for name, (kind, fill) in (spec.image_arrays | spec.statistics_arrays).items():
                self._arrays[f"layers/{spec.key}/{name}"] = np.full((count, spec.layout.channels), fill, kind)
        root, self.failed = open_root(work.path), 0
        self._known_bad = np.zeros(count, bool)  # by an earlier pass
        self._predictions = self._arrays.get("images/prediction", np.zeros(0, np.int64))
        if not work.one.owns_rows:
            self._predictions = np.asarray(array_of(root, "images/prediction")[rows])
            self._known_bad = np.asarray(array_of(root, "images/error")[rows]) != ""
        self._places = {
            spec.name: np.asarray(array_of(root, f"layers/{spec.key}/sample_position")[rows])
            for spec in work.specs
            if schema.SAMPLE in spec.aspects
        }

    def take(self, batch: Batch, spread: Spread) -> tuple[Activations, np.ndarray]:
        """One batch through the model and into the arrays; activations, and which images are usable."""
        work, first = self._work, batch.start - self._rows.start
        read, relevance = self._run(batch, spread)
        activations = {
            spec.name: spec.layout.to_channels(read[spec.name].float()).contiguous()
            for spec in work.specs
            if spec.name in read
        }
        found = {
            spec.name: peaks(activations[spec.name], signed=spec.has_trough, spread=spread)
            for spec in work.with_statistics
        }
        errors = dict(batch.errors) | _not_finite(found, batch.errors)
        usable = np.array([place not in errors for place in range(len(batch.images))])
        known = self._known_bad[first : first + len(usable)]
        self.failed += int((~usable & ~known).sum())
        usable &= ~known
        rows = first + np.flatnonzero(usable)
        for spec in work.with_statistics:
            for name, values in found[spec.name].items():
                self._arrays[f"layers/{spec.key}/{name}"][rows] = values[usable]
        for name, places in self._places.items():
            self._arrays[f"layers/{schema.encode_name(name)}/sample"][rows] = _at(
                activations[name], places[first : first + len(usable)]
            )[usable]
        for name, sums in relevance.items():
            wanted = rows if work.targets is None else rows[work.targets[self._rows][rows] >= 0]
            self._arrays[f"layers/{schema.encode_name(name)}/relevance"][wanted] = sums[wanted - first]
        if work.one.owns_rows:
            self._note(
                found[LOGITS]["peak"][usable], rows, {first + place: why for place, why in errors.items()}
            )
        return activations, usable

    def write(self, root: zarr.Group, spread: Spread) -> dict[str, int]:
        """Write everything; checksums by path."""

        def write(path: str) -> int:
            array_of(root, path)[self._rows] = self._arrays[path]
            return checksum(self._arrays[path])

        paths = object_names(self._work.specs, owns_rows=self._work.one.owns_rows)
        return dict(zip(paths, spread(write, paths), strict=True))

    def predictions(self, batch: Batch) -> Int[np.ndarray, " image"]:
        """The label that the model gave each image of a batch when its row was made."""
        first = batch.start - self._rows.start
        return self._predictions[first : first + len(batch.images)]

    def statistics(self, spec: LayerSpec) -> dict[str, Shaped[np.ndarray, "image channel"]]:
        """What was measured of each image in a layer, whether the store has it or not."""
        return {name: self._arrays[f"layers/{spec.key}/{name}"] for name in spec.statistics_arrays}

    def _run(self, batch: Batch, spread: Spread) -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray]]:
        work = self._work
        if work.relevance is None:
            images = work.hooked.normalize(batch.images)
            if self._ballot is None:
                return work.hooked.read_normalized(images, work.read), {}
            with self._ballot.open(batch, spread):
                return work.hooked.read_normalized(images, work.read), {}
        if self._ballot is not None:  # an attributor may run the model as often as it likes
            given = work.hooked.normalize(batch.images)  # its additions are none of the model's
            with self._ballot.open(batch, spread):
                work.hooked.read_normalized(given, work.voting_layers)
        rows = slice(batch.start, batch.start + len(batch.images))
        known = (
            np.zeros(len(batch.images), np.int64) if work.targets is None else work.targets[rows].clip(min=0)
        )
        images = as_images(batch.images)
        found, relevance = work.relevance(work.hooked, images, torch.from_numpy(known), work.read)
        return found, {name: values.cpu().numpy() for name, values in relevance.items()}

    def _note(self, logits: np.ndarray, rows: np.ndarray, errors: dict[int, str]) -> None:
        for row, message in errors.items():
            self._arrays["images/error"][row] = message
        best, labels = logits.argmax(1), self._work.label_of_logit
        self._arrays["images/logit"][rows] = logits.max(1)
        self._arrays["images/prediction"][rows] = best if labels is None else labels[best]


def _not_finite(found: dict[str, dict[str, np.ndarray]], known: dict[int, str]) -> dict[int, str]:
    errors: dict[int, str] = {}
    for name, arrays in found.items():
        finite = np.isfinite(arrays["average"]).all(1) & np.isfinite(arrays["peak"]).all(1)
        for place in np.flatnonzero(~finite).tolist():
            errors.setdefault(place, f"NaN or infinity in the activations of layer {name!r}.")
    return {place: why for place, why in errors.items() if place not in known}


def _at(
    activations: Float[torch.Tensor, "image channel position"], places: Int[np.ndarray, " image"]
) -> Float[np.ndarray, "image channel"]:
    """The activations of each image at a position of its own."""
    index = torch.from_numpy(places).long().to(activations.device)[:, None, None]
    chosen = activations.gather(2, index.expand(-1, activations.shape[1], 1))
    return np.asarray(chosen[..., 0].cpu().numpy())
