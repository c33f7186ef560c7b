"""Groups of similar images of equal size, one a facet."""

import numpy as np
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError


def even_groups(features: Float[np.ndarray, "image feature"], count: int) -> Int[np.ndarray, " image"]:
    """Groups of similar images of equal size (± 1): farthest points first, then the nearest still free.

    Examples:
        >>> even_groups(np.array([[0.0], [0.1], [5.0], [5.1]]), 2).tolist()
        [0, 0, 1, 1]

    Args:
        features: of each image.
        count: how many groups.

    Raises:
        MissingInputError: fewer images than groups.
    """
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
