"""What is measured of pictures of inner units, a number for each picture, and how the tables say it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from quality_columns import features
from quality_entries import Entry
from quality_inner_world import Track, World
from quality_protocol import Judge
from quality_table import Column, interval

import fvhooks as fv
from fvhooks.metrics import (
    diversity,
    frechet_distance,
    frechet_terms,
    identity,
    natural_range,
    novelty,
    path_curve,
    standardized_ranks,
)
from fvhooks.metrics.groups import group_interval
from fvhooks.metrics.paths import coordinates

Scores = dict[str, Any]


def labels_of(crops: torch.Tensor) -> np.ndarray:
    return np.repeat(np.arange(len(crops)), crops.shape[1])


def spread_between(rows: np.ndarray, labels: np.ndarray) -> float:
    """The mean squared distance of two units' crops, less what few crops add to it."""
    parts = [rows[labels == label] for label in np.unique(labels)]
    pairs = [(ours, theirs) for place, ours in enumerate(parts) for theirs in parts[:place]]
    return float(np.mean([frechet_terms(ours, theirs).debiased_mean for ours, theirs in pairs]))


@dataclass
class Jury:
    """One judge with what it makes of the real crops."""

    world: World
    judge: Judge

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return self.world.judge(self.judge)

    def see(self, images: torch.Tensor) -> np.ndarray:
        return features(self.hooked, self.judge.layer, images)

    @cached_property
    def rest(self) -> tuple[np.ndarray, np.ndarray]:
        held = self.world.report[1]
        return self.see(held.flatten(0, 1)), labels_of(held)

    @cached_property
    def references(self) -> np.ndarray:
        return self.see(self.world.references.flatten(0, 1))

    def score(self, entry: Entry) -> Scores:
        rest, of = self.rest
        rows, draws = self.see(entry.flat), self.world.track.draws
        given = {"labels": entry.labels, "reference_labels": of, "draws": draws}
        unit = spread_between(rest, of)
        term = frechet_distance(rows, rest, **given).debiased_mean
        centres = np.stack([rest[of == label].mean(0) for label in np.unique(of)])
        nearest = ((rows[:, None] - centres) ** 2).sum(2).argmin(1) == entry.labels
        new = novelty(rows, self.references, rest)
        return {
            "family": self.judge.family,
            "mean": {key: value / unit for key, value in term.to_dict().items()},
            "nearest": group_interval(nearest.astype(float), entry.labels, draws=draws, seed=0).to_dict()
            | {"each": nearest.tolist()},
            "diversity": diversity(rows, entry.labels).ratio if len(np.unique(rows, axis=0)) > 1 else 0.0,
            "novelty": {"median": float(np.median(new)), "each": new.tolist()},
        }


