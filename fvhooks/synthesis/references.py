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
from fvhooks.relevance.captum import channel_relevance
from fvhooks.relevance.forms import Attributor
from fvhooks.statistics.profile import choose_ranks
from fvhooks.store.reading import Store
from fvhooks.synthesis.crops import CROP_SIDES, reference_crops
from fvhooks.synthesis.engine import look
from fvhooks.units import Unit

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

    def key(self, facet: int) -> str | None:
        """A text that differs where the references would; None where nothing tells attributors apart."""
        name = _name(self.attributor)
        if name is None:
            return None
        said = json.dumps(["channel weights", self.count, self.facets, facet, name, CROP_SIDES])
        return hashlib.sha256(said.encode()).hexdigest()[:12]


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
    return _kept_or_made(store, unit, settings, lambda: _class_facets(hooked, store, label, settings))


def unit_references(
    hooked: HookedModel, store: Store, unit: Unit, settings: ReferenceSettings
) -> list[References]:
    """Profiles of an inner unit's top images, channels weighted by relevance, one dictionary a facet.

    They are read from the store where it has them, and kept there where it had not.

    Raises:
        MissingInputError: the store has no data set attached, the unit fires for no image, or it is a unit
            at one position.
    """
    if unit.position is not None:
        raise MissingInputError(
            f"Recipe 'vital' matches a whole channel; {unit.id!r} is one position of it. "
            "Leave position out, or use recipe 'fourier'."
        )
    return _kept_or_made(store, unit, settings, lambda: _unit_facets(hooked, store, unit, settings))


def _kept_or_made(
    store: Store, unit: Unit, settings: ReferenceSettings, make: Callable[[], list[References]]
) -> list[References]:
    keys = [settings.key(facet) for facet in range(settings.facets)]
    kept = [_read(store, unit, settings, key) for key in keys]
    found = [references for references in kept if references is not None]
    if len(found) == settings.facets:
        return found
    made = make()
    for key, references in zip(keys, made, strict=True):
        if key is not None:
            _write(store, unit, key, references)
    return made


def label_rows(store: Store, label: int) -> Int[np.ndarray, " image"]:
    """The rows of the readable reference images of a label."""
    table = store.images_table
    return np.flatnonzero(
        (table.label.values == label) & (table.split.values == "reference") & (table.error.values == "")
    )


def drawn_images(store: Store, label: int, count: int, seed: int = 0) -> Float[torch.Tensor, "image rgb y x"]:
    """Some reference images of a label, drawn at random.

    Args:
        store: with its data set attached.
        label: of the images.
        count: how many; all where there are fewer.
        seed: of the draw.

    Raises:
        MissingInputError: no data set is attached, or the label has no reference image.
    """
    rows = label_rows(store, label)
    if not len(rows):
        raise MissingInputError(f"The store has no reference image of label {label}.")
    drawn = np.random.default_rng([seed, label]).permutation(rows)[:count]
    return store.images(store.images_table.id.values[np.sort(drawn)].astype(str))


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
    groups = _groups(np.asarray(store.of_images(deepest, "average").isel(image=rows)), settings.facets)
    ids = table.id.values[rows].astype(str)
    found = []
    for group in range(settings.facets):
        seen = _look(hooked, store.images(ids[groups == group]), settings.nodes)
        found.append({node: _even(*_profile_of(values)) for node, values in seen.items()})
    return found


def _unit_facets(
    hooked: HookedModel, store: Store, unit: Unit, settings: ReferenceSettings
) -> list[References]:
    crops = reference_crops(hooked, store, unit, settings.count)
    groups = torch.from_numpy(_groups(crops.flatten(1).numpy(), settings.facets))
    return [_weighted(hooked, crops[groups == facet], unit, settings) for facet in range(settings.facets)]


@torch.no_grad()
def _look(
    hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"], nodes: Sequence[str]
) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    return look(hooked, images.to(hooked.device), nodes)


