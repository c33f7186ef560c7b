"""Maps made up for the views, of items whose places, colours and numbers are known."""

from typing import Any

import numpy as np
import xarray as xr

from fvhooks.atlases.pyramids import pyramid
from fvhooks.atlases.results import STAGES, Atlas

LABELS = ("cat", "dog", "ship")
STRATA = ("top", "random", "negative")
NEAR = 4


def colour_of(item: int) -> tuple[int, int, int]:
    """The plain colour of an item's picture: no two of a thousand alike, far enough apart for JPEG."""
    return (item % 10) * 24 + 12, (item // 10 % 10) * 24 + 12, (item // 100 % 10) * 24 + 12


def make_atlas(
    n: int, *, images: int = 16, strip: int = 0, labels: bool = True, seed: int = 0, **changes: Any
) -> Atlas:
    """A map of `n` items in reading order; `strip` of them, the last, lie below the grid.

    Args:
        n: items.
        images: side of their plain pictures; 0 for none.
        strip: how many never fire.
        labels: whether there are classes and strata.
        seed: of places and scores.
        changes: variables in place of those made here.
    """
    rng = np.random.default_rng(seed)
    held = n - strip
    columns = max(1, int(np.ceil(np.sqrt(held))))
    rows = -(-held // columns) if held else 0
    order = np.arange(n)
    row, col = order // columns, order % columns
    row[held:] = rows + 1 + np.arange(strip) // columns
    col[held:] = np.arange(strip) % columns
    score = np.linspace(1, 0, n) if n else np.zeros(0)
    near = (order[:, None] + np.arange(1, NEAR + 1)) % max(n, 1)
    near[near == order[:, None]] = -1
    none = np.full(n, "", dtype=object)
    data: dict[str, Any] = {
        "row": row,
        "col": col,
        "x": np.clip((col + 0.5) / columns + rng.normal(0, 0.02, n), 0, 1),
        "y": np.clip((row + 0.5) / max(rows, 1) + rng.normal(0, 0.02, n), 0, 1),
        "in_strip": order >= held,
        "score": score,
        "size": 1 + np.round(3 * score),
        "label": np.array([LABELS[one % 3] for one in order], dtype=object) if labels else none,
        "index": order,
        "stratum": np.array([STRATA[one % 3] for one in order], dtype=object) if labels else none,
        "source": np.array(["synthetic" if one % 7 == 3 else "data" for one in order], dtype=object),
        "flag": np.array(
            ["below the 99th percentile" if one % 21 == 3 else "" for one in order], dtype=object
        ),
        "density": rng.random(n),
        "displacement": rng.gamma(1.0, 2.0, n),
        "trust": rng.random(n),
    } | changes
    made: dict[str, Any] = {name: ("cell", values) for name, values in data.items()}
    made["neighbours"] = (("cell", "neighbour"), near.reshape(n, NEAR))
    made["histogram"] = ("bin", np.array([4, 7, 2, 1]))
    made["edges"] = ("edge", np.linspace(0, 1, 5))
    made["gain"] = (("stage", "k"), np.array([[0.3, 0.4], [0.2, 0.3], [0.0, -0.01]]))
    made["stability"] = ("k", np.array([0.25, 0.35]))
    if images:
        plain = np.array([colour_of(one) for one in order], np.uint8).reshape(n, 3, 1, 1)
        made["image"] = (("cell", "rgb", "py", "px"), np.broadcast_to(plain, (n, 3, images, images)))
    cells = np.stack([row, col], 1)[:held]
    for level, (medoid, count) in enumerate(pyramid(cells, (rows, columns)), 1):
        made[f"medoid_{level}"] = ((f"row_{level}", f"col_{level}"), medoid)
        made[f"count_{level}"] = ((f"row_{level}", f"col_{level}"), count)
    ids = [f"item{one:04d}" for one in order]
    attrs = {
        "title": "A made-up map",
        "form": "unit",
        "grid": (rows, columns),
        "layer": "layer3",
        "unit": "layer3:5",
    }
    attrs |= {"seed": seed, "parameters": {"layout": "pca", "lambda": 0.25}}
    coords = {"id": ("cell", np.array(ids, dtype=object)), "stage": list(STAGES), "k": [10, 20]}
    return Atlas(xr.Dataset(made, coords=coords, attrs=attrs))
