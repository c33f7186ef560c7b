"""Edges of any architecture: how much of a unit comes from each unit below, by gradients."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from fvhooks.circuits.contributions import Attributed, Gradients, RelevanceOptions, contributions
from fvhooks.circuits.edges import EDGES, HALVES, Evidence, PairEdges, Question
from fvhooks.errors import MissingInputError, NonFiniteError
from fvhooks.units import LOGITS

_Batch = tuple[Float[torch.Tensor, "image rgb y x"], Int[np.ndarray, " image"], list[str]]
_Sums = Float[np.ndarray, "half *_"]


@EDGES.register("relevance")
def relevance(question: Question) -> Evidence:
    """Relevance passed from unit to unit, averaged over the images; see `RelevanceOptions`.

    Raises:
        MissingInputError: no model, no data set, an unknown option, or rows with no path between them.
        NonFiniteError: NaN or infinite relevance; of which images.
        StoreError: the store belongs to another model.
    """
    hooked, layers = question.hooked, list(question.layers)
    if hooked is None:
        raise MissingInputError(
            "Relevance edges are measured in the model: pass hooked= beside edges='relevance'."
        )
    question.store.require(hooked, layers)
    options = RelevanceOptions.of(question.options)
    found = contributions(question.store, hooked, layers, question.label, options, question.output)
    counts = np.bincount(question.half, minlength=HALVES)
    units = _units(question, found, layers, options)
    scores = {layer: _scores(sums.sum(0) / counts.sum(), options) for layer, sums in units.items()}
    targets = {layer: np.sort(np.argsort(-values, kind="stable")[: options.width])
               for layer, values in scores.items()}  # fmt: skip
    edges = _edges(question, found, targets, options)
    pairs = [
        _pair(source, target, targets[target], edges[target], counts) for source, target in pairwise(layers)
    ]
    if question.output >= 0:
        last = layers[-1]
        pairs.append(_pair(last, LOGITS, np.array([question.output]), units[last][:, None], counts))
    return Evidence(pairs, scores, len(question.rows), _notes(options))


def _scores(relevance: Float[np.ndarray, " _"], options: RelevanceOptions) -> Float[np.ndarray, " _"]:
    return np.asarray(np.maximum(relevance, 0) if options.signs == "positive" else np.abs(relevance))


def _notes(options: RelevanceOptions) -> dict[str, str | int]:
    if options.attributor is not None:
        name = getattr(options.attributor, "__name__", type(options.attributor).__name__)
        return {"relevance": str(name), "width": options.width, "signs": options.signs}
    names = ("width", "baseline", "contrast", "value", "signs", "steps")
    return {"relevance": "gradient"} | {name: getattr(options, name) for name in names}


def _batches(question: Question, size: int) -> Iterator[_Batch]:
    names = question.store.images_table.id.values
    for start in range(0, len(question.rows), size):
        rows = question.rows[start : start + size]
        ids = [str(names[row]) for row in rows]
        yield question.store.images(ids), question.half[start : start + size], ids


def _added(
    sums: _Sums | None, values: Shaped[torch.Tensor, "image ..."], half: Int[np.ndarray, " image"]
) -> _Sums:
    """The sums of each half, with some images more."""
    array = values.detach().double().cpu().numpy()
    new = np.stack([array[half == part].sum(0) for part in range(HALVES)])
    return new if sums is None else sums + new


def _check(values: Shaped[torch.Tensor, "image ..."], layer: str, ids: Sequence[str]) -> None:
    bad = (~torch.isfinite(values)).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        names = [ids[place] for place in bad[:8]]
        raise NonFiniteError(
            f"Relevance at layer {layer!r} is NaN or infinite for images {names}. "
            "Leave them out with ids=, or use a model in float32."
        )


def _units(
    question: Question, found: Gradients | Attributed, layers: Sequence[str], options: RelevanceOptions
) -> dict[str, _Sums]:
    """Relevance of each channel for the class, summed over the images of each half."""
    sums: dict[str, _Sums] = {}
    for images, half, ids in _batches(question, options.batch_size):
        for layer, values in found.units(images).items():
            _check(values, layer, ids)
            sums[layer] = _added(sums.get(layer), values, half)
    return {layer: sums[layer] for layer in layers}


def _edges(
    question: Question,
    found: Gradients | Attributed,
    targets: dict[str, Int[np.ndarray, " _"]],
    options: RelevanceOptions,
) -> dict[str, _Sums]:
    """Relevance of each channel below for some units of each layer, likewise."""
    sums: dict[str, _Sums] = {}
    for images, half, ids in _batches(question, options.batch_size):
        for target, values in found.edges(images, targets).items():
            if values is None:
                below = question.layers[list(question.layers).index(target) - 1]
                raise MissingInputError(
                    f"No gradient passes from layer {below!r} to {target!r}, the next row: neither lies "
                    "behind the other. Choose layers= that follow one another."
                )
            _check(values, target, ids)
            sums[target] = _added(sums.get(target), values, half)
    return sums


def _pair(
    source: str,
    target: str,
    channels: Int[np.ndarray, " _"],
    sums: _Sums,
    counts: Int[np.ndarray, " _"],
) -> PairEdges:
    """The edges of a matrix (half, target, source) of sums, without those that are zero."""
    weights = sums.sum(0) / counts.sum()
    rows, sources = np.nonzero(weights)
    known = np.where(counts > 0, counts, np.nan)  # of no image there is no weight
    halves = sums / known[:, None, None]
    return PairEdges(
        source, target, sources, channels[rows], weights[rows, sources], halves[:, rows, sources]
    )
