"""Operations that only move values: cat, slices, reshapes, a channel shuffle, zero padding.

None of them is known by name. An operation is run once more, on the places of the values instead of on the
values; it only moves them if each value of its result is the one that stood at the place found there.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from fvhooks.hooks.addresses import tensors_in
from fvhooks.wiring.labels import Labels, compact

_OFFSET: Final = 2**40  # far from any number that an operation puts in by itself, and exact in float64
_FAILURES: Final = (RuntimeError, TypeError, ValueError, IndexError)


class Move:
    """One call of an operation that may only move values; made before it runs, since it may overwrite them.

    Examples:
        >>> x = torch.rand(1, 2, 3, 3)
        >>> labels = torch.tensor([7, 8]).reshape(1, 2, 1, 1)
        >>> move = Move(([x, x], 1), {}, lambda tensor: labels)
        >>> [(_, found)] = move.labels_of(torch.cat, torch.cat([x, x], 1))
        >>> found.flatten().tolist()
        [7, 8, 7, 8]

    Args:
        args: what it is given by place.
        given: by name.
        labels: of a tensor; None where it is not followed.
    """

    def __init__(
        self, args: tuple[Any, ...], given: dict[str, Any], labels: Callable[[Tensor], Labels | None]
    ) -> None:
        self._labels = labels
        self._values: list[Tensor] = []
        self._lines: list[Tensor] = []
        self._size = 0
        self._first = args[0] if args else None
        self._args, self._given = self._instead(args), self._instead(given)

    def labels_of(self, func: Callable[..., Any], output: Any) -> list[tuple[Tensor, Labels]] | None:  # noqa: ANN401
        """Each tensor that the operation gave, with its labels; None where it does something else.

        Args:
            func: the operation.
            output: what it gave; None where it wrote into its first argument.
        """
        try:
            again = func(*self._args, **self._given)
        except _FAILURES:  # it does not take places, so it does not move them
            return None
        if output is None:
            output, again = self._first, self._args[0]
        values, places = list(tensors_in(output).values()), list(tensors_in(again).values())
        if len(values) != len(places):
            return None
        pairs = []
        for value, place in zip(values, places, strict=True):
            found = self._read(value, place)
            if found is None:
                return None
            pairs.append((value, found))
        return pairs

    def _instead(self, value: Any) -> Any:  # noqa: ANN401
        """Arguments with places instead of values."""
        if isinstance(value, Tensor):
            if not value.is_floating_point():
                return value
            labels = self._labels(value)
            lines = torch.zeros((), dtype=torch.int64) if labels is None else labels  # constants move too
            self._values.append(value.detach().clone().flatten())
            self._lines.append(lines.expand(value.shape).flatten())
            start, self._size = self._size, self._size + value.numel()
            places = torch.arange(start, self._size, dtype=torch.float64, device=value.device) + _OFFSET
            return places.reshape(value.shape)
        if isinstance(value, (tuple, list)):
            items = [self._instead(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        if isinstance(value, dict):
            return {key: self._instead(item) for key, item in value.items()}
        return value

    def _read(self, value: Tensor, place: Tensor) -> Labels | None:
        if value.shape != place.shape or place.dtype != torch.float64:
            return None
        inside = (place >= _OFFSET) & (place < _OFFSET + self._size)
        index = torch.where(inside, place - _OFFSET, 0.0).long()
        there = torch.cat(self._values)[index]
        same = (there == value) | (there.isnan() & value.isnan())
        put_in = place == value  # by the operation itself, such as the zeros of a padding
        if not bool(torch.where(inside, same & (index + _OFFSET == place), put_in).all()):
            return None
        lines = torch.cat(self._lines)[index.cpu()]
        return compact(torch.where(inside.cpu(), lines, 0))
