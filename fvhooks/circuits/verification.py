"""`graph.verify`: what a graph's units and edges do on images that made no graph."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from fvhooks.circuits.ablations import HOWS, How, Stage, masks, mean_interval
from fvhooks.circuits.edge_effects import Agreement, agreements, effects
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.rivals import (
    GRADIENT,
    RANDOM,
    TOP,
    activation_mass,
    by_activation,
    by_gradient,
    class_rows,
    head,
    matched,
)
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.results import Result
from fvhooks.store.reading import Store

OWN, OTHERS = "own class", "other classes"
GRAPH = "graph"
ACTIONS = ("ablated", "kept alone")
_Mask = Bool[np.ndarray, " _"]


class Verification(Result):
    """What a graph's units and edges do on images of the report split; made by `graph.verify`.

    `data` holds `change` (layer, chosen_by, action, how, images) of the margin, with `low` and `high`: the
    mean over the images, each for its own label. `lead` is how much further the graph's units go than the
    set's own, image by image (below zero: the graph's hurt more when ablated). `units` and `channels` (layer)
    say how many there are. `agreement` (pair), with `agreement_low` and `agreement_high`, is Spearman's
    coefficient of edge weight and effect, `control` that of the source's activation alone, `edges` how many.
    """

    kind: ClassVar[str] = "verification"

    def change(
        self, chosen_by: str = GRAPH, *, action: str = "ablated", how: str = "mean", images: str = OWN
    ) -> xr.DataArray:
        """The change of the margin (layer) for one kind of set.

        Args:
            chosen_by: "graph", "gradient × activation", "top activation" or "random".
            action: "ablated" or "kept alone".
            how: "mean" or "resample".
            images: "own class" or "other classes".
        """
        found: xr.DataArray = self.data["change"].sel(
            chosen_by=chosen_by, action=action, how=how, images=images
        )
        return found

    def __repr__(self) -> str:
        about = self.data.attrs
        how = str(self.data["how"].values[0])
        lines = [f"Verification(label {about['label']}, {about['own']} report images of it)"]
        for layer in self.data["layer"].values:
            units, channels = (int(self.data[name].sel(layer=layer)) for name in ("units", "channels"))
            said = ", ".join(
                f"{name} {float(self.change(name, how=how).sel(layer=layer)):.2f}"
                for name in self.data["chosen_by"].values
            )
            lines.append(f"  {layer}: {units} of {channels} ablated by {how}: {said}")
        for pair in self.data["pair"].values:
            value = float(self.data["agreement"].sel(pair=pair))
            lines.append(f"  {pair}: weight and effect agree at {value:.2f}")
        return "\n".join(lines)


def verify(
    graph: AttributionGraph,
    hooked: HookedModel,
    store: Store,
    *,
    label: int | None = None,
    images: int | None = 100,
    draws: int = 3,
    seed: int = 0,
) -> Verification:
    """Replace a graph's units, one layer at a time, beside other sets of as many; see `AttributionGraph`."""
    label = _label(graph, label)
    chosen = masks(store, graph.units)
    layers = [layer for layer in graph.layers if layer in chosen]
    if not layers:
        raise MissingInputError("Expected a graph with a unit of an inner layer, got none.")
    if draws < 1:
        raise MissingInputError(f"Expected one random set or more, got draws={draws}.")
    store.require(hooked, layers)
    made_of = tuple(graph.data.attrs.get("ids", ()))
    stage = Stage.of(hooked, store, label, images=images, seed=seed, without=made_of)
    sets = _sets(stage, {layer: chosen[layer] for layer in layers}, draws, seed)
    usual = stage.margins({})
    tables = [_table(stage, layer, sets[layer], usual, seed) for layer in layers]
    data = xr.concat(tables, dim="layer", join="exact").assign_coords(layer=np.array(layers, dtype=object))
    data = data.assign(
        units=("layer", [int(chosen[layer].sum()) for layer in layers]),
        channels=("layer", [len(chosen[layer]) for layer in layers]),
    )
    found = agreements(graph, effects(graph, stage), stage, seed=seed)
    about = {"label": label, "own": stage.own, "others": len(stage.ids) - stage.own, "draws": draws}
    return Verification(data.merge(_edges(found)).assign_attrs(about))


