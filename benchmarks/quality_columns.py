"""What is measured of an entry, group of columns by group, with a number for each picture."""

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from quality_entries import REAL, Entry
from quality_protocol import Judge
from quality_world import World

import fvhooks as fv
from fvhooks.metrics import (
    diversity,
    frechet_distance,
    identity,
    log_odds,
    natural_range,
    novelty,
    path_curve,
    standardized_ranks,
)
from fvhooks.units import LOGITS

Scores = dict[str, Any]


def read(hooked: fv.HookedModel, layers: list[str], images: torch.Tensor) -> dict[str, np.ndarray]:
    """Activations of some layers, image by image."""
    parts: dict[str, list[torch.Tensor]] = {layer: [] for layer in layers}
    with torch.no_grad():
        for batch in torch.split(images, 64):
            for layer, found in hooked.read(batch, layers).items():
                parts[layer].append(found)
    return {layer: torch.cat(found).numpy() for layer, found in parts.items()}


def pooled(found: np.ndarray) -> np.ndarray:
    """What a judge's last linear layer sees: the mean over a map, or the first token."""
    return found.mean((2, 3)) if found.ndim == 4 else found[:, 0] if found.ndim == 3 else found


def features(hooked: fv.HookedModel, layer: str, images: torch.Tensor) -> np.ndarray:
    """What the last linear layer sees after `layer`."""
    return pooled(read(hooked, [layer], images)[layer])


def class_spread(rows: np.ndarray, labels: np.ndarray) -> float:
    """The mean squared distance between the class means: the unit of distances across judges."""
    centres = np.stack([rows[labels == label].mean(0) for label in np.unique(labels)])
    return float(((centres[:, None] - centres) ** 2).sum(2).sum() / (len(centres) * (len(centres) - 1)))


