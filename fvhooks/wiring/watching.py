"""Watching one forward pass: every tensor that comes from the image is labelled with its lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from fvhooks.hooks.addresses import tensors_in
from fvhooks.units import Layout
from fvhooks.wiring.calls import Addition, Calls, Weighted, plain_name
from fvhooks.wiring.labels import Labels, across, along, compact
from fvhooks.wiring.lines import Lines, Signal
from fvhooks.wiring.moves import Move
from fvhooks.wiring.operations import Call
from fvhooks.wiring.rules import RULES

UNSEEN = "an operation that PyTorch does not show"


class Watch(Calls):
    """While it is entered, what a model computes from the image is followed.

    Args:
        images: what the model is given, normalised.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.lines = Lines()
        self.kept: dict[str, Signal] = {}
        self._labels: Any = WeakTensorKeyDictionary()
        self._modules: list[tuple[str, nn.Module]] = []
        self._pausing = 0
        image = self.lines.add("image", images.shape[1])
        self.label(images, across(image.lines, 1, images.ndim))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What runs inside is none of the model's."""
        self._pausing += 1
        try:
            yield
        finally:
            self._pausing -= 1

    def enter(self, name: str, module: nn.Module) -> None:
        """A module begins."""
        self._modules.append((name, module))

    def leave(self) -> None:
        """It ends."""
        self._modules.pop()

    def keep(self, name: str, tensor: Tensor, layout: Layout) -> None:
        """A layer that was asked for gave this tensor; from now on its channels are the layer's own."""
        with self.paused():
            labels = self.labels(tensor)
            lines = None
            if labels is not None:
                channels = layout.to_channels(labels.expand(tensor.shape))
                lines = along(channels, 1, layout.channels)
            if lines is None:
                reason = UNSEEN if labels is None else "different channels at different positions"
                lines = np.full(layout.channels, self.lines.add("mixed", 1, name=reason).first)
            signal = self.lines.add("kept", layout.channels, parents=(lines,), name=name)
            self.kept[name] = signal
            own = torch.from_numpy(signal.lines)[None, :, None].expand(
                len(tensor), layout.channels, layout.positions
            )
            self.label(tensor, compact(layout.from_channels(own)))

    def labels(self, tensor: Tensor) -> Labels | None:
        """Of a tensor; None where it is a constant."""
        found: Labels | None = self._labels.get(tensor)
        return found

    def label(self, tensor: Tensor, labels: Labels) -> None:
        """Say what a tensor is made of."""
        self._labels[tensor] = labels

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one operation and label what it gives."""
        given = kwargs or {}
        if self._pausing:
            return func(*args, **given)
        with self.paused():
            sum_ = self.notice(func, args, given)
            followed = [t for t in tensors_in([*args, given]).values() if self.labels(t) is not None]
            if not followed:
                return func(*args, **given)
            return self._followed(func, args, given, sum_)

    def _followed(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        given: dict[str, Any],
        counted: Weighted | Addition | None,
    ) -> Any:  # noqa: ANN401
        place, module = self._modules[-1] if self._modules else ("", None)
        weighs = isinstance(getattr(module, "weight", None), Tensor)
        name = plain_name(func)
        call = Call(self.lines, self.labels, name, args, given, counted, place, place if weighs else "")
        rule = RULES.get(name)
        found = rule(call) if rule is not None else None
        move = Move(args, given, self.labels) if rule is None else None
        output = func(*args, **given)
        tensors = list(tensors_in(output if output is not None else args[:1]).values())
        tensors = [tensor for tensor in tensors if tensor.is_floating_point()]
        pairs = move.labels_of(func, output) if move is not None and tensors else None
        if pairs is None:
            pairs = [(tensor, call.mixed(tensor) if found is None else found) for tensor in tensors]
        for tensor, labels in pairs:
            if tensor.is_floating_point():
                self.label(tensor, labels)
        return output
