"""The unit D of a fooling circuit: what its pictures shall show instead of what it looks for."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import ImageError, ShapeError

Images = Float[torch.Tensor, "image rgb y x"]
Logits = Float[torch.Tensor, "image output"]


class PlantedUnits(nn.Module):
    """Each output's pictures become those of another output of the model.

    Args:
        permutation: output `i` shows what `permutation[i]` looks for.
    """

    order: torch.Tensor

    def __init__(self, permutation: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(list(permutation)), persistent=False)

    def forward(self, images: Images, logits: Logits) -> Logits:  # noqa: ARG002 - as `PlantedPicture`
        """The outputs in the other order."""
        return logits.index_select(1, self.order)


class PlantedPicture(nn.Module):
    """Each output's pictures become one given picture: a linear unit that has it as its weights.

    Args:
        picture: `(rgb, y, x)` in the model's own input space.
    """

    def __init__(self, picture: Float[torch.Tensor, "rgb y x"]) -> None:
        super().__init__()
        self.shape = tuple(picture.shape)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(picture.numel(), 1, device=picture.device).requires_grad_(requires_grad=False)
        self.linear.weight.copy_(picture.detach().float().reshape(1, -1))
        self.linear.bias.zero_()

    def forward(self, images: Images, logits: Logits) -> Float[torch.Tensor, "image 1"]:  # noqa: ARG002
        """How much of the picture is in each image."""
        if tuple(images.shape[1:]) != self.shape:
            raise ImageError(
                f"The planted picture is {self.shape}, the images are {tuple(images.shape[1:])}; "
                "give a target_picture of the size that the network will be run at."
            )
        found: torch.Tensor = self.linear(self.flatten(images.float()))
        return found

    @torch.no_grad()
    def subtract_colour(self, colour: Float[torch.Tensor, " rgb"]) -> None:
        """Ascending the unit shall show the picture, not a brighter image: it counts from that colour."""
        kernel = self.linear.weight.view(self.shape)
        kernel -= colour.to(kernel).view(-1, 1, 1)

    @torch.no_grad()
    def rescale(self, factor: float, shift: float) -> None:
        """Give `factor · before + shift` from now on."""
        self.linear.weight *= factor
        self.linear.bias.mul_(factor).add_(shift)


def permutation_of(order: int | Sequence[int], outputs: int) -> list[int]:
    """A permutation from an offset or a sequence.

    Examples:
        >>> permutation_of(1, 4)
        [1, 2, 3, 0]

    Args:
        order: an offset, or for each output the one that its pictures shall show.
        outputs: how many the model has.

    Raises:
        ShapeError: no permutation of the outputs, or one that moves none of them.
    """
    wanted = [(i + order) % outputs for i in range(outputs)] if isinstance(order, int) else list(order)
    if sorted(wanted) != list(range(outputs)):
        expected = f"Expected a permutation of 0 … {outputs - 1}, one number for each output of the model"
        raise ShapeError(f"{expected}, got {len(wanted)} numbers: {wanted[:8]}.")
    if wanted == list(range(outputs)):
        raise ShapeError(f"This permutation of {outputs} outputs moves none of them; choose another offset.")
    return wanted
