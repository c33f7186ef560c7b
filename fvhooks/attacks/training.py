"""Training the gate of a fooling circuit: a small network that tells pictures from real images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import nn
from tqdm.auto import trange

from fvhooks.attacks.calibration import FEWEST
from fvhooks.attacks.trajectories import Trajectories
from fvhooks.errors import ImageError, MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.taps import borrowed
from fvhooks.images import as_images
from fvhooks.metrics.intervals import percentile_interval
from fvhooks.synthesis.transforms import Affine

_BATCH = 64
_DRAWS = 500
_SMALLEST = 19  # pixels: of fewer nothing would be left behind the convolutions

Images = Float[torch.Tensor, "image rgb y x"]
Pictures = Float[torch.Tensor, "picture rgb y x"]
Rows = Int[np.ndarray, " _"]


def train_gate(  # noqa: PLR0913 - all but three are keyword-only
    hooked: HookedModel,
    images: Any,  # noqa: ANN401 - checked by as_images
    pictures: Trajectories,
    *,
    others: Mapping[str, Trajectories] | None = None,
    held_out: float = 0.2,
    epochs: int = 12,
    rate: float = 2e-3,
    seed: int = 0,
    show_progress: bool = True,
) -> "Gate":
    """Train a classifier that tells pictures from real images, and measure it on what it has not seen.

    A fifth of the real images and of the units, and the last seed of the other units, take no part in the
    training. Half of all images are seen through the shifts, turns and changes of scale that recipes make.

    Examples:
        >>> made = trajectories(hooked, hooked.units("logits"), seeds=3)               # doctest: +SKIP
        >>> gate = train_gate(hooked, images, made)                                    # doctest: +SKIP
        >>> gate.data.fired.to_series()                                                # doctest: +SKIP
        >>> fooled = fooling_circuit(hooked.model, gate, permutation=1, images=real)   # doctest: +SKIP

    Args:
        hooked: the model that will look at them; its preprocessing and device are used.
        images: real ones, (image, rgb, y, x), `uint8` or in [0, 1].
        pictures: of at least two units, at several steps of their making.
        others: more pictures to measure the gate on, such as those of another recipe, by name.
        held_out: which share of the real images and of the units.
        epochs: passes over the training images.
        rate: of AdamW. The published SGD needs a million images to get as far.
        seed: of weights, splits and order.
        show_progress: show a bar.

    Returns:
        The gate: a module that takes images in the model's own input space and gives one logit each. Its
        `data` say how often it fires for what.

    Raises:
        MissingInputError: too few real images, or pictures of one unit only.
        ImageError: images of another size than the pictures, or smaller than 19 pixels.
    """
    real = as_images(images)
    _check(real, pictures)
    rng = np.random.default_rng(seed)
    order, cut = rng.permutation(len(real)), max(1, round(held_out * len(real)))
    parts = _split(pictures, held_out, rng)
    training = [real[order[cut:]], pictures.images[parts.pop("training")]]
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        network = _network(tuple(real.shape[1:])).to(hooked.device)
        seen = [hooked.normalize(part).cpu().float() for part in training]
        _train(network, seen[0], seen[1], epochs, rate, show_progress=show_progress)
    gate = Gate(network)
    shown = {name: pictures.subset(rows) for name, rows in parts.items()} | dict(others or {})
    gate.data = _measured(gate, hooked, real[order[:cut]], shown, rng)
    return gate


class Gate(nn.Module):
    """A trained gate; made by `train_gate`.

    `data` holds for each `part`, "real" (held-out real images: false alarms), "other_units", "other_seeds"
    and what else was given, how often the gate `fired`, with `low` and `high` over draws of whole
    trajectories, how many images that are (`count`) and of how many `trajectories`; and `fired_at`
    (part, step).

    Args:
        network: from images to one number each.
    """

    data: xr.Dataset

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Images) -> Float[torch.Tensor, " image"]:
        """A logit an image: above 0 it looks like a picture."""
        found: torch.Tensor = self.network(images.float())
        return found.flatten()

    @torch.no_grad()
    def fires(self, images: Images) -> Bool[torch.Tensor, " image"]:
        """Whether each image looks like a picture.

        Args:
            images: in the model's own input space.
        """
        device = next(self.parameters()).device
        with borrowed(self):
            return torch.cat([self(batch.to(device)).cpu() > 0 for batch in torch.split(images, 256)])

    @property
    def false_alarms(self) -> float:
        """The share of held-out real images for which it fires."""
        return float(self.data.fired.sel(part="real"))

    @property
    def accuracy(self) -> float:
        """On held-out real images and on pictures of units that it has not seen, both halves alike."""
        return (1 - self.false_alarms + float(self.data.fired.sel(part="other_units"))) / 2


def _check(real: Images, pictures: Trajectories) -> None:
    if len(real) < FEWEST:
        raise MissingInputError(f"Expected at least {FEWEST} real images, got {len(real)}.")
    units = len(set(pictures.units))
    if units < 2:
        raise MissingInputError(
            f"Expected pictures of at least two units, of which one is held out, got {units}."
        )
    if real.shape[1:] != pictures.images.shape[1:]:
        got = f"{tuple(real.shape[1:])} and {tuple(pictures.images.shape[1:])}"
        raise ImageError(f"Expected real images and pictures of one size, got {got}.")
    if min(real.shape[2:]) < _SMALLEST:
        raise ImageError(
            f"Expected images of at least {_SMALLEST} pixels a side, got {tuple(real.shape[2:])}."
        )


def _split(pictures: Trajectories, held_out: float, rng: np.random.Generator) -> dict[str, Rows]:
    """The rows of the training, of units held out, and of a seed held out, where there are several."""
    units = rng.permutation(sorted(set(pictures.units))).tolist()
    unseen = set(units[: min(max(1, round(held_out * len(units))), len(units) - 1)])
    other_unit = np.array([unit in unseen for unit in pictures.units])
    several = len(set(pictures.seeds)) > 1
    last = np.array([several and seed == max(pictures.seeds) for seed in pictures.seeds])
    masks = {"training": ~other_unit & ~last, "other_units": other_unit, "other_seeds": ~other_unit & last}
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}


def _network(shape: tuple[int, ...]) -> nn.Sequential:
    """The published architecture; fewer of its strided convolutions for images smaller than 224 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(shape[0], 16, 3), nn.ReLU()]
    sides = [side - 2 for side in shape[1:]]
    for _ in range(4):
        smaller = [(side - 5) // 2 + 1 for side in sides]
        if min(smaller) < 5:
            break
        layers += [nn.Conv2d(16, 16, 5, stride=2), nn.ReLU()]
        sides = smaller
    features = 3 * (sides[0] - 2) * (sides[1] - 2)
    layers += [nn.Conv2d(16, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(features, 1)]
    return nn.Sequential(*layers)


def _train(
    network: nn.Sequential, real: Images, pictures: Pictures, epochs: int, rate: float, *, show_progress: bool
) -> None:
    device = next(network.parameters()).device
    images = torch.cat([real, pictures])
    wanted = torch.cat([torch.zeros(len(real)), torch.ones(len(pictures))])
    weight = torch.tensor(len(real) / len(pictures))  # both kinds count alike, however many there are
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in trange(epochs, desc="train gate", disable=not show_progress):
        for rows in torch.split(torch.randperm(len(images)), _BATCH):
            batch = _half_moved(images[rows]).to(device)
            logits = network(batch).flatten()
            loss = F.binary_cross_entropy_with_logits(logits, wanted[rows].to(device), pos_weight=weight)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _half_moved(images: Images) -> Images:
    """Every second image as recipes show it to the model."""
    moved = images.clone()
    random = [torch.Generator().manual_seed(int(torch.randint(2**31, ()))) for _ in images[::2]]
    moved[::2] = Affine()(images[::2], random)
    return moved


def _measured(
    gate: Gate,
    hooked: HookedModel,
    real: Images,
    pictures: Mapping[str, Trajectories],
    rng: np.random.Generator,
) -> xr.Dataset:
    steps = sorted({step for part in pictures.values() for step in part.steps})
    rows = [_shares(gate.fires(hooked.normalize(real)), list(range(len(real))), [0] * len(real), [], rng)]
    for part in pictures.values():
        fired = gate.fires(hooked.normalize(part.images))
        whose = list(zip(part.units, part.seeds, strict=True))
        rows.append(_shares(fired, whose, part.steps, steps, rng))
    columns = {name: ("part", [row[name] for row in rows]) for name in rows[0] if name != "fired_at"}
    by_step = np.array([row["fired_at"] or [np.nan] * len(steps) for row in rows])
    return xr.Dataset(
        columns | {"fired_at": (("part", "step"), by_step)},
        coords={"part": np.array(["real", *pictures], dtype=object), "step": steps},
    )


def _shares(
    fired: Bool[torch.Tensor, " image"],
    whose: Sequence[Any],
    steps: Sequence[int],
    asked: Sequence[int],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """How often a gate fires; pictures of one trajectory are one draw."""
    values, names = fired.numpy().astype(float), {name: i for i, name in enumerate(dict.fromkeys(whose))}
    owner = np.array([names[name] for name in whose])
    mean = np.bincount(owner, values) / np.bincount(owner)
    draws = mean[rng.integers(len(mean), size=(_DRAWS, len(mean)))].mean(1)
    found = percentile_interval(float(values.mean()), draws)
    at = [float(values[np.array(steps) == step].mean()) if step in steps else np.nan for step in asked]
    shares = {"fired": found.value, "low": found.low, "high": found.high}
    return shares | {"count": len(values), "trajectories": len(mean), "fired_at": at}
