"""What `atlas` can be told beside the essentials."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import index
from typing import Any, Literal, TypedDict

import torch
import xarray as xr
from jaxtyping import Float

from fvhooks.errors import MissingInputError, ShapeError, did_you_mean
from fvhooks.hooks import HookedModel
from fvhooks.synthesis.visualizations import Visualizations

Embedding = str | Callable[[Float[torch.Tensor, "image rgb y x"]], Any] | Any
"""A layer of the store, "labels" for their words, a function from images in [0, 1] to vectors, or vectors."""

Filler = Callable[[xr.Dataset], Any]
"""From the cells of an atlas, without pictures, to a picture of each: (cell, rgb, y, x)."""

CELLS = ("images", "crops", "four", "none")


class AtlasOptions(TypedDict, total=False):
    """What `fvhooks.atlas` can be told beside what it is a map of.

    Attributes:
        hooked: the model: for receptive-field crops, for weights, for pictures that are made, and to compute
            again what every image shown is said to activate (on a map of images, its highest logit).
        names: what each label is called.
        ids: only these images of the store, such as `amap.selected`.
        split: only images of "reference", "calibration" or "report".
        embedding: by what images are alike: a layer of the store (else the unit's own, or the deepest), a
            function from images in [0, 1] (N C H W) to vectors, such as an open_clip image encoder, an
            array of vectors, one an image of the store, or "labels" for the words that `names` calls their
            labels (`fvhooks.atlases.text_features`). Units are then compared by their top images.
        top: around a unit, how many of the images with the highest scores (250).
        random: how many others, drawn at random (as a half of `top`).
        negatives: how many that fire least, of the labels of the top ones (as a half of `top`; no more than
            the top has).
        weight: around a unit, λ: how much the difference of scores counts beside that of features (0.25);
            not with "pca" or coordinates, which know nothing of it.
        radial: a disc with the highest scores in its centre; of the layout, and of coordinates, it takes
            directions from the middle.
        by: what units are alike by: "classes" (mean response to each), "weights" (decoder rows of an
            autoencoder's latents), or "images" (the embedding of their top ones).
        layout: "umap", "pca", "scaled", another registered one, a function, or coordinates (item, 2);
            else "umap" where it is installed.
        shape: rows and columns of the grid.
        cells: what fills a cell: "images", "crops" (what the firing position sees, with `hooked`), "four"
            (the top four of a unit), "none", pictures of the units (`Visualizations`), or a function of the
            cells, whose pictures are marked as generated.
        side: of a cell's picture in pixels, at most (64).
        recipe: for averaged activations, what makes pictures of them ("fourier").
        steps: of that recipe, instead of its own number.
        least: for averaged activations, how many a cell must hold (3).
        stability: whether to lay out twice, to say how much depends on the seed.
        seed: of the layout, of what is drawn and of the shuffled twin.
        scores: of the items given as features.
        items: given with features: their images (N C H W), or texts.
        labels: of the items given as features.
        title: what the map is called.
    """

    hooked: HookedModel | None
    names: Mapping[int, str]
    ids: Sequence[str] | None
    split: str | None
    embedding: Embedding
    top: int
    random: int
    negatives: int
    weight: float
    radial: bool
    by: Literal["classes", "weights", "images"]
    layout: Any
    shape: tuple[int, int]
    cells: str | Visualizations | Filler
    side: int
    recipe: Any
    steps: int | None
    least: int
    stability: bool
    seed: int
    scores: Any
    items: Any
    labels: Any
    title: str


def checked_options(options: AtlasOptions) -> AtlasOptions:
    """The options, once each of them is one that there is.

    Raises:
        TypeError: an unknown one.
        MissingInputError: a value that makes no sense.
    """
    known = list(AtlasOptions.__annotations__)
    for name in options:
        if name not in known:
            raise TypeError(
                f"atlas has no argument {name!r}.{did_you_mean(name, known)} It has {', '.join(known)}."
            )
    _check_numbers(options)
    weight = options.get("weight", 0.0)
    if not 0 <= weight <= 1:
        raise MissingInputError(
            f"Expected weight, the share of scores in a distance, in [0, 1], got {weight}."
        )
    cells = options.get("cells", "none")
    if isinstance(cells, str) and cells not in CELLS:
        raise MissingInputError(
            f"Expected cells to be one of {CELLS}, pictures of the units, or a function, got {cells!r}."
            f"{did_you_mean(cells, CELLS)}"
        )
    if options.get("by", "classes") not in ("classes", "weights", "images"):
        raise MissingInputError(
            f"Expected by to be 'classes', 'weights' or 'images', got {options.get('by')!r}."
        )
    return options


def _check_numbers(options: AtlasOptions) -> None:
    """Whole numbers that are large enough; NumPy's are taken, too."""
    for name, least in (("top", 1), ("random", 0), ("negatives", 0), ("side", 4), ("least", 1), ("seed", 0)):
        value: Any = options.get(name, least)
        with suppress(TypeError):
            value = index(value)
        if not isinstance(value, int) or value < least:
            raise MissingInputError(
                f"Expected {name} to be a whole number of at least {least}, got {value!r}."
            )
        if name in options:
            options[name] = value  # type: ignore[literal-required]
    if "shape" in options:
        options["shape"] = _shape(options["shape"])


def _shape(given: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever a user passes
    """Rows and columns of a grid."""
    listed = list(given) if hasattr(given, "__iter__") else [given]
    if len(listed) != 2 or not all(float(side) == int(side) >= 1 for side in listed):
        raise ShapeError(f"Expected shape as (rows, columns), each 1 or more, got {given!r}.")
    return int(listed[0]), int(listed[1])
