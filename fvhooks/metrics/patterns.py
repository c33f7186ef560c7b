"""Whether a picture shows a pattern that is known to be what its unit looks for."""

import numpy as np
from jaxtyping import Float

from fvhooks.errors import NonFiniteError, ShapeError

_PLAIN = 1e-6  # less than a step of 8 bits in one pixel, more than rounding makes of a plain patch


def pattern_correlation(
    pictures: Float[np.ndarray, "picture rgb y x"], pattern: Float[np.ndarray, "rgb py px"]
) -> Float[np.ndarray, " picture"]:
    """The highest correlation of a known pattern with any patch of each picture.

    Where in a picture the pattern is, how bright it is and with which contrast make no difference; upside
    down or as a negative it is another pattern.

    Examples:
        >>> pattern = np.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> picture = np.zeros((1, 1, 4, 4))
        >>> picture[0, 0, 1:3, 2:4] = 0.5 + 0.1 * pattern[0]
        >>> round(float(pattern_correlation(picture, pattern)[0]), 6)
        1.0

    Args:
        pictures: at least as large as the pattern.
        pattern: what the unit looks for.

    Returns:
        Pearson's correlation over all pixels and colours of the best patch, in [−1, 1]; 0 if plain.

    Raises:
        ShapeError: other colours, a pattern larger than the pictures, or one that is plain.
        NonFiniteError: NaN or infinity.
    """
    ours, wanted = np.asarray(pictures, np.float64), np.asarray(pattern, np.float64)
    fits = ours.ndim == 4 and wanted.ndim == 3 and ours.shape[1] == wanted.shape[0]
    if not fits or any(a < b for a, b in zip(ours.shape[2:], wanted.shape[1:], strict=True)):
        raise ShapeError(
            "Expected pictures (picture, rgb, y, x) and a pattern (rgb, y, x) no larger than they are, got "
            f"{ours.shape} and {wanted.shape}."
        )
    if not (np.isfinite(ours).all() and np.isfinite(wanted).all()):
        raise NonFiniteError("Pictures and pattern must be finite; there is NaN or infinity.")
    centred = wanted - wanted.mean()
    length = np.linalg.norm(centred)
    if length == 0:
        raise ShapeError("A plain pattern correlates with nothing; give one that varies.")
    patches = np.lib.stride_tricks.sliding_window_view(ours, wanted.shape[1:], axis=(2, 3))
    sizes = _deviations(patches)
    products = np.einsum("ncyxhw,chw->nyx", patches, centred)
    found = np.where(sizes > _PLAIN, products / (np.maximum(sizes, _PLAIN) * length), 0.0)
    return np.asarray(found.max((1, 2)))


def _deviations(patches: Float[np.ndarray, "n c y x h w"]) -> Float[np.ndarray, "n y x"]:
    """The length of each patch less its mean."""
    count = patches.shape[1] * patches.shape[4] * patches.shape[5]
    total = patches.sum((1, 4, 5))
    squares = np.einsum("ncyxhw,ncyxhw->nyx", patches, patches)
    return np.asarray(np.sqrt(np.maximum(squares - total**2 / count, 0.0)))