def _weighted(
    hooked: HookedModel, crops: Float[torch.Tensor, "image rgb y x"], unit: Unit, settings: ReferenceSettings
) -> dict[str, NodeReference]:
    crops = crops.to(hooked.device)
    relevance = channel_relevance(
        hooked, crops, unit.layer, unit.channel, settings.nodes, attributor=settings.attributor
    )
    found = {}
    for node, values in _look(hooked, crops, settings.nodes).items():
        weights = channel_weights(relevance[node]).cpu().numpy()
        found[node] = NodeReference(*_profile_of(values), weights)
    return found


def channel_weights(
    relevance: Float[torch.Tensor, "image channel position"],
) -> Float[torch.Tensor, " channel"]:
    """How much each channel matters over all images, in [0, 1].

    The maximum over positions of the positive part of the relevance, scaled from 0 to 1 over the channels of
    each image, averaged over the images.

    Example:
        >>> channel_weights(torch.tensor([[[0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]]])).tolist()
        [1.0, 0.0, 0.5]

    Args:
        relevance: signed.
    """
    strongest = relevance.clamp(min=0).amax(-1)
    least, most = strongest.amin(1, keepdim=True), strongest.amax(1, keepdim=True)
    return ((strongest - least) / (most - least).clamp(min=1e-20)).mean(0)


def _profile_of(
    values: Float[torch.Tensor, "image channel position"],
) -> tuple[Int[np.ndarray, " rank"], Float[np.ndarray, "channel rank"]]:
    ranks = choose_ranks(values.shape[-1])
    ordered = np.sort(values.cpu().numpy(), axis=-1)[..., ranks]
    return ranks, ordered.mean(0, dtype=np.float64).astype(np.float32)


def _even(ranks: Int[np.ndarray, " rank"], profile: Float[np.ndarray, "channel rank"]) -> NodeReference:
    return NodeReference(ranks, profile, np.ones(len(profile), np.float32))


def _groups(features: Float[np.ndarray, "image feature"], count: int) -> Int[np.ndarray, " image"]:
    """Groups of similar images of equal size (± 1): farthest points first, then the nearest still free."""
    if count == 1:
        return np.zeros(len(features), np.int64)
    if len(features) < count:
        raise MissingInputError(f"{len(features)} reference images are too few for {count} facets.")
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    centres = [int(np.argmin((scaled**2).sum(1)))]
    for _ in range(count - 1):
        distance = np.min([((scaled - scaled[centre]) ** 2).sum(1) for centre in centres], axis=0)
        centres.append(int(np.argmax(distance)))
    distances = np.stack([((scaled - scaled[centre]) ** 2).sum(1) for centre in centres], 1)
    groups = np.full(len(features), -1)
    room = [len(features) // count + (group < len(features) % count) for group in range(count)]
    for flat in np.argsort(distances, axis=None, kind="stable"):
        image, group = divmod(int(flat), count)
        if groups[image] < 0 and room[group]:
            groups[image] = group
            room[group] -= 1
    return groups


def _read(store: Store, unit: Unit, settings: ReferenceSettings, key: str | None) -> References | None:
    found = {}
    for node in settings.nodes:
        kept = None if key is None else store.read_unit(unit.layer, unit.channel, f"{node}-{key}")
        if kept is None:
            return None
        found[node] = NodeReference(kept["rank"].values, kept["profile"].values, kept["weight"].values)
    return found


def _write(store: Store, unit: Unit, key: str, references: References) -> None:
    for node, reference in references.items():
        arrays = {
            "profile": (("node_channel", "rank"), reference.profile),
            "weight": ("node_channel", reference.weights),
        }
        data = xr.Dataset(arrays, coords={"rank": reference.ranks}, attrs={"node": node})
        store.write_unit(unit.layer, unit.channel, f"{node}-{key}", data)


def _name(attributor: Attributor | None) -> str | None:
    """What tells an attributor from others, also tomorrow: a class of an importable module, nothing else."""
    if attributor is None:
        return "captum.attr._core.layer.layer_gradient_x_activation.LayerGradientXActivation"
    named = isinstance(attributor, type) and "<" not in attributor.__qualname__
    if not named or attributor.__module__ == "__main__":
        return None
    return f"{attributor.__module__}.{attributor.__qualname__}"
