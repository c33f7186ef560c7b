"""`fvhooks.atlas`: a map of inputs, of units or latents, of the data set, or of averaged activations."""

from typing import Any, Unpack

import numpy as np
import xarray as xr

from fvhooks.atlases.fillers import filled
from fvhooks.atlases.forms.around_unit import around_unit
from fvhooks.atlases.forms.averaged_activations import averaged_activations, inverted
from fvhooks.atlases.forms.given import given_items
from fvhooks.atlases.forms.images_of_store import images_of_store
from fvhooks.atlases.forms.units_of_layer import units_of_layer
from fvhooks.atlases.laying import laid_out, places_of
from fvhooks.atlases.options import AtlasOptions, checked_options
from fvhooks.atlases.options_taken import CALLS, check_taken
from fvhooks.atlases.pictures import Filled
from fvhooks.atlases.results import Atlas
from fvhooks.atlases.verification import stated_by, verify
from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store
from fvhooks.units import Direction, Unit

_FORMS = ", ".join(CALLS.values())


def atlas(
    store: Store | None = None,
    *,
    unit: Unit | Direction | None = None,
    layer: str | None = None,
    images: bool = False,
    activations: bool = False,
    features: Any = None,  # noqa: ANN401 - a tensor, an array or rows of numbers
    **options: Unpack[AtlasOptions],
) -> Atlas:
    """Lay items out on a map by likeness, one cell each, with pictures that say what they are.

    With `hooked`, what every real image is said to activate (of the images of a data set: their highest
    logit) is computed again from the image; one that does not hold is flagged.

    Examples:
        >>> fv.atlas(store, unit=fv.Unit("layer4", 7), hooked=hooked)             # doctest: +SKIP
        >>> fv.atlas(store, layer="layer4", cells=vis)                            # doctest: +SKIP
        >>> fv.atlas(store, images=True, layout="pca")                            # doctest: +SKIP
        >>> fv.atlas(store, layer="layer4", activations=True, hooked=hooked)      # doctest: +SKIP
        >>> import numpy as np
        >>> atlas(features=np.eye(6), items=["a", "b", "c", "d", "e", "f"], layout="pca")
        Atlas(Items: 6 items on 2 x 3 cells)

    Args:
        store: statistics of real images; not for `features`.
        unit: a map of the images around this unit, latent or direction: its strongest, others at random, and
            of the same labels those that fire least.
        layer: a map of all units of this layer, or of all latents of an autoencoder. With `images` the layer
            by which images are alike.
        images: a map of the images of the store.
        activations: a map of the layer's sampled activations, averaged a cell; the store is to be collected
            with `sample=True`.
        features: a map of any items, by a vector each.
        **options: see `fvhooks.atlases.AtlasOptions`.

    Returns:
        The atlas; `data` holds a row for each `cell`.

    Raises:
        MissingInputError: none or several of the kinds of map are asked for, one that needs what is not
            there, or an option that would have no effect on it: which argument.
        LayerNotFoundError: a layer that the store does not have.
        ShapeError: coordinates, scores or labels of another number than items; a grid that is too small.
        NonFiniteError: features or coordinates that are NaN; of which items.
    """
    chosen = checked_options(options)
    form = _form(store, unit, layer, images=images, activations=activations, features=features)
    check_taken(form, chosen, layer=layer, unit=unit)
    if store is not None and chosen.get("hooked") is not None:
        store.require(chosen["hooked"])  # type: ignore[arg-type]
    if form == "activations":
        return _of_activations(store, str(layer), chosen)  # type: ignore[arg-type]
    if store is None:
        items = given_items(features, chosen)
    elif unit is not None:
        items = around_unit(store, unit, chosen)
    elif form == "images":
        items = images_of_store(store, layer, chosen)
    else:
        items = units_of_layer(store, str(layer), chosen)
    data = laid_out(items, places_of(items, chosen), chosen)
    amap = _with_pictures(data, filled(items, data, store, chosen))
    return _checked(amap, store, chosen)


def _of_activations(store: Store, layer: str, options: AtlasOptions) -> Atlas:
    averages = averaged_activations(store, layer, options)
    data = laid_out(averages.items, averages.places, options)
    asked = options.get("cells")
    pictures = (
        inverted(averages, store, options) if asked is None else filled(averages.items, data, store, options)
    )
    return _with_pictures(data, pictures)


def _with_pictures(data: xr.Dataset, pictures: Filled) -> Atlas:
    return Atlas(data.drop_vars("flag").assign(pictures.variables()))


def _checked(amap: Atlas, store: Store | None, options: AtlasOptions) -> Atlas:
    """The map, with a flag at every image that does not activate what is stated as stated."""
    hooked, name = options.get("hooked"), stated_by(amap.data)
    real = np.isin(amap.data["source"].values.astype(str), ["data", "crop"])
    if hooked is None or store is None or name is None or not real.any():
        return amap
    said = "activates the unit by" if name == "activation" else "has the logit"
    checked = verify(amap, hooked, store)
    wrong = checked.isel(cell=np.flatnonzero(~checked["holds"].values))
    flags = dict(zip(amap.ids, amap.data["flag"].values.tolist(), strict=True))
    for cell, stated, found in zip(*(wrong[key].values for key in ("id", "stated", "found")), strict=True):
        if not np.isfinite(found):
            flags[cell] = flags[cell] or "its image cannot be read"
            continue
        flags[cell] = f"its image {said} {found:.4g}, not {stated:.4g} as stated"
    data = amap.data.assign(flag=("cell", np.array(list(flags.values()), dtype=object)))
    largest = float(np.nanmax(checked["difference"].values)) if checked.sizes["cell"] else 0.0
    return Atlas(data.assign_attrs(verified=int(checked["holds"].sum()), largest_difference=largest))


def _form(
    store: Store | None,
    unit: Unit | Direction | None,
    layer: str | None,
    *,
    images: bool,
    activations: bool,
    features: Any,  # noqa: ANN401
) -> str:
    """The one kind of map that is asked for, with what it needs."""
    if store is not None and not isinstance(store, Store):
        raise MissingInputError(f"Expected a store, got {store!r}: fvhooks.open_store(path, dataset=…).")
    if unit is not None and not isinstance(unit, Unit | Direction):
        raise MissingInputError(f"Expected a Unit or a Direction, got {unit!r}: such as Unit('layer4', 7).")
    if features is not None:
        if store is not None or unit is not None or layer is not None or images or activations:
            raise MissingInputError(f"Features are a map of their own. Ask for one of {_FORMS}.")
        return "features"
    if store is None:
        raise MissingInputError(f"A map needs a store, or features of its items: {_FORMS}.")
    asked = [unit is not None, images, activations, layer is not None and not images and not activations]
    if sum(asked) != 1 or (unit is not None and layer is not None):
        raise MissingInputError(f"Expected one kind of map, got {sum(asked)}: {_FORMS}.")
    if activations and layer is None:
        raise MissingInputError("Expected layer= with activations=True: whose sampled activations?")
    kinds = {"unit": unit is not None, "images": images, "activations": activations}
    return next((kind for kind, wanted in kinds.items() if wanted), "layer")
