"""Hearing what layers produce while something else, such as an attributor, runs the model."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float

from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.latents import spliced
from fvhooks.hooks.taps import at_start, observed, tap
from fvhooks.units import LOGITS


@dataclass
class Heard:
    """What the first pass of a model left behind.

    Args:
        passes: how often the model ran.
        is_theirs: whether its first pass was on the images that were named.
        activations: what each layer gave there; empty where it cannot be told.
    """

    passes: int = 0
    is_theirs: bool = False
    activations: dict[str, torch.Tensor] = field(default_factory=dict)


@contextmanager
def listening(
    hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"], names: Sequence[str]
) -> Iterator[Heard]:
    """Keep what some layers give in the first pass of the model inside the block, whoever runs it.

    Args:
        hooked: the model.
        images: normalised; what the first pass must be on for its activations to be theirs.
        names: full names of layers, the logits among them or not.

    Yields:
        What was heard; complete when the block has ended.
    """
    heard = Heard()
    outputs: list[Any] = []

    def begin(given: list[Any]) -> None:
        heard.passes += 1
        if heard.passes == 1:
            first = next((x for x in given if isinstance(x, torch.Tensor)), None)
            heard.is_theirs = first is not None and first.shape == images.shape and torch.equal(first, images)

    def end(_name: str, output: Any) -> None:  # noqa: ANN401
        if not outputs:
            outputs.append(output)

    inner = {name: hooked.address(name) for name in names if name != LOGITS}
    copies = frozenset(hooked._overwritten & inner.keys())
    with ExitStack() as stack:
        stack.enter_context(spliced(hooked, inner))
        stack.enter_context(at_start(hooked.model, begin))
        record = stack.enter_context(tap(hooked.modules, inner, copies=copies, stop=False))
        stack.enter_context(observed({"": hooked.model}, end))
        yield heard
    if not heard.is_theirs or record.missing or not outputs:
        return
    overwritten = set(record.overwritten) - copies
    hooked._overwritten |= overwritten
    if not overwritten:
        heard.activations = {name: values.detach() for name, values in record.kept.items()}
        if LOGITS in names:
            heard.activations[LOGITS] = hooked.adapter.logits(outputs[0]).detach()
