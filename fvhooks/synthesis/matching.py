"""Sort matching: how far the sorted values of each channel are from a profile of sorted values.

The loss is the mean over channels and ranks of (k-th smallest value − k-th value of the profile)², the
squared one-dimensional Wasserstein distance of each channel. Its gradient needs only the rank of each
value, so nothing is differentiated through a sort. On a CPU ranks come from one vectorised integer sort:
value and place are packed into 64 bits, which takes less than half of an argsort.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.errors import ShapeError

Values = Float[torch.Tensor, "picture channel position"]
Profiles = Float[torch.Tensor, "profile channel rank"]


def order(values: Values) -> Int[torch.Tensor, "picture channel position"]:
    """The places of the values in ascending order, along the last axis; equal values by place.

    Example:
        >>> order(torch.tensor([[[0.5, -1.0, 0.0]]])).tolist()
        [[[1, 2, 0]]]
    """
    if values.device.type != "cpu":
        return torch.sort(values, dim=-1, stable=True).indices
    rows = np.ascontiguousarray(values.detach().float().numpy())
    packed = np.empty(rows.shape, np.int64)
    flat_rows, flat_packed = rows.reshape(-1, rows.shape[-1]), packed.reshape(-1, rows.shape[-1])
    parts = max(1, min(torch.get_num_threads(), len(flat_rows) // 16))
    bounds = np.linspace(0, len(flat_rows), parts + 1).astype(int)
    if parts == 1:
        _pack_and_sort(flat_rows, flat_packed)
    else:  # NumPy lets go of the interpreter lock while it sorts
        with ThreadPoolExecutor(parts, thread_name_prefix="fvhooks-sort") as pool:
            jobs = [
                pool.submit(_pack_and_sort, flat_rows[a:b], flat_packed[a:b])
                for a, b in itertools.pairwise(bounds)
            ]
            for job in jobs:
                job.result()
    return torch.from_numpy(packed)


def _pack_and_sort(rows: Float[np.ndarray, "row place"], packed: Int[np.ndarray, "row place"]) -> None:
    bits = (rows + np.float32(0)).view(np.int32)  # adding zero turns −0 into 0, so that both rank by place
    np.copyto(
        packed, np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)
    )  # the order of floats, as integers
    packed <<= 32
    packed |= np.arange(rows.shape[-1])
    packed.sort(axis=-1)
    packed &= 0xFFFFFFFF


def targets(values: Values, profiles: Profiles, owner: Int[torch.Tensor, " picture"]) -> Values:
    """For each value, what the profile has at its rank: constants, without a gradient.

    Args:
        values: what the pictures give.
        profiles: ascending along the last axis, as many positions as the values have.
        owner: which profile each picture follows.
    """
    if profiles.shape[-1] != values.shape[-1]:  # scatter_ would silently use a part of a longer profile
        raise ShapeError(
            f"Profiles have {profiles.shape[-1]} ranks for {values.shape[-1]} positions; expand them."
        )
    places = order(values)
    matched = torch.empty_like(values, requires_grad=False)
    for picture, which in enumerate(owner.tolist()):
        matched[picture].scatter_(-1, places[picture], profiles[which].to(values.dtype))
    return matched


def expand(
    ranks: Int[np.ndarray, " rank"], profile: Float[np.ndarray, "channel rank"], positions: int
) -> Float[np.ndarray, "channel position"]:
    """A profile kept at some ranks, at as many ranks as a picture has positions; linear between them.

    Example:
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
        matched: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        difference = values - matched
        weighted = difference * weight
        ctx.save_for_backward(weighted)
        return (weighted * difference).sum((1, 2))

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor
    ) -> tuple[torch.Tensor, None, None]:
        (weighted,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return 2 * grads[0].view(-1, 1, 1) * weighted, None, None


def matching_loss(
    values: Values,
    profiles: Profiles,
    owner: Int[torch.Tensor, " picture"],
    weight: Float[torch.Tensor, "picture channel #position"],
) -> Float[torch.Tensor, " picture"]:
    """Weighted sort-matching loss of each picture: Σ over channels and ranks of weight · (value − profile)².

    Example:
        >>> values = torch.tensor([[[3.0, 1.0, 2.0]]], requires_grad=True)
        >>> profile, owner = torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([0])
        >>> matching_loss(values, profile, owner, torch.tensor([[[1.0]]])).tolist()
        [1.0]

    Args:
        values: activations of the pictures.
        profiles: ascending sorted values to match.
        owner: which profile each picture follows.
        weight: of each channel's squared differences; `1 / (channels · positions)` gives the plain mean.
    """
    loss: torch.Tensor = _Matched.apply(values, targets(values.detach(), profiles, owner), weight)
    return loss
