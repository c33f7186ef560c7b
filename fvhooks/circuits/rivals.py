"""Other sets of units of the same size: what a graph's choice is compared with."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from fvhooks.circuits.contributions import RelevanceOptions, contributions
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store

GRADIENT, TOP, RANDOM = "gradient × activation", "top activation", "random"
_NEAR = 8  # as near in activation as leaves a choice


def class_rows(store: Store, label: int, most: int | None = None) -> Int[np.ndarray, " row"]:
    """Readable images of a label outside the report split.

    Raises:
        MissingInputError: there is none.
    """
    table = store.images_table
    usable = (table.error.values == "") & (table.split.values != "report")
    rows = np.flatnonzero(usable & (table.label.values == label))[:most]
    if not len(rows):
        raise MissingInputError(
            f"No readable image of label {label} lies outside the report split, so there is nothing to "
            "choose units by. Collect more images of it."
        )
    return rows


def by_gradient(
    hooked: HookedModel, store: Store, layers: list[str], label: int, rows: Int[np.ndarray, " row"]
) -> dict[str, Float[np.ndarray, " _"]]:
    """Gradient × activation of each channel for the class's output, averaged over images."""
    options = RelevanceOptions(baseline="zero", contrast="none")
    found = contributions(store, hooked, layers, label, options)
    names = [str(name) for name in store.images_table.id.values[rows]]
    sums: dict[str, torch.Tensor] = {}
    for start in range(0, len(names), options.batch_size):
        images = store.images(names[start : start + options.batch_size])
        for layer, values in found.units(images).items():
            sums[layer] = sums.get(layer, torch.zeros(())) + values.double().cpu().sum(0)
    return {layer: (total / len(names)).numpy() for layer, total in sums.items()}


def by_activation(store: Store, layer: str, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, " _"]:
    """The class's mean peak of each channel.

    Raises:
        MissingInputError: the store keeps no peak of each image.
    """
    peaks = np.asarray(store.of_images(layer, "peak").isel(image=rows).values, np.float64)
    return np.asarray(peaks.mean(0))


def activation_mass(store: Store, layer: str, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, " _"]:
    """How strong each channel is on the class's images, by size, over all positions."""
    averages = np.asarray(store.of_images(layer, "average").isel(image=rows).values, np.float64)
    return np.asarray(np.abs(averages).mean(0))


def head(scores: Float[np.ndarray, " _"], count: int) -> Bool[np.ndarray, " _"]:
    """The strongest, as a mask; of equal ones the first.

    Examples:
        >>> head(np.array([1.0, 3.0, 3.0]), 1).tolist()
        [False, True, False]
    """
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores, kind="stable")[:count]] = True
    return mask


def matched(
    kept: Bool[np.ndarray, " _"], mass: Float[np.ndarray, " _"], generator: np.random.Generator
) -> Bool[np.ndarray, " _"]:
    """For each kept channel another at random, among those of nearest mass; kept ones where no other is left.

    Examples:
        >>> kept = np.array([True, False, False])
        >>> int(matched(kept, np.array([1.0, 2.0, 9.0]), np.random.default_rng(0)).sum())
        1
    """
    taken = np.zeros(len(kept), bool)
    for channel in np.flatnonzero(kept):
        near = np.argsort(np.abs(mass - mass[channel]), kind="stable")
        free = near[~taken[near] & ~kept[near]]
        chosen = free[:_NEAR] if len(free) else near[~taken[near]][:1]
        taken[generator.choice(chosen)] = True
    return taken
