"""The cells that a layer's grid is cut into, so that what lies left or above is told from the rest."""

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.synthesis.objectives.through import Through
from fvhooks.units import Layout


def cells_of(layout: Layout, side: int) -> Int[np.ndarray, "cell position"]:
    """The positions of the cells that a layer's grid is cut into.

    All cells are of one size, so that those of an odd grid overlap. A grid that has no more than `side` rows
    or columns is one cell. Tokens outside the picture are in none, unless they are all that there is.

    Examples:
        >>> cells_of(Layout("map", 8, grid=(3, 4)), 2).tolist()
        [[0, 1, 4, 5], [2, 3, 6, 7], [4, 5, 8, 9], [6, 7, 10, 11]]

    Args:
        layout: of the layer.
        side: cells along each side.
    """
    rows, columns = layout.grid
    if min(rows, columns) <= side:
        side = 1
    places = np.arange(layout.prefix, layout.positions).reshape(rows, columns)
    spans = [_spans(size, side) for size in (rows, columns)]
    return np.stack([places[down][:, across].ravel() for down in spans[0] for across in spans[1]])


def in_cells(
    values: Float[torch.Tensor, "picture channel all"], cells: Int[np.ndarray, "cell position"]
) -> Float[torch.Tensor, "picture channel_cell position"]:
    """Activations cell by cell: each cell of a channel as a channel of its own.

    Args:
        values: of a layer.
        cells: the positions of each.
    """
    index = torch.from_numpy(cells).to(values.device)
    return values[:, :, index].flatten(1, 2)


def by_cell(objective: Objective, cells: Int[np.ndarray, "cell position"]) -> Objective:
    """An objective of one layer that is shown each cell of a channel as a channel of its own.

    Sorting forgets where a value was; sorted cell by cell, what lies left or above stays there.

    Args:
        objective: of `channel · cell` channels, those of the first channel first.
        cells: the positions of each.
    """
    (layer,) = objective.layers

    def change(seen: Seen) -> Seen:
        return Seen({layer: in_cells(seen.activations[layer], cells)}, seen.pictures, seen.owner)

    return Through(objective, change)


def _spans(size: int, side: int) -> list[slice]:
    length = -(-size // side)
    starts = [round(place * (size - length) / max(side - 1, 1)) for place in range(side)]
    return [slice(start, start + length) for start in starts]
