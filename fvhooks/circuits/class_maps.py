"""How alike classes are to a network: a map and similarities for every layer, from what their images use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import dask
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.voting import choose_rule, class_votes
from fvhooks.errors import MissingInputError
from fvhooks.results import Result
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

BINS = 20
_USED = 0.5


@dataclass(frozen=True, eq=False)
class ClassMap(Result):
    """What the images of every class use in every layer, made by `class_map`.

    Args:
        data: `share` (label, unit): of a class's images, how many vote for each channel of each layer
            (`unit_layer`, `unit_channel`); `similarity` (layer, label, other_label): cosine of those; `x`
            and `y` (layer, label): a map of the classes, each layer's turned to lie near to the one below;
            `accuracy`, `images` and `histogram` (label, bin) of each class: of its report images how many
            the model takes for it, of all how many there are, the probabilities that the model gives it.
    """

    kind: ClassVar[str] = "class_map"

    @property
    def layers(self) -> list[str]:
        """The layers, the lowest first."""
        return [str(layer) for layer in self.data["layer"].values]

    def similar(self, label: int, layer: str | None = None, k: int = 10) -> list[tuple[int, float]]:
        """The classes most like one, and how alike they are, the most alike first.

        Args:
            label: of the class.
            layer: the highest where not given.
            k: how many.
        """
        known = self.data["label"].values.tolist()
        if label not in known:
            raise MissingInputError(f"There is no label {label} on this map. It has {known[:8]}.")
        row = self.data["similarity"].sel(layer=layer or self.layers[-1], label=label).values
        order = [place for place in np.argsort(-row, kind="stable") if known[place] != label]
        return [(int(known[place]), float(row[place])) for place in order[:k]]

    def classes_using(self, layer: str) -> Int[np.ndarray, " channel"]:
        """In how many classes at least half of the images vote for each channel of a layer."""
        mine = np.flatnonzero(self.data["unit_layer"].values == layer)
        return np.asarray((self.data["share"].values[:, mine] >= _USED).sum(0))

    def beside(self, graph: AttributionGraph) -> AttributionGraph:
        """A graph with the map beside it, and with the number of classes that use each of its units.

        Args:
            graph: of one of the classes.
        """
        counts = {layer: self.classes_using(layer) for layer in self.layers}
        used = [
            float(counts[unit.layer][unit.channel])
            if unit.layer in counts
            else 1.0
            if unit.is_logit
            else np.nan
            for unit in graph.units
        ]
        data = self.data.rename(label="class", layer="map_layer")
        own = graph.data.attrs.get("label")
        found: dict[str, Any] = {
            "class_name": ("class", data["name"].values),
            "class_accuracy": ("class", data["accuracy"].values),
            "class_images": ("class", data["images"].values),
            "class_histogram": (("class", "bin"), data["histogram"].values),
            "class_x": (("map_layer", "class"), data["x"].values),
            "class_y": (("map_layer", "class"), data["y"].values),
        }
        if own in data["class"].values:
            alike = self.data["similarity"].sel(other_label=own).values
            found["class_similarity"] = (("map_layer", "class"), alike)
        coords = {"class": data["class"].values, "map_layer": self.layers}
        made = graph.data.assign(classes=("node", used)).assign(found).assign_coords(coords)
        return AttributionGraph(made.assign_attrs(class_layers=self.layers))


def class_map(
    store: Store,
    layers: Sequence[str] | None = None,
    *,
    rule: Literal["count", "mass"] = "count",
    size: float | None = None,
    names: Mapping[int, str] | None = None,
) -> ClassMap:
    """How alike the classes of a store are, layer by layer, by the channels that their images use.

    One pass over the peaks of each layer, a task a shard: on the workers of a Dask client where one is there.

    Examples:
        >>> fv.circuits.class_map(store).similar(294)  # doctest: +SKIP

    Args:
        store: of the model, with labels.
        layers: of the store; all but the logits where not given.
        rule: of the votes, "count" or "mass".
        size: of the rule.
        names: what each label is called.

    Raises:
        MissingInputError: fewer than two classes.
    """
    rows = list(layers) if layers is not None else [layer for layer in store.layers if layer != LOGITS]
    labels = np.unique(store.labels[store.labels >= 0])
    if len(labels) < 2:
        raise MissingInputError(f"A map of classes needs images of two labels or more, got {len(labels)}.")
    lazy = [class_votes(store, layer, choose_rule(store, layer, rule, size)).share for layer in rows]
    shares = dict(zip(rows, dask.compute(*lazy), strict=True))  # type: ignore[attr-defined, no-untyped-call]
    similarity = np.stack([cosines(shares[layer].values) for layer in rows])
    places = np.stack(embeddings(similarity))
    named = [str((names or {}).get(int(label), label)) for label in labels]
    sizes = [share.sizes["channel"] for share in shares.values()]
    found: dict[str, Any] = {
        "share": (("label", "unit"), np.concatenate([share.values for share in shares.values()], axis=1)),
        "unit_layer": ("unit", np.repeat(np.array(rows, dtype=object), sizes)),
        "unit_channel": ("unit", np.concatenate([np.arange(size) for size in sizes])),
        "similarity": (("layer", "label", "other_label"), similarity.astype(np.float32)),
        "x": (("layer", "label"), places[..., 0]),
        "y": (("layer", "label"), places[..., 1]),
        "name": ("label", np.array(named, dtype=object)),
    }
    coords = {"layer": np.array(rows, dtype=object), "label": labels, "other_label": labels}
    return ClassMap(xr.Dataset(found | _facts(store, labels), coords=coords, attrs={"rule": rule}))


def cosines(shares: Float[np.ndarray, "label channel"]) -> Float[np.ndarray, "label label"]:
    """Cosines between rows of counts; NaN where a class has no votes."""
    norms = np.linalg.norm(shares, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = shares / norms
    return np.asarray(np.clip(unit @ unit.T, -1, 1))


def embeddings(similarity: Float[np.ndarray, "layer label label"]) -> list[Float[np.ndarray, "label 2"]]:
    """Two coordinates a class and layer, by classical scaling of 1 − cosine.

    Each layer's map is turned and mirrored to lie as near to the one below as it can (Procrustes), so that
    going from layer to layer moves a class as little as its neighbours do.

    Args:
        similarity: of the classes, in each layer.
    """
    placed: list[Float[np.ndarray, "label 2"]] = []
    for alike in similarity:
        flat = _scaled_down(1 - np.nan_to_num(alike, nan=0.0))
        placed.append(_turned(flat, placed[-1]) if placed else flat)
    return placed


def _scaled_down(distance: Float[np.ndarray, "label label"]) -> Float[np.ndarray, "label 2"]:
    """Torgerson's classical scaling, to a spread of 1."""
    centred = distance - distance.mean(0)
    centred = -(centred - centred.mean(1, keepdims=True)) / 2
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    best = vectors[:, ::-1][:, :2] * np.sqrt(values[::-1][:2].clip(min=0))
    signs = np.sign(best[np.abs(best).argmax(0), [0, 1]])  # eigenvectors have no sign of their own
    best = best * np.where(signs == 0, 1, signs)
    spread = np.abs(best).max()
    return np.asarray(best / spread if spread > 0 else best)


