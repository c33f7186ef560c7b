"""What a picture of a unit is matched with: profiles of real images, weighted by relevance for inner units.

They are computed once and kept in the store under `/units`, never in a step of the optimisation.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.relevance.captum import Attributor, channel_relevance
from fvhooks.statistics.profile import choose_ranks
from fvhooks.store.reading import Store
from fvhooks.synthesis.engine import look
from fvhooks.units import Layout, Unit

CROP_SIDES = (1.0, 0.75, 0.5)
"""Sides of the crops around a top position that compete to be the reference, as fractions of the picture."""


@dataclass(frozen=True, slots=True)
class NodeReference:
    """What one layer gives for the references of one unit.

    Args:
        ranks: places of the sorted order that are kept.
        profile: mean sorted activations there, weighted by relevance for inner units.
        weights: of each channel in the loss, in [0, 1].
    """

    ranks: Int[np.ndarray, " rank"]
    profile: Float[np.ndarray, "channel rank"]
    weights: Float[np.ndarray, " channel"]


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

    def key(self, facet: int) -> str:
        """A short text that differs where the references would."""
        name = "LayerGradientXActivation" if self.attributor is None else _name(self.attributor)
        said = json.dumps([self.count, self.facets, facet, name, CROP_SIDES])
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def class_references(
    hooked: HookedModel, store: Store, unit: Unit, settings: ReferenceSettings
) -> list[dict[str, NodeReference]]:
    """The stored profiles of the label that an output stands for, one dictionary a facet.

    Raises:
        MissingInputError: the store has no labels, or none of the label's images is a reference.
    """
    label = store.label_of_logit(unit.channel)
    if settings.facets == 1:
        return [{node: _even(*store.profile(node, label)) for node in settings.nodes}]
    table = store.images_table
    rows = np.flatnonzero(
        (table.label.values == label) & (table.split.values == "reference") & (table.error.values == "")
    )
    if len(rows) < settings.facets:
        raise MissingInputError(
            f"Label {label} has {len(rows)} reference images, too few for {settings.facets} facets."
        )
    deepest = settings.nodes[-1]
    groups = _groups(np.asarray(store[deepest]["average"].isel(image=rows)), settings.facets)
    found = []
    for group in range(settings.facets):
        images = store.images([str(table.id.values[row]) for row in rows[groups == group]])
        with torch.no_grad():
            seen = look(hooked, images.to(hooked.device), settings.nodes)
        found.append({node: _even(*_profile_of(values)) for node, values in seen.items()})
    return found


def unit_references(
    hooked: HookedModel, store: Store, unit: Unit, settings: ReferenceSettings
) -> list[dict[str, NodeReference]]:
    """Relevance-weighted profiles of an inner unit's top images, one dictionary a facet.

    They are read from the store where it has them, and kept there where it had not.

    Raises:
        MissingInputError: the store has no data set attached, or the unit fires for no image.
    """
    kept = [_read(store, unit, settings, facet) for facet in range(settings.facets)]
    if any(found is None for found in kept):
        crops = reference_crops(hooked, store, unit, settings.count)
        groups = _groups(crops.flatten(1).numpy(), settings.facets)
        for facet in range(settings.facets):
            _write(
                store,
                unit,
                settings,
                facet,
                _weighted(hooked, crops[torch.from_numpy(groups == facet)], unit, settings),
            )
        kept = [_read(store, unit, settings, facet) for facet in range(settings.facets)]
    return [found for found in kept if found is not None]


def reference_crops(
    hooked: HookedModel, store: Store, unit: Unit, count: int = 10
) -> Float[torch.Tensor, "image rgb y x"]:
    """Crops around the top positions of a unit's top reference images, at the model's input size.

    Of a few sizes around each position the one wins whose crop, resized to the input, makes the unit's mean
    activation largest.

    Args:
        hooked: the model.
        store: with its data set attached.
        unit: a channel of a layer of the store.
        count: how many images.

    Returns:
        Images in [0, 1], the strongest first.

    Raises:
        MissingInputError: no data set is attached, or the unit fires for none of the reference images.
    """
    top = store.top_images(unit, k=count, split="reference")
    firing = top.value.values > 0
    if not firing.any():
        raise MissingInputError(
            f"Unit {unit.id!r} fires for none of the reference images of the store, so nothing shows "
            "what it looks for. Collect more images, or use recipe 'fourier'."
        )
    images = store.images([str(name) for name in top.id.values[firing]])
    layout = store.layout(unit.layer)
    places = top.position.values[firing].tolist()
    crops = [_around(image, layout, place) for image, place in zip(images, places, strict=True)]
    best = [int(_mean_activation(hooked, unit, candidates).argmax()) for candidates in crops]
    return torch.stack([candidates[which] for candidates, which in zip(crops, best, strict=True)])


@torch.no_grad()
def _mean_activation(
    hooked: HookedModel, unit: Unit, images: Float[torch.Tensor, "image rgb y x"]
) -> Float[torch.Tensor, " image"]:
    return look(hooked, images.to(hooked.device), [unit.layer])[unit.layer][:, unit.channel].mean(-1).cpu()


def _around(
    image: Float[torch.Tensor, "rgb y x"], layout: Layout, position: int
) -> Float[torch.Tensor, "crop rgb y x"]:
    """Crops of the sizes of `CROP_SIDES` around a position, each resized to the whole picture's size."""
    centre = layout.centre(position)
    height, width = image.shape[-2:]
    crops = []
    for side in CROP_SIDES:
        if side == 1.0 or centre is None:
            crops.append(image)
            continue
        rows, columns = round(side * height), round(side * width)
        top = min(max(round(centre[0] * height - rows / 2), 0), height - rows)
        left = min(max(round(centre[1] * width - columns / 2), 0), width - columns)
        cut = image[None, :, top : top + rows, left : left + columns]
        crops.append(
            F.interpolate(cut, (height, width), mode="bilinear", antialias=True, align_corners=False)[
                0
            ].clamp(0, 1)
        )
    return torch.stack(crops)