@dataclass
class Own:
    """The pictured network: which unit a picture is of, how strongly, and by which path."""

    world: World

    @cached_property
    def calibration(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        crops, _ = self.world.crops("calibration", self.world.track.calibration)
        return self.ranks(crops.flatten(0, 1)), labels_of(crops)

    @cached_property
    def rest(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Of held-out crops the path contrasts, the own unit's peaks, and whose they are."""
        held = self.world.report[1]
        of = labels_of(held)
        peaks, _ = self.world.peaks(held.flatten(0, 1))
        contrasts = self.contrasts(self.ranks(held.flatten(0, 1)), of)
        return contrasts, peaks[np.arange(len(of)), self.world.channels[of]], of

    def ranks(self, images: torch.Tensor) -> dict[str, np.ndarray]:
        """Ranks of activations at each depth, the same random coordinates of every image."""
        parts: dict[str, list[np.ndarray]] = {layer: [] for layer in self.world.track.layers}
        for batch in torch.split(images, 32):
            with torch.no_grad():
                read = self.world.hooked.read(batch, list(parts))
            for layer, found in read.items():
                flat = found.flatten(1).numpy()
                parts[layer].append(standardized_ranks(flat[:, coordinates(flat.shape[1])]))
        return {layer: np.concatenate(part) for layer, part in parts.items()}

    def contrasts(self, ranks: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, np.ndarray]:
        """Mean correlation of each picture with crops of its own unit less that with those of the others."""
        natural, of = self.calibration
        own = labels[:, None] == of
        found = {layer: rows @ natural[layer].T for layer, rows in ranks.items()}
        means = {}
        for layer, like in found.items():
            inside = np.where(own, like, 0).sum(1) / own.sum(1)
            means[layer] = inside - np.where(own, 0, like).sum(1) / (~own).sum(1)
        return means

    def score(self, entry: Entry) -> Scores:
        track, natural, labels = self.world.track, self.world.report[2], entry.labels
        peaks, _ = self.world.peaks(entry.flat)
        targets = self.world.channels[labels]
        found = identity(peaks, targets, natural, draws=track.draws)
        own = peaks[np.arange(len(peaks)), targets]
        contrasts, strength, of = self.rest
        ranks = self.ranks(entry.flat)
        seen = self.contrasts(ranks, labels)
        under = own < np.quantile(natural, track.high, axis=0)[targets]
        return {
            "identity": {key: getattr(found, key).to_dict() for key in ("z", "rank", "first")}
            | {"each": found.each.tolist()},
            "activation": self._range(own, labels, strength, of),
            "under": group_interval(under.astype(float), labels, draws=track.draws, seed=0).to_dict(),
            "paths": {
                layer: path_curve(
                    self.calibration[0][layer],
                    rows,
                    labels=self.calibration[1],
                    picture_labels=labels,
                ).contrast.to_dict()
                for layer, rows in ranks.items()
            },
            "percentiles": {
                layer: self._range(seen[layer], labels, contrasts[layer], of) for layer in track.layers
            },
        }

    def _range(self, values: np.ndarray, labels: np.ndarray, natural: np.ndarray, of: np.ndarray) -> Scores:
        place = natural_range(values, labels, natural, of, level=self.world.track.range)
        named = {key: getattr(place, key) for key in ("median", "below", "inside", "above")}
        return named | {"percentile": place.percentile.tolist()}


def columns(track: Track) -> list[Column]:
    """All columns, group by group; higher merit is better, beside fresh real crops."""
    found = [
        Column("identity z", "unit", _say("identity", "z"), lambda s, _: s["identity"]["z"]["value"]),
        Column("rank", "unit", _say("identity", "rank"), lambda s, _: s["identity"]["rank"]["value"]),
        Column("own unit first", "unit", lambda s: f"{s['identity']['first']['value']:.0%}"),
        _inside("activation inside", "unit", "activation"),
        Column(
            f"under the {track.high:.0%} percentile",
            "unit",
            lambda s: f"{s['under']['value']:.0%}",
            lambda s, real: -max(s["under"]["value"], real["under"]["value"]),
        ),
    ]
    for name in (judge.name for judge in track.judges):
        found += [
            Column(f"mean term: {name}", "judges", _say(name, "mean"), _mean(name)),
            Column(
                f"own crops nearest: {name}",
                "judges",
                lambda s, j=name: f"{s[j]['nearest']['value']:.0%}",
                lambda s, real, j=name: min(s[j]["nearest"]["value"], real[j]["nearest"]["value"]),
            ),
        ]
    for layer in track.layers:
        contrast = _say("paths", layer)
        found += [
            Column(f"contrast: {layer}", "path contrast", contrast, _contrast(layer)),
            _inside(f"path inside: {layer}", "path range", "percentiles", layer),
        ]
    return [*found, *_variety(track.judges[-1].name)]


def _variety(judge: str) -> list[Column]:
    def diverse(scores: Scores, real: Scores) -> float:
        return -abs(scores[judge]["diversity"] - real[judge]["diversity"])

    def new(scores: Scores, real: Scores) -> float:
        return min(scores[judge]["novelty"]["median"], real[judge]["novelty"]["median"])

    def seconds(scores: Scores) -> str:
        return "—" if math.isnan(scores["seconds"]) else f"{scores['seconds']:.1f}"

    return [
        Column("diversity", "variety", lambda s: f"{s[judge]['diversity']:.2f}", diverse),
        Column("novelty", "variety", lambda s: f"{s[judge]['novelty']['median']:.2f}", new),
        Column("seconds", "variety", seconds),
    ]


def _at(scores: Scores, path: tuple[str, ...]) -> Any:
    for key in path:
        scores = scores[key]
    return scores


def _say(*path: str) -> Callable[[Scores], str]:
    return lambda scores: interval(_at(scores, path), 2)


def _inside(name: str, group: str, *path: str) -> Column:
    """As many inside the range as of real crops is as good as can be."""

    def say(scores: Scores) -> str:
        found = _at(scores, path)
        return f"{found['inside']:.0%} ({found['below']:.0%} ↓ {found['above']:.0%} ↑)"

    return Column(
        name, group, say, lambda scores, real: min(_at(scores, path)["inside"], _at(real, path)["inside"])
    )


def _mean(judge: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: -max(scores[judge]["mean"]["value"], 0.0)  # noqa: ARG005 - one signature


def _contrast(layer: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: -abs(scores["paths"][layer]["value"] - 1)  # noqa: ARG005 - one signature
