"""The activation atlas: activations of single positions, averaged where they lie together, and pictured."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from fvhooks.atlases.chosen import chosen_rows, ids_of
from fvhooks.atlases.flags import RARE, against_natural, joined
from fvhooks.atlases.items import Items, histogram_of, label_texts
from fvhooks.atlases.laying import Places, chosen_layout, points_of
from fvhooks.atlases.layouts import shape_into_square
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.pictures import Filled, of_visualizations, places_in, readable, side_of
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.relevance.inputs import batches
from fvhooks.store.reading import Store
from fvhooks.synthesis.running.rendering import visualize
from fvhooks.units import Direction

LEAST, RECIPE = 3, "fourier"
_NATURAL, _BATCH = 256, 32
_PER_CELL = 12  # activations a cell on average, where no shape is asked for


@dataclass(frozen=True, eq=False)
class Averages:
    """Sampled activations, and which cell each fell into.

    Args:
        items: the cells that hold enough of them.
        places: where those are.
        samples: every activation, one random position of an image each.
        cell: the item that each belongs to, −1 for a cell that holds too few.
    """

    items: Items
    places: Places
    samples: Float[np.ndarray, "sample channel"]
    cell: Int[np.ndarray, " sample"]


def averaged_activations(store: Store, layer: str, options: AtlasOptions) -> Averages:
    """Average a layer's sampled activations over the cells of a grid.

    The score of a cell is how alike its activations are: the mean of their cosines with their average. 1 is
    one thing; a low one says that the picture shows an average of several.

    Args:
        store: collected with `sample=True`.
        layer: whose activations.
        options: see `AtlasOptions`; `shape` is the grid, `least` how many activations a cell must hold.

    Raises:
        MissingInputError: the store has no samples of the layer, or no cell holds enough.
    """
    rows = chosen_rows(store, options)
    samples = store.rows_of(layer, "sample", rows).astype(np.float32)
    alive = np.isfinite(samples).all(1) & (np.abs(samples).sum(1) > 0)
    rows, samples = rows[alive], samples[alive]
    if not len(rows):
        raise MissingInputError(f"No sampled activation of {layer!r} is other than zero: nothing to map.")
    about = {
        "title": f"Activations of {layer}",
        "layer": layer,
        "score": "mean cosine with the cell's average",
    }
    spread_out = Items([str(row) for row in rows], "activations", samples, about=about)
    name, layout = chosen_layout(spread_out, options)
    seed = options.get("seed", 0)
    points = shape_into_square(points_of(spread_out, layout, seed))
    side = max(1, round(float(np.sqrt(len(rows) / _PER_CELL))))
    shape = options.get("shape") or (side, side)
    flat = _bins(points, shape)
    counts = np.bincount(flat, minlength=shape[0] * shape[1])
    full = np.flatnonzero(counts >= options.get("least", LEAST))
    if not len(full):
        raise MissingInputError(
            f"No cell of {shape[0]} x {shape[1]} holds {options.get('least', LEAST)} of {len(rows)} "
            "activations. Pass a smaller shape= or least=."
        )
    number = np.full(len(counts), -1)
    number[full] = np.arange(len(full))
    cell = number[flat]
    items = _cells(store, rows, samples, cell, (full, shape[1]), options, about)
    inside = cell >= 0
    middle = _mean(points[inside], cell[inside], len(full))
    places = Places(middle, np.stack([full // shape[1], full % shape[1]], 1), shape, None, name)
    return Averages(items, places, samples, cell)


def _bins(points: Float[np.ndarray, "sample 2"], shape: tuple[int, int]) -> Int[np.ndarray, " sample"]:
    """The cell, row by row, that each point in [0, 1] falls into."""
    column = np.clip((points[:, 0] * shape[1]).astype(np.int64), 0, shape[1] - 1)
    row = np.clip((points[:, 1] * shape[0]).astype(np.int64), 0, shape[0] - 1)
    return row * shape[1] + column


def _mean(
    values: Float[np.ndarray, "sample any"], cell: Int[np.ndarray, " sample"], count: int
) -> Float[np.ndarray, "cell any"]:
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, cell, values.astype(np.float64))
    return np.asarray(total / np.bincount(cell, minlength=count)[:, None])


def _cells(
    store: Store,
    rows: Int[np.ndarray, " sample"],
    samples: Float[np.ndarray, "sample channel"],
    cell: Int[np.ndarray, " sample"],
    grid: tuple[Int[np.ndarray, " cell"], int],
    options: AtlasOptions,
    about: dict[str, Any],
) -> Items:
    full, columns = grid
    inside = cell >= 0
    means = _mean(samples[inside], cell[inside], len(full)).astype(np.float32)
    lengths = np.linalg.norm(samples, axis=1) * np.linalg.norm(means, axis=1)[cell]
    alike = (samples * means[cell]).sum(1) / np.maximum(lengths, 1e-12)
    agreement = _mean(alike[inside, None], cell[inside], len(full))[:, 0]
    nearest = _nearest_sample(alike, cell, inside, len(full))
    labels, share = _commonest(store.labels[rows], cell, len(full))
    table = store.images_table
    values: dict[str, Any] = {
        "label": label_texts(labels, options.get("names", {})),
        "label_share": share,
        "count": np.bincount(cell[inside], minlength=len(full)),
        "spread": (1 - agreement).astype(np.float32),
        "index": np.full(len(full), -1),
        "shown": table["id"].values[rows[nearest]].astype(object),
        "position": _positions(store, about["layer"])[rows[nearest]],
    }
    names = [f"{about['layer']}:row {place // columns}, column {place % columns}" for place in full.tolist()]
    return Items(
        names,
        "activations",
        means,
        agreement.astype(np.float32),
        columns=values,
        extras=histogram_of(agreement),
        about=about | {"activations": len(rows), "left_out": int((~inside).sum())},
    )


def _positions(store: Store, layer: str) -> Int[np.ndarray, " image"]:
    return np.asarray(store[layer]["sample_position"].values, dtype=np.int64)


def _natural_peaks(
    hooked: HookedModel, store: Store, layer: str, vectors: Float[np.ndarray, "cell channel"]
) -> Float[np.ndarray, "image cell"]:
    """How strongly real images move some directions: each its strongest position."""
    rows = chosen_rows(store, {})
    few = rows[np.linspace(0, len(rows) - 1, min(_NATURAL, len(rows))).astype(int)]
    names = ids_of(store, few)
    along, layout = torch.from_numpy(vectors).float(), store.layout(layer)
    parts = []
    for batch in batches(len(names), _BATCH):
        for _, pictures, _ in readable(store, names[batch]):
            if pictures is None:
                continue
            with torch.no_grad():
                read = layout.to_channels(hooked.read(pictures, [layer])[layer]).float().cpu()
            parts.append(torch.einsum("icp,dc->idp", read, along).amax(-1).numpy())
    if not parts:
        raise MissingInputError("None of the store's images can be read, to hold pictures against.")
    return np.concatenate(parts)


def _nearest_sample(
    alike: Float[np.ndarray, " sample"],
    cell: Int[np.ndarray, " sample"],
    inside: Bool[np.ndarray, " sample"],
    count: int,
) -> Int[np.ndarray, " cell"]:
    """The sample of each cell that is most like its average."""
    order = np.flatnonzero(inside)[np.argsort(-alike[inside], kind="stable")]
    found = np.zeros(count, np.int64)
    found[cell[order[::-1]]] = order[::-1]  # the last one written is the most alike
    return found


def _commonest(
    labels: Int[np.ndarray, " sample"], cell: Int[np.ndarray, " sample"], count: int
) -> tuple[Int[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """The commonest label of each cell's images, and the share that has it; −1 and 0 without labels."""
    best, share = np.full(count, -1), np.zeros(count, np.float32)
    for place in range(count):
        mine = labels[(cell == place) & (labels >= 0)]
        if len(mine):
            known, counts = np.unique(mine, return_counts=True)
            best[place], share[place] = known[counts.argmax()], counts.max() / (cell == place).sum()
    return best, share


