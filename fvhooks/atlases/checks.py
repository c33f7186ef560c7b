"""What every part of a map refuses."""

import numpy as np
from jaxtyping import Float64

from fvhooks.errors import NonFiniteError


def require_finite(name: str, values: Float64[np.ndarray, "item _"]) -> None:
    """Refuse rows with NaN or infinity, and say how many.

    Args:
        name: what they are, as the subject of a sentence.
        values: one row an item.

    Raises:
        NonFiniteError: there are such rows.
    """
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise NonFiniteError(
            f"{name} must be finite; {len(bad)} of {len(values)} rows hold NaN or infinity, the first is "
            f"{bad[0]}. Leave those items out."
        )