def _sets(
    stage: Stage, chosen: Mapping[str, _Mask], draws: int, seed: int
) -> dict[str, dict[str, list[_Mask]]]:
    """Of each layer the graph's units and others of as many, chosen on images outside the report split."""
    store, layers = stage.store, list(chosen)
    rows = class_rows(store, stage.label, 4 * stage.own)
    slopes = by_gradient(stage.hooked, store, layers, stage.label, rows)
    found = {}
    for layer, mask in chosen.items():
        count, generator = int(mask.sum()), np.random.default_rng(seed)
        mass = activation_mass(store, layer, rows)
        found[layer] = {
            GRAPH: [mask],
            GRADIENT: [head(slopes[layer], count)],
            TOP: [head(by_activation(store, layer, rows), count)],
            RANDOM: [matched(mask, mass, generator) for _ in range(draws)],
        }
    return found


def _label(graph: AttributionGraph, label: int | None) -> int:
    known = graph.data.attrs.get("label") if label is None else label
    if known is None:
        raise MissingInputError("The graph does not say which class it is of; pass label=.")
    return int(known)


def _table(
    stage: Stage,
    layer: str,
    sets: Mapping[str, Sequence[_Mask]],
    usual: Float[np.ndarray, " image"],
    seed: int,
) -> xr.Dataset:
    """The changes of one layer, with what the graph's set is ahead."""
    known: dict[tuple[bytes, How], Float[np.ndarray, " image"]] = {}

    def change(mask: _Mask, how: How) -> Float[np.ndarray, " image"]:
        key = (mask.tobytes(), how)
        if key not in known:  # small layers give the same set more than once
            known[key] = stage.margins({layer: mask}, how) - usual
        return known[key]

    parts = {OWN: slice(0, stage.own), OTHERS: slice(stage.own, None)}
    shape = (len(sets), len(ACTIONS), len(HOWS), len(parts))
    names = ("change", "low", "high", "lead", "lead_low", "lead_high")
    found = {name: np.full(shape, np.nan) for name in names}
    for a in np.ndindex(len(ACTIONS), len(HOWS)):
        action, how = ACTIONS[a[0]], HOWS[a[1]]
        by_set = [
            np.mean([change(mask if action == ACTIONS[0] else ~mask, how) for mask in several], axis=0)
            for several in sets.values()
        ]
        for s, p in np.ndindex(len(sets), len(parts)):
            part = list(parts.values())[p]
            whole = mean_interval(by_set[s][part], seed)
            lead = mean_interval((by_set[0] - by_set[s])[part], seed)
            numbers = (whole.value, whole.low, whole.high, lead.value, lead.low, lead.high)
            for name, number in zip(names, numbers, strict=True):
                found[name][s, *a, p] = number
    dims = {"chosen_by": list(sets), "action": list(ACTIONS), "how": list(HOWS), "images": list(parts)}
    coords = {name: np.array(values, dtype=object) for name, values in dims.items()}
    return xr.Dataset({name: (tuple(dims), values) for name, values in found.items()}, coords=coords)


def _edges(found: Sequence[Agreement]) -> xr.Dataset:
    columns = {
        "agreement": [one.weights.value for one in found],
        "agreement_low": [one.weights.low for one in found],
        "agreement_high": [one.weights.high for one in found],
        "control": [one.control for one in found],
    }
    arrays = {name: ("pair", np.array(values, np.float64)) for name, values in columns.items()}
    counts = {"edges": ("pair", np.array([one.edges for one in found], np.int64))}
    pairs = np.array([f"{one.source} → {one.target}" for one in found], dtype=object)
    return xr.Dataset(arrays | counts, coords={"pair": pairs})