def _turned(
    points: Float[np.ndarray, "label 2"], onto: Float[np.ndarray, "label 2"]
) -> Float[np.ndarray, "label 2"]:
    left, _, right = np.linalg.svd(points.T @ onto)
    return np.asarray(points @ (left @ right))


def _facts(store: Store, labels: Int[np.ndarray, " label"]) -> dict[str, Any]:
    """Accuracy on the report split, how many images, and how sure the model is of its own class's images."""
    table = store.images_table
    readable, report = table.error.values == "", store.in_split("report")
    right = table.prediction.values == store.labels
    accuracy, images = np.full(len(labels), np.nan), np.zeros(len(labels), np.int64)
    histogram = np.zeros((len(labels), BINS), np.int64)
    sure = _probabilities(store)
    for place, label in enumerate(labels):
        members = readable & (store.labels == label)
        judged = members & report
        images[place] = members.sum()
        accuracy[place] = right[judged].mean() if judged.any() else np.nan
        known = sure[members]
        histogram[place] = np.histogram(known[np.isfinite(known)], BINS, (0, 1))[0]
    return {
        "accuracy": ("label", accuracy),
        "images": ("label", images),
        "histogram": (("label", "bin"), histogram),
    }


def _probabilities(store: Store) -> Float[np.ndarray, " image"]:
    """The softmax of each image's own label, summed over the outputs that stand for it."""
    found = np.full(store.size, np.nan)
    if not store.keeps_all:
        return found
    outputs = store.layout(LOGITS).channels
    label_of = np.array([store.label_of_logit(output) for output in range(outputs)])
    stored, step = store.of_images(LOGITS, "peak"), store.shard_size
    for start in range(0, store.size, step):
        logits = stored[start : start + step].values.astype(np.float64)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        mine = label_of[None] == store.labels[start : start + step, None]
        found[start : start + step] = (exponents * mine).sum(1) / exponents.sum(1)
    return found
