"""Sets of images as what a picture shows: what a layer sees in all of them, or in each group of them."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.dependencies import require
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_images
from fvhooks.synthesis.engine import Response
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen

_AT_ONCE = 32  # images
_COMPONENTS = 50


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images whose common features in a layer a picture shall show, with recipe "minds_eye".

    Examples:
        >>> ImageSet("layer3", np.zeros((4, 3, 32, 32), np.uint8), name="padlocks").id
        'layer3:padlocks'

    Args:
        layer: the layer's name in its model.
        images: `image rgb y x`, `uint8` or in [0, 1].
        name: what to call it; by default a hash of the images.
    """

    layer: str
    images: Any = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        images = as_images(self.images)
        if images.ndim != 4 or not len(images):
            raise MissingInputError(
                f"Expected one image or more as (image, rgb, y, x), got shape {tuple(images.shape)}."
            )
        object.__setattr__(self, "images", images.cpu())
        if not self.name:
            said = hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()[:8]
            object.__setattr__(self, "name", f"{len(images)} images {said}")

    @property
    def id(self) -> str:
        """A string that names the set, the value of the `unit` coordinate."""
        return f"{self.layer}:{self.name}"


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups of similar images, each with the activations that stand for it.

    Args:
        members: the images nearest to each group's centre, the nearest first.
        weights: of each group's members; they sum to 1.
        means: of each image's activations over positions.
        group: of each image.
    """

    members: tuple[Int[np.ndarray, " member"], ...]
    weights: tuple[Float[np.ndarray, " member"], ...]
    means: Float[np.ndarray, "image channel"]
    group: Int[np.ndarray, " image"]

    @cached_property
    def targets(self) -> Float[np.ndarray, "cluster channel"]:
        """The weighted mean of the members' activations."""
        found = [
            weights @ self.means[members] for members, weights in zip(self.members, self.weights, strict=True)
        ]
        return np.stack(found).astype(np.float32)

    def blends(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "cluster rgb y x"]:
        """The weighted mean of the members' pictures."""
        found = [
            torch.tensordot(torch.from_numpy(weights).to(images), images[torch.from_numpy(members)], dims=1)
            for members, weights in zip(self.members, self.weights, strict=True)
        ]
        return torch.stack(found)


@torch.no_grad()
def mean_activations(
    hooked: HookedModel, layer: str, images: Float[torch.Tensor, "image rgb y x"]
) -> Float[np.ndarray, "image channel"]:
    """Each channel's mean over positions.

    Args:
        hooked: the model.
        layer: where.
        images: in [0, 1].
    """
    parts = [
        look(hooked, part.to(hooked.device), [layer])[layer].mean(-1).cpu().numpy()
        for part in torch.split(images, _AT_ONCE)
    ]
    return np.concatenate(parts)


def find_clusters(
    hooked: HookedModel,
    layer: str,
    images: Float[torch.Tensor, "image rgb y x"],
    count: int = 1,
    members: int = 10,
) -> Clusters:
    """Group images by what a layer gives for them: k-means on principal components of mean activations.

    Args:
        hooked: the model.
        layer: where.
        images: in [0, 1].
        count: how many groups.
        members: of each group, at most: those nearest to its centre.

    Raises:
        MissingInputError: fewer images than groups.
    """
    if len(images) < count:
        raise MissingInputError(f"{len(images)} images are too few for {count} groups.")
    means = mean_activations(hooked, layer, images)
    points = _principal(means)
    centres, group = _grouped(points, count)
    chosen, weights = [], []
    for cluster in range(count):
        inside = np.flatnonzero(group == cluster)
        distance = np.linalg.norm(points[inside] - centres[cluster], axis=1)
        nearest = np.argsort(distance, kind="stable")[:members]
        chosen.append(inside[nearest])
        weights.append(_soft(distance[nearest]))
    return Clusters(tuple(chosen), tuple(weights), means, group)