@dataclass
class Jury:
    """One judge with what it makes of the real images and of the references."""

    world: World
    judge: Judge

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return self.world.judge(self.judge)

    def see(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        found = read(self.hooked, [self.judge.layer, LOGITS], images)
        return pooled(found[self.judge.layer]), found[LOGITS]

    @cached_property
    def real(self) -> tuple[np.ndarray, np.ndarray]:
        return self.see(self.world.real[0])

    @cached_property
    def references(self) -> np.ndarray:
        photos = [self.world.reference_images(unit) for unit in range(self.world.track.units)]
        return self.see(torch.cat(photos))[0]

    def score(self, entry: Entry) -> Scores:
        labels = self.world.real[1]
        fresh, rest = self.world.split()
        features, logits = self.real
        rows, seen = (features[fresh], logits[fresh]) if entry.name == REAL else self.see(entry.flat)
        draws, level = self.world.protocol.draws, self.world.protocol.range
        given = {"labels": entry.labels, "reference_labels": labels[rest], "draws": draws}
        distance, unit = frechet_distance(rows, features[rest], **given), class_spread(features, labels)
        few = first_of_each(entry, self.world.track.fresh)
        equal = given | {"labels": entry.labels[few]}
        alike = distance if len(few) == len(rows) else frechet_distance(rows[few], features[rest], **equal)
        outputs = self.world.outputs_of(self.judge)
        sure, natural = log_odds(seen, outputs[entry.labels]), log_odds(logits[rest], outputs[labels[rest]])
        place = natural_range(sure, entry.labels, natural, labels[rest], level=level)
        new = novelty(rows, self.references, features[rest])
        return {
            "family": self.judge.family,
            "mean": {key: value / unit for key, value in distance.debiased_mean.to_dict().items()},
            "covariance": alike.covariance.to_dict(),
            "accuracy": float((seen.argmax(1) == outputs[entry.labels]).mean()),
            "log_odds": _range(place) | {"each": sure.tolist()},
            "diversity": diversity(rows, entry.labels).ratio if len(np.unique(rows, axis=0)) > 1 else 0.0,
            "novelty": {"median": float(np.median(new)), "each": new.tolist()},
        }


def first_of_each(entry: Entry, count: int) -> np.ndarray:
    """Rows of the first pictures of each unit: covariance terms compare at equal numbers alone."""
    return np.arange(len(entry.labels)).reshape(len(entry.images), -1)[:, :count].ravel()


def _range(place: Any) -> Scores:
    named = {key: getattr(place, key) for key in ("median", "below", "inside", "above")}
    return named | {"percentile": place.percentile.tolist()}


@dataclass
class Own:
    """The pictured network itself: which unit a picture is of, how strongly, and by which path."""

    world: World

    @cached_property
    def real(self) -> np.ndarray:
        return read(self.world.hooked, [LOGITS], self.world.real[0])[LOGITS]

    @cached_property
    def natural(self) -> np.ndarray:
        """What real images of all classes do to every output."""
        if self.world.track.units == len(self.world.data.names):
            return self.real[self.world.split()[1]]
        return read(self.world.hooked, [LOGITS], self.world.reported)[LOGITS]

    @cached_property
    def paths(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Ranks of calibration images, and their classes."""
        table, rng = self.world.store.images_table, np.random.default_rng(0)
        kept, places = table.split.values == "calibration", self.world.places(table.label.values)
        parts = [
            rng.permutation(np.flatnonzero((places == unit) & kept)) for unit in range(self.world.track.units)
        ]
        chosen = np.concatenate([part[: self.world.protocol.calibration] for part in parts])
        return self._ranks(self.world.store.images(table.id.values[chosen])), places[chosen]

    def _ranks(self, images: torch.Tensor) -> dict[str, np.ndarray]:
        """Whole activation maps as ranks, a batch at a time: raw maps of all images would not fit."""
        layers = list(self.world.track.layers)
        parts = [read(self.world.hooked, layers, batch) for batch in torch.split(images, 64)]
        return {
            layer: np.concatenate([standardized_ranks(p[layer].reshape(len(p[layer]), -1)) for p in parts])
            for layer in layers
        }

    def score(self, entry: Entry) -> Scores:
        labels = self.world.real[1]
        _, rest = self.world.split()
        logits = read(self.world.hooked, [LOGITS], entry.flat)[LOGITS]
        outputs = self.world.outputs
        own = targets = outputs[entry.labels]
        if entry.name.endswith("@permuted"):  # there the output of a class has the next one's weights
            targets = (targets + 1) % logits.shape[1]
        found = identity(logits, targets, self.natural)
        rows = np.arange(len(logits))
        strength = logits[rows, own], self.real[rest, outputs[labels[rest]]]
        level = self.world.protocol.range
        place = natural_range(strength[0], entry.labels, strength[1], labels[rest], level=level)
        parts = {key: getattr(found, key).to_dict() for key in ("z", "rank", "first")}
        return {
            "identity": parts | {"each": found.each.tolist()},
            "activation": _range(place),
            "paths": self.contrasts(entry),
            "percentiles": self.percentiles(entry),
            "seconds": entry.seconds,
        }

    def contrasts(self, entry: Entry) -> Scores:
        natural, classes = self.paths
        ranks = self._ranks(entry.flat)
        given = {"labels": classes, "picture_labels": entry.labels}
        curves = {layer: path_curve(natural[layer], ranks[layer], **given) for layer in natural}
        return {layer: curve.contrast.to_dict() for layer, curve in curves.items()}

    def percentiles(self, entry: Entry) -> Scores:
        """Where each picture's path lies among held-out real images of its class, depth by depth."""
        units = [fv.Unit.logit(output) for output in self.world.track.outputs]
        vis = fv.as_visualizations(units, entry.images.numpy())
        asked = {"checks": ["path_similarity"], "layers": list(self.world.track.layers)}
        data = fv.audit(self.world.hooked, vis, self.world.store, show_progress=False, **asked).data
        found, tail = data["path_percentile"], (1 - self.world.protocol.range) / 2
        per_depth = {}
        for depth in found["depth"].values:
            here = found.sel(depth=depth).transpose("unit", "seed").values.ravel()
            known = here[np.isfinite(here)]
            tails = float((known < tail).mean()), float((known > 1 - tail).mean())
            per_depth[str(depth)] = {
                "median": float(np.median(known)) if len(known) else float("nan"),
                "below": tails[0],
                "inside": 1 - sum(tails),
                "above": tails[1],
                "percentile": here.tolist(),
            }
        return per_depth


def clip_scores(entry: Entry, names: list[str]) -> Scores:
    """CLIP zero-shot, where open_clip is installed and its weights are on this machine; else why not."""
    if find_spec("open_clip") is None:
        return {"skipped": "open_clip is not installed"}
    os.environ["HF_HUB_OFFLINE"] = "1"  # a benchmark loads nothing unasked
    import open_clip  # noqa: PLC0415 - optional

    try:
        model, _, transform = open_clip.create_model_and_transforms("ViT-B-32", pretrained="openai")
    except (OSError, RuntimeError, ValueError) as error:
        return {"skipped": f"no CLIP weights: {type(error).__name__}"}
    from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415 - optional

    with torch.no_grad():
        words = model.encode_text(open_clip.get_tokenizer("ViT-B-32")([f"a photo of a {n}" for n in names]))
        seen = [model.encode_image(transform(to_pil_image(image))[None]) for image in entry.flat]
    likeness = torch.nn.functional.normalize(torch.cat(seen), dim=1) @ torch.nn.functional.normalize(words).T
    return {"accuracy": float((likeness.argmax(1).numpy() == entry.labels).mean())}
