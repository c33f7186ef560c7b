"""Sort matching: how far the sorted values of each channel are from a profile of sorted values.

The loss is the mean over channels and ranks of (k-th smallest value − k-th value of the profile)², the
squared one-dimensional Wasserstein distance of each channel. Its gradient needs only the rank of each
value, so nothing is differentiated through a sort: loss and gradient come from one pass over the values.
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.errors import ShapeError
from fvhooks.synthesis.ranking import matched_rows

Values = Float[torch.Tensor, "picture channel position"]
Profiles = Float[torch.Tensor, "profile channel rank"]


def expand(
    ranks: Int[np.ndarray, " rank"], profile: Float[np.ndarray, "channel rank"], positions: int
) -> Float[np.ndarray, "channel position"]:
    """A profile kept at some ranks, at as many ranks as a picture has positions; linear between them.

    Examples:
        >>> expand(np.array([0, 2]), np.array([[0.0, 1.0]], np.float32), 3)
        array([[0. , 0.5, 1. ]], dtype=float32)
    """
    if len(ranks) == positions:
        return np.asarray(profile, np.float32)
    last = max(int(ranks[-1]), 1)
    at = np.linspace(0, 1, positions)
    known = ranks / last
    upper = np.clip(np.searchsorted(known, at, side="left"), 1, max(len(ranks) - 1, 1))
    if len(ranks) == 1:
        return np.repeat(np.asarray(profile, np.float32), positions, axis=1)
    span = known[upper] - known[upper - 1]
    share = ((at - known[upper - 1]) / span).astype(np.float32)
    return np.asarray(profile[:, upper - 1] * (1 - share) + profile[:, upper] * share, np.float32)


class _Matched(torch.autograd.Function):
    """Σ weight · (value − target)² for each picture, with the gradient kept from the forward pass."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        values: torch.Tensor,
        profiles: torch.Tensor,
        owner: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        match = matched_rows if values.device.type == "cpu" else matched_by_sorting
        pull, losses = match(values.detach(), profiles, owner, weight)
        ctx.save_for_backward(pull)
        return losses

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None]:
        (pull,) = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = grads[0]
        if scale.device.type == "cpu" and bool((scale == 1).all()):  # one pass over the memory less
            return pull, None, None, None
        return scale.to(pull.dtype).view(-1, 1, 1) * pull, None, None, None


def matched_by_sorting(
    values: Values,
    profiles: Profiles,
    owner: Int[torch.Tensor, " picture"],
    weight: Float[torch.Tensor, "picture channel 1"],
) -> tuple[Values, Float[torch.Tensor, " picture"]]:
    """`matched_rows` by PyTorch's own sort, which is the fast way on a GPU.

    Args:
        values: what the pictures give.
        profiles: ascending along the last axis.
        owner: which profile each picture follows.
        weight: of each channel's squared differences.
    """
    ordered, places = torch.sort(values, dim=-1, stable=True)
    difference = ordered - profiles[owner.to(profiles.device)].to(values.dtype)
    pulled = difference * weight
    losses = (pulled * difference).sum((1, 2))
    return torch.empty_like(values).scatter_(-1, places, 2 * pulled), losses


def matching_loss(
    values: Values,
    profiles: Profiles,
    owner: Int[torch.Tensor, " picture"],
    weight: Float[torch.Tensor, "picture channel 1"],
) -> Float[torch.Tensor, " picture"]:
    """Weighted sort-matching loss of each picture: Σ over channels and ranks of weight · (value − profile)².

    Examples:
        >>> values = torch.tensor([[[3.0, 1.0, 2.0]]], requires_grad=True)
        >>> profile, owner = torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([0])
        >>> matching_loss(values, profile, owner, torch.tensor([[[1.0]]])).tolist()
        [1.0]

    Args:
        values: activations of the pictures.
        profiles: ascending sorted values to match.
        owner: which profile each picture follows.
        weight: of each channel's squared differences; `1 / (channels · positions)` gives the plain mean.

    Raises:
        ShapeError: the profiles have another number of ranks than there are positions.
    """
    if profiles.shape[-1] != values.shape[-1]:
        raise ShapeError(
            f"Profiles have {profiles.shape[-1]} ranks for {values.shape[-1]} positions; expand them."
        )
    loss: torch.Tensor = _Matched.apply(values, profiles, owner, weight)
    return loss