def _principal(means: Float[np.ndarray, "image channel"]) -> Float[np.ndarray, "image component"]:
    centred = (means - means.mean(0)).astype(np.float64)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(_COMPONENTS, len(means) - 1, means.shape[1]))
    return np.asarray((left * scale)[:, :kept])


def _grouped(
    points: Float[np.ndarray, "image component"], count: int
) -> tuple[Float[np.ndarray, "cluster component"], Int[np.ndarray, " image"]]:
    """Seeded k-means."""
    if count == 1:
        return points.mean(0, keepdims=True), np.zeros(len(points), np.int64)
    clustering = require("sklearn.cluster", feature="Grouping images", extra="maps")
    with warnings.catch_warnings():  # of fewer groups than asked for: an error below
        warnings.simplefilter("ignore")
        found = clustering.KMeans(count, n_init=10, random_state=0).fit(points)
    group = np.asarray(found.labels_, np.int64)
    if len(np.unique(group)) < count:
        raise MissingInputError(
            f"The images do not fall into {count} groups: some are the same to this layer. Ask for fewer."
        )
    return np.asarray(found.cluster_centers_), group


def _soft(distance: Float[np.ndarray, " member"]) -> Float[np.ndarray, " member"]:
    middle = np.median(distance)
    raised = np.exp(-(distance - distance.min()) / middle) if middle > 0 else np.ones_like(distance)
    return np.asarray(raised / raised.sum(), np.float32)


def strongest_channels(
    targets: Float[np.ndarray, "cluster channel"],
    count: int,
    mean: Float[np.ndarray, "cluster channel"],
    deviation: Float[np.ndarray, "cluster channel"],
) -> Int[np.ndarray, "cluster top"]:
    """Exactly so many channels a cluster, the strongest first, of equal ones the first.

    Args:
        targets: activations that stand for each cluster.
        count: how many.
        mean: what is usual of each channel, so that it counts how unusual an activation is; else the same
            strong channels would be chosen for every set.
        deviation: its standard deviation.
    """
    scores = (targets - mean) / np.maximum(deviation, 1e-6)
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def likeness(
    layer: str, targets: Float[torch.Tensor, "owner channel"]
) -> Callable[[Seen], list[torch.Tensor]]:
    """Measures how alike pictures are to their sets: the cosine of mean activations.

    Args:
        layer: where.
        targets: mean activations of each set.
    """

    def measured(seen: Seen) -> list[torch.Tensor]:
        values = seen.activations[layer].mean(-1)
        wanted = targets.to(values)[seen.owner.to(values.device)]
        return list(torch.nn.functional.cosine_similarity(values, wanted)[:, None])

    return measured


def likeness_to_sets(hooked: HookedModel, targets: Sequence[object], owners: int = 1) -> Response | None:
    """What is told of pictures of sets of images, from each set's own mean; None for other targets.

    Args:
        hooked: the model.
        targets: all sets, or none of them one.
        owners: how many each set has.

    Raises:
        MissingInputError: sets and others together.
    """
    sets = [target for target in targets if isinstance(target, ImageSet)]
    if not sets:
        return None
    if len(sets) < len(targets):
        raise MissingInputError("Expected sets of images or units of a layer, got both: make two calls.")
    layer = hooked.resolve(sets[0].layer)
    means = [torch.from_numpy(mean_activations(hooked, layer, one.images).mean(0)) for one in sets]
    return Response(layer, likeness(layer, torch.stack(means).repeat_interleave(owners, 0)))


def sized_images(images: Any, size: tuple[int, int, int]) -> Float[torch.Tensor, "image rgb y x"]:  # noqa: ANN401
    """Images in [0, 1] of the pictures' size.

    Raises:
        MissingInputError: of another size.
        ImageError: no images.
    """
    found = as_images(images).cpu()
    if tuple(found.shape[1:]) != size:
        raise MissingInputError(f"Expected images of shape {size}, got {tuple(found.shape[1:])}. Resize.")
    return found
