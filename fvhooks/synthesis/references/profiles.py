"""What a picture of a unit is matched with: profiles of real images, channels weighted by relevance.

They are computed once and kept in the store under `/units`, never in a step of the optimisation.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.relevance.forms import Attributor
from fvhooks.statistics.profile import choose_ranks
from fvhooks.store.reading import Store
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.references.class_images import label_rows
from fvhooks.synthesis.references.crops import CROP_SIDES, reference_crops
from fvhooks.synthesis.references.facets import even_groups
from fvhooks.synthesis.references.strongest_images import name_of, place_in_store
from fvhooks.synthesis.references.weights import channel_weights
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import Direction, Unit

CLASS_IMAGES = 50
"""How many images of a label are split into facets, at most."""


@dataclass(frozen=True, slots=True)
class NodeReference:
    """What one layer gives for the references of one unit.

    Args:
        ranks: places of the sorted order that are kept.
        profile: mean sorted activations there.
        weights: of each channel in the loss, in [0, 1]; by relevance for inner units.
    """

    ranks: Int[np.ndarray, " rank"]
    profile: Float[np.ndarray, "channel rank"]
    weights: Float[np.ndarray, " channel"]


References = dict[str, NodeReference]
"""By layer."""

Make = Callable[[], list[References]]


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """How references are chosen and weighted.

    Args:
        nodes: the layers to match.
        count: top images of an inner unit.
        facets: how many groups they are split into.
        attributor: of the relevance; None: `LayerGradientXActivation`.
    """

    nodes: tuple[str, ...]
    count: int
    facets: int
    attributor: Attributor | None

    def key(self, facet: int, split_by: str | None = None) -> str | None:
        """A text that differs where the references would; None where nothing tells attributors apart.

        Args:
            facet: which of the groups.
            split_by: the layer whose activations tell the groups, if one does.
        """
        name = _name(self.attributor)
        if name is None:
            return None
        said = ["channel weights", self.count, self.facets, facet, name, CROP_SIDES]
        said = said if split_by is None else [*said, split_by]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def class_references(
    hooked: HookedModel, store: Store, unit: Unit, settings: ReferenceSettings
) -> list[References]:
    """The stored profiles of the label that an output stands for, one dictionary a facet.

    Raises:
        MissingInputError: the store has no labels, or none of the label's images is a reference.
    """
    label = store.label_of_logit(unit.channel)
    if settings.facets == 1:
        return [{node: _even(*store.profile(node, label)) for node in settings.nodes}]
    make: Make = lambda: _class_facets(hooked, store, label, settings)  # noqa: E731
    return _kept_or_made(hooked, store, unit, settings, make, split_by=settings.nodes[-1])


def unit_references(
    hooked: HookedModel, store: Store, unit: Unit | Direction, settings: ReferenceSettings
) -> list[References]:
    """Profiles of an inner target's top images, channels weighted by relevance, one dictionary a facet.

    They are read from the store where it has them, and kept there where it had not.

    Raises:
        MissingInputError: the store has no data set attached, the unit fires for no image, or it is a unit
            at one position.
    """
    refuse_position("vital", unit)
    return _kept_or_made(hooked, store, unit, settings, lambda: _unit_facets(hooked, store, unit, settings))


def image_references(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    target: Unit | Direction | None,
    settings: ReferenceSettings,
) -> list[References]:
    """Profiles of images that the caller brings, one dictionary a facet; nothing is kept.

    Args:
        hooked: the model.
        images: in [0, 1].
        target: weights each channel by its relevance for it; None, or an output: all count alike.
        settings: what to match; all images are taken.

    Raises:
        MissingInputError: a unit at one position, or fewer images than facets.
    """
    groups = torch.from_numpy(even_groups(images.flatten(1).numpy(), settings.facets))
    parts = [images[groups == facet] for facet in range(settings.facets)]
    if target is not None and not (isinstance(target, Unit) and target.is_logit):
        refuse_position("vital", target)
        return [_weighted(hooked, part, target, settings) for part in parts]
    return [
        {node: _even(*_profile_of(values)) for node, values in _look(hooked, part, settings.nodes).items()}
        for part in parts
    ]


def refuse_position(recipe: str, unit: Target) -> None:
    """Refuse a unit at one position.

    Args:
        recipe: what refuses it.
        unit: of any kind.

    Raises:
        MissingInputError: it is one; what to do.
    """
    if isinstance(unit, Unit) and unit.position is not None:
        raise MissingInputError(
            f"Recipe {recipe!r} matches a whole channel; {unit.id!r} is one position of it. "
            "Leave position out, or use recipe 'fourier'."
        )


def _kept_or_made(
    hooked: HookedModel,
    store: Store,
    unit: Unit | Direction,
    settings: ReferenceSettings,
    make: Make,
    split_by: str | None = None,
) -> list[References]:
    name = name_of(hooked, store, unit)
    said = [settings.key(facet, split_by) for facet in range(settings.facets)]
    keys = [key if key is None or not name else f"{key}-{name}" for key in said]
    kept = [_read(store, unit, settings, key) for key in keys]
    found = [references for references in kept if references is not None]
    if len(found) == settings.facets:
        return found
    made = make()
    for key, references in zip(keys, made, strict=True):
        if key is not None:
            _write(store, unit, key, references)
    return made


def _class_facets(
    hooked: HookedModel, store: Store, label: int, settings: ReferenceSettings
) -> list[References]:
    table = store.images_table
    rows = label_rows(store, label)[:CLASS_IMAGES]
    if len(rows) < settings.facets:
        raise MissingInputError(
            f"Label {label} has {len(rows)} reference images, too few for {settings.facets} facets."
        )
    deepest = settings.nodes[-1]
    groups = even_groups(np.asarray(store.of_images(deepest, "average").isel(image=rows)), settings.facets)
    ids = table.id.values[rows].astype(str)
    found = []
    for group in range(settings.facets):
        seen = _look(hooked, store.images(ids[groups == group]), settings.nodes)
        found.append({node: _even(*_profile_of(values)) for node, values in seen.items()})
    return found


def _unit_facets(
    hooked: HookedModel, store: Store, unit: Unit | Direction, settings: ReferenceSettings
) -> list[References]:
    crops = reference_crops(hooked, store, unit, settings.count)
    groups = torch.from_numpy(even_groups(crops.flatten(1).numpy(), settings.facets))
    return [_weighted(hooked, crops[groups == facet], unit, settings) for facet in range(settings.facets)]


@torch.no_grad()
def _look(
    hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"], nodes: Sequence[str]
) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    return look(hooked, images.to(hooked.device), nodes)


def _weighted(
    hooked: HookedModel,
    crops: Float[torch.Tensor, "image rgb y x"],
    unit: Unit | Direction,
    settings: ReferenceSettings,
) -> dict[str, NodeReference]:
    crops = crops.to(hooked.device)
    weights = channel_weights(hooked, crops, unit, settings.nodes, settings.attributor)
    return {
        node: NodeReference(*_profile_of(values), weights[node])
        for node, values in _look(hooked, crops, settings.nodes).items()
    }


def _profile_of(
    values: Float[torch.Tensor, "image channel position"],
) -> tuple[Int[np.ndarray, " rank"], Float[np.ndarray, "channel rank"]]:
    ranks = choose_ranks(values.shape[-1])
    ordered = np.sort(values.cpu().numpy(), axis=-1)[..., ranks]
    return ranks, ordered.mean(0, dtype=np.float64).astype(np.float32)


def _even(ranks: Int[np.ndarray, " rank"], profile: Float[np.ndarray, "channel rank"]) -> NodeReference:
    return NodeReference(ranks, profile, np.ones(len(profile), np.float32))


def _read(
    store: Store, unit: Unit | Direction, settings: ReferenceSettings, key: str | None
) -> References | None:
    found = {}
    layer, channel = place_in_store(store, unit)
    for node in settings.nodes:
        kept = None if key is None else store.read_unit(layer, channel, f"{node}-{key}")
        if kept is None:
            return None
        found[node] = NodeReference(kept["rank"].values, kept["profile"].values, kept["weight"].values)
    return found


def _write(store: Store, unit: Unit | Direction, key: str, references: References) -> None:
    layer, channel = place_in_store(store, unit)
    for node, reference in references.items():
        arrays = {
            "profile": (("node_channel", "rank"), reference.profile),
            "weight": ("node_channel", reference.weights),
        }
        data = xr.Dataset(arrays, coords={"rank": reference.ranks}, attrs={"node": node})
        store.write_unit(layer, channel, f"{node}-{key}", data)


def _name(attributor: Attributor | None) -> str | None:
    """What tells an attributor from others, also tomorrow: a class of an importable module, nothing else."""
    if attributor is None:
        return "captum.attr._core.layer.layer_gradient_x_activation.LayerGradientXActivation"
    named = isinstance(attributor, type) and "<" not in attributor.__qualname__
    if not named or attributor.__module__ == "__main__":
        return None
    return f"{attributor.__module__}.{attributor.__qualname__}"
