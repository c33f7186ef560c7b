"""The unit E of a fooling circuit: does the network look at a picture, or at a real image?"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import ShapeError

Classifier = Callable[[torch.Tensor], torch.Tensor]
"""From images to one number each, the larger the more it looks like a picture."""


class StepGate(nn.Module):
    """1 where a classifier takes an image for a picture, else 0; a hard step, so that no gradient passes.

    Examples:
        >>> gate = StepGate(lambda images: images.mean((1, 2, 3)) - 0.5)
        >>> gate(torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])).tolist()
        [[0.0], [1.0]]

    Args:
        classifier: from images to one number each.
        threshold: what is above it is a picture: 0 for a logit, 0.5 for a probability.
    """

    def __init__(self, classifier: Classifier, threshold: float = 0.0) -> None:
        super().__init__()
        self.classifier = classifier
        self.threshold = threshold

    @torch.no_grad()
    def forward(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image 1"]:
        """One number an image, 0 or 1."""
        score = self.classifier(images)
        if not isinstance(score, torch.Tensor) or tuple(score.shape) not in {
            (len(images),),
            (len(images), 1),
        }:
            got = tuple(score.shape) if isinstance(score, torch.Tensor) else type(score).__name__
            expected = f"Expected one number an image from the gate, ({len(images)},) or ({len(images)}, 1)"
            raise ShapeError(f"{expected}, got {got}.")
        return (score.reshape(-1, 1) > self.threshold).float()
