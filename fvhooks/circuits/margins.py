"""How far a model prefers a class: its output less the others'."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.store.contents import some
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

Contrast = Literal["others", "none"] | int
"""What the outputs of a class are compared with: all others, nothing, or those of another label."""


@dataclass(frozen=True)
class Margin:
    """The mean of some outputs less the mean of others.

    Examples:
        >>> Margin((0,), (1, 2))(torch.tensor([[5.0, 1.0, 3.0]])).tolist()
        [3.0]

    Args:
        own: outputs that stand for the class.
        against: those that are subtracted; none for the plain output.
    """

    own: tuple[int, ...]
    against: tuple[int, ...] = ()

    @classmethod
    def of(cls, store: Store, label: int, contrast: Contrast = "others") -> "Margin":
        """The margin of a label of a store.

        Args:
            store: that knows which label each output stands for.
            label: the class.
            contrast: what is subtracted: "others", the mean of all other outputs; that of another label's; or
                "none".

        Raises:
            MissingInputError: a label that no output stands for, or no such contrast.
        """
        labels = [store.label_of_logit(output) for output in range(store.layout(LOGITS).channels)]
        own = _outputs(labels, label)
        if contrast == "none":
            return cls(own)
        if contrast == "others":
            return cls(own, tuple(output for output in range(len(labels)) if output not in own))
        if isinstance(contrast, bool) or not isinstance(contrast, int) or contrast == label:
            raise MissingInputError(
                f"Expected the contrast to be 'others', 'none' or another label than {label}, got "
                f"{contrast!r}."
            )
        return cls(own, _outputs(labels, contrast))

    def __call__(self, logits: Float[torch.Tensor, "image output"]) -> Float[torch.Tensor, " image"]:
        """Of each image."""
        own = logits[:, list(self.own)].mean(1)
        return own - logits[:, list(self.against)].mean(1) if self.against else own


def _outputs(labels: Sequence[int], label: int) -> tuple[int, ...]:
    found = tuple(output for output, known in enumerate(labels) if known == label)
    if not found:
        raise MissingInputError(
            f"No output of the model stands for label {label}. They stand for {some(sorted(set(labels)))}."
        )
    return found