def _weighted(
    hooked: HookedModel, crops: Float[torch.Tensor, "image rgb y x"], unit: Unit, settings: ReferenceSettings
) -> dict[str, NodeReference]:
    crops = crops.to(hooked.device)
    relevance = channel_relevance(
        hooked, crops, unit.layer, unit.channel, settings.nodes, attributor=settings.attributor
    )
    with torch.no_grad():
        seen = look(hooked, crops, settings.nodes)
    found = {}
    for node, values in seen.items():
        mask, weights = masks_and_weights(relevance[node])
        ranks, profile = _profile_of(mask * values)
        found[node] = NodeReference(ranks, profile, weights.cpu().numpy())
    return found


def masks_and_weights(
    relevance: Float[torch.Tensor, "image channel position"],
) -> tuple[Float[torch.Tensor, "image channel position"], Float[torch.Tensor, " channel"]]:
    """Where each channel matters in each image, and how much it matters over all of them; both in [0, 1].

    The positive part of the relevance, scaled from 0 to 1 over the positions of each channel, is the mask;
    its maximum over positions, scaled from 0 to 1 over the channels of each image and averaged over the
    images, is the weight.

    Example:
        >>> masks_and_weights(torch.tensor([[[0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]]]))[1].tolist()
        [1.0, 0.0, 0.5]

    Args:
        relevance: signed.
    """
    positive = relevance.clamp(min=0)
    low, high = positive.amin(-1, keepdim=True), positive.amax(-1, keepdim=True)
    span = high - low
    # A layer without positions has nothing to tell apart: what is relevant counts whole.
    flat = (high > 0).to(positive.dtype).expand_as(positive)
    mask = torch.where(span > 0, (positive - low) / span.clamp(min=1e-20), flat)
    strongest = positive.amax(-1)
    least, most = strongest.amin(1, keepdim=True), strongest.amax(1, keepdim=True)
    weights = ((strongest - least) / (most - least).clamp(min=1e-20)).mean(0)
    return mask, weights


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


def _read(
    store: Store, unit: Unit, settings: ReferenceSettings, facet: int
) -> dict[str, NodeReference] | None:
    found = {}
    for node in settings.nodes:
        kept = store.read_unit(unit.layer, unit.channel, f"{node}-{settings.key(facet)}")
        if kept is None:
            return None
        found[node] = NodeReference(kept["rank"].values, kept["profile"].values, kept["weight"].values)
    return found


def _write(
    store: Store, unit: Unit, settings: ReferenceSettings, facet: int, references: dict[str, NodeReference]
) -> None:
    for node, reference in references.items():
        arrays = {
            "profile": (("node_channel", "rank"), reference.profile),
            "weight": ("node_channel", reference.weights),
        }
        data = xr.Dataset(arrays, coords={"rank": reference.ranks}, attrs={"node": node})
        store.write_unit(unit.layer, unit.channel, f"{node}-{settings.key(facet)}", data)


def _name(attributor: Attributor) -> str:
    return f"{getattr(attributor, '__module__', '')}.{getattr(attributor, '__qualname__', repr(attributor))}"