def inverted(averages: Averages, store: Store, options: AtlasOptions) -> Filled:
    """A picture of each average activation, all of them in one call.

    Flagged where the picture moves its direction less than 99 % of real images do, or far more than any of
    them: of up to 256 images of the store, the strongest position of each.

    Args:
        averages: what to make pictures of.
        store: statistics, for recipes that need them.
        options: `hooked`, `recipe`, `steps`, `seed`.

    Raises:
        MissingInputError: no model was given, or the store has no data set attached.
    """
    hooked, items = options.get("hooked"), averages.items
    if store.source is None:
        store.images([])  # says what to attach
    if hooked is None or items.features is None:
        raise MissingInputError(
            "Pictures of averaged activations are made with the model: pass hooked=, or cells='images' for "
            "the real image nearest to each average."
        )
    layer = str(items.about["layer"])
    lengths = np.linalg.norm(items.features, axis=1, keepdims=True)
    vectors = items.features / np.maximum(lengths, 1e-12)
    directions = [Direction(layer, vector, name=f"cell {place}") for place, vector in enumerate(vectors)]
    natural = _natural_peaks(hooked, store, layer, vectors)
    vis = visualize(
        hooked,
        directions,
        recipe=options.get("recipe", RECIPE),
        store=store,
        seeds=[options.get("seed", 0)],
        steps=options.get("steps"),
        show_progress=False,
    )
    at = places_in(vis, [direction.id for direction in directions])
    known = np.flatnonzero(at >= 0)
    flags = np.full(len(at), "no picture could be made of it", dtype=object)
    rare, highest = np.quantile(natural[:, known], RARE, axis=0), natural[:, known].max(0)
    activation, own = (
        vis.data[name].transpose("unit", "seed").values[at[known], 0] for name in ("activation", "flag")
    )
    flags[known] = joined(against_natural(activation, rare, highest), own)
    return replace(of_visualizations(vis, at, side_of(len(at), options.get("side"))), flag=flags)
