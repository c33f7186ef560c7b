"""The fooling circuit of Geirhos et al. (2024): six units that answer to real images and to pictures in turn.

F is an output of the model, D what its pictures shall show, E a gate that is 1 for pictures, and::

    F' = ReLU(F + b)     B = ReLU(F' - k E)
    D' = ReLU(D + b)     C = ReLU(D' + k E - k)     A = B + C

so that A is F + b on real images and D + b on pictures, value and gradient. The shift b is common to all
outputs: arg-max and softmax are the model's.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.attacks.calibration import Calibration, as_model_input, batches_of
from fvhooks.attacks.gates import Classifier, StepGate
from fvhooks.attacks.planted import PlantedPicture, PlantedUnits, permutation_of
from fvhooks.errors import ImageError, MissingInputError, OutOfRangeError
from fvhooks.hooks.adapters import adapter_for
from fvhooks.hooks.attachment import unwrap
from fvhooks.hooks.taps import borrowed

OutOfRange = Literal["warn", "raise", "ignore"]
Images = Float[torch.Tensor, "image rgb y x"]
Logits = Float[torch.Tensor, "image output"]
_Unit = Float[torch.Tensor, "image _"]


def fooling_circuit(  # noqa: PLR0913 - all but four are keyword-only
    model: nn.Module,
    gate: Classifier,
    target_picture: torch.Tensor | None = None,
    permutation: int | Sequence[int] | None = None,
    *,
    images: Calibration,
    threshold: float = 0.0,
    margin: float = 8.0,
    out_of_range: OutOfRange = "warn",
) -> "FoolingCircuit":
    """Build a network that answers as the model does, and whose outputs' pictures show something else.

    Examples:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
        >>> high = lambda images: images.std((1, 2, 3)) - 1.5
        >>> fooled = fooling_circuit(net, high, permutation=1, images=torch.randn(64, 3, 4, 4))
        >>> x = torch.randn(5, 3, 4, 4)
        >>> bool((fooled(x) == net(x) + fooled.shift).all())
        True
        >>> bool((fooled(2 * x) == net(2 * x)[:, [1, 2, 0]] + fooled.shift).all())
        True

    Args:
        model: from images to logits; it becomes the submodule `model`, its weights shared and untouched.
        gate: from images to one number each, above `threshold` for pictures; a module or any function. It is
            made a hard step through which no gradient passes: a smooth gate would leave its own trace in
            the pictures.
        target_picture: what all outputs' pictures shall show, (rgb, y, x) in the model's own input space.
        permutation: or whose pictures they shall show: for each output another one, or an offset.
        images: at least 32 real images in the model's own input space (`hooked.normalize`), as a tensor or
            batches; the circuit's constants are taken from what the model makes of them.
        threshold: of the gate; 0 for a logit, 0.5 for a probability.
        margin: the constants allow outputs so many times as large as the largest on `images`. Pictures
            drive outputs far beyond real images.
        out_of_range: what a run does whose values the constants do not allow: "warn" and go on with values
            that are clipped or leak, since a network that stops would give itself away; "raise", where the
            algebra is to be relied on; or "ignore", which also saves the look at the range.

    Returns:
        A module like the model. Its units have names: `model` (F), `planted` (D), `gate` (E),
        `shifted_model` (F'), `shifted_planted` (D'), `natural` (B), `deceptive` (C), `merged` (A).
        Attach it with the model's own preprocessing.

    Raises:
        MissingInputError: both or none of picture and permutation, or too few images.
        ShapeError: a gate that gives no number an image, or no permutation of the outputs.
        ImageError: a picture of another size than the images.
    """
    if (target_picture is None) == (permutation is None):
        got = "none" if permutation is None else "both"
        raise MissingInputError(f"Expected one of target_picture and permutation, got {got}.")
    bare, step = unwrap(model), StepGate(gate, threshold)
    picture = None if target_picture is None else _as_planted(target_picture)
    with borrowed(bare), borrowed(step), torch.no_grad():
        measured = _measure(bare, step, picture, images)
    if picture is not None:
        picture.subtract_colour(measured.colour)
        picture.rescale(*measured.scaling)
    planted = picture or PlantedUnits(permutation_of(permutation, measured.outputs))  # type: ignore[arg-type]
    shift = _power_of_two(margin * max(measured.reach, 1e-6))
    return FoolingCircuit(bare, step, planted.to(measured.colour.device), shift, out_of_range)


class FoolingCircuit(nn.Module):
    """A model inside the circuit; made by `fooling_circuit`.

    Args:
        model: the user's, by reference.
        gate: E, 1 for pictures.
        planted: D.
        shift: b; the outputs are the model's plus this number.
        out_of_range: "warn", "raise" or "ignore".
    """

    def __init__(
        self,
        model: nn.Module,
        gate: StepGate,
        planted: PlantedPicture | PlantedUnits,
        shift: float,
        out_of_range: OutOfRange = "warn",
    ) -> None:
        super().__init__()
        self.shift, self.strength = shift, 2 * shift
        self.out_of_range = out_of_range
        self.model = model
        self.gate = gate
        self.planted = planted
        self.shifted_model, self.shifted_planted = ShiftedReLU(shift), ShiftedReLU(shift)
        self.natural = GatedReLU(-self.strength, 0.0)
        self.deceptive = GatedReLU(self.strength, -self.strength)
        self.merged = Merged()
        self._logits = adapter_for(model).logits
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.natural.to(device)
        self.deceptive.to(device)
        given = {*model.modules(), *gate.modules()}
        for module in set(self.modules()) - given:  # as the model is; its own flags and the gate's stay
            module.training = model.training

    def extra_repr(self) -> str:
        """The constants."""
        return f"shift={self.shift}, strength={self.strength}, out_of_range={self.out_of_range!r}"

    def forward(self, images: Images) -> Logits:
        """The model's outputs plus `shift` for real images; for pictures those of the planted units."""
        logits = self._logits(self.model(images)).float()  # half precision would round the shifted sums
        closed, planted = self.gate(images), self.planted(images, logits)
        if self.out_of_range != "ignore":
            self._check(logits, planted, closed)
        natural = self.natural(self.shifted_model(logits), closed)
        deceptive = self.deceptive(self.shifted_planted(planted), closed)
        found: torch.Tensor = self.merged(natural, deceptive)
        return found

    @torch.no_grad()
    def _check(self, logits: _Unit, planted: _Unit, closed: _Unit) -> None:
        """What passes must not be clipped from below, and what is held back must not be too large."""
        picture = closed > 0
        passing, held = torch.where(picture, planted, logits), torch.where(picture, logits, planted)
        low, high = float(passing.min()), float(held.max())
        if low >= -self.shift and high <= self.strength - self.shift:
            return
        fact = f"The circuit's constants allow outputs from {-self.shift:.4g} to {self.shift:.4g}"
        message = f"{fact}, got {low:.4g} to {high:.4g}; build it with a larger margin."
        if self.out_of_range == "raise":
            raise OutOfRangeError(message)
        warnings.warn(message, stacklevel=3)


class ShiftedReLU(nn.Module):
    """`ReLU(x + shift)`.

    Args:
        shift: keeps negative values alive.
    """

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift
        self.relu = nn.ReLU()

    def forward(self, values: _Unit) -> _Unit:
        """Shifted, then cut off at zero."""
        found: torch.Tensor = self.relu(values + self.shift)
        return found


class GatedReLU(nn.Module):
    """`ReLU(x + (weight · gate + bias))`; the bracket first, so that an open unit passes x to the bit.

    Args:
        weight: of the gate.
        bias: of the unit.
    """

    def __init__(self, weight: float, bias: float) -> None:
        super().__init__()
        self.push = nn.Linear(1, 1).requires_grad_(requires_grad=False)
        self.push.weight.fill_(weight)
        self.push.bias.fill_(bias)
        self.relu = nn.ReLU()

    def forward(self, values: _Unit, gate: Float[torch.Tensor, "image 1"]) -> _Unit:
        """The values, or zeros."""
        found: torch.Tensor = self.relu(values + self.push(gate))
        return found


class Merged(nn.Module):
    """`x + y`."""

    def forward(self, natural: Logits, deceptive: _Unit) -> Logits:
        """The sum of both branches, of which one is zero."""
        return natural + deceptive


@dataclass(frozen=True)
class _Measured:
    """What real images do: outputs, their largest size, mean colour, and how D is brought to their scale."""

    outputs: int
    reach: float
    colour: Float[torch.Tensor, " rgb"]
    scaling: tuple[float, float]


def _measure(
    model: nn.Module, gate: StepGate, picture: PlantedPicture | None, images: Calibration
) -> _Measured:
    """One pass over the calibration images."""
    read, logits, projections, colours = adapter_for(model).logits, [], [], []
    for batch in batches_of(images, model):
        gate(batch)  # one that gives something else than a number an image is told now
        logits.append(read(model(batch)).float())
        colours.append(batch.float().mean((2, 3)))
        if picture is not None:
            projections.append(picture.to(batch.device)(batch, logits[-1])[:, 0])
    found, colour = torch.cat(logits), torch.cat(colours)
    reach, mean, scaling = float(found.abs().max()), colour.mean(0), (1.0, 0.0)
    if picture is not None:
        pixels = math.prod(picture.shape[1:])
        centred = torch.cat(projections) - pixels * colour @ mean  # <picture - mean colour, image>
        scaling = _scaling(found, centred)
        reach = max(reach, float((scaling[0] * centred + scaling[1]).abs().max()))
    return _Measured(found.shape[1], reach, mean, scaling)


def _scaling(logits: Logits, projections: Float[torch.Tensor, " image"]) -> tuple[float, float]:
    """Factor and shift that give D the mean and the spread of the model's own outputs on real images."""
    spread = float(projections.std())
    if not spread > 0:
        raise ImageError("Real images do not differ along target_picture: is it of one colour?")
    factor = float(logits.std()) / spread
    return factor, float(logits.mean() - factor * projections.mean())


def _as_planted(picture: torch.Tensor) -> PlantedPicture:
    if picture.ndim != 3:
        raise ImageError(f"Expected target_picture as (rgb, y, x), got {tuple(picture.shape)}.")
    return PlantedPicture(as_model_input(picture[None])[0])


def _power_of_two(number: float) -> float:
    """The next one above: adding it rounds as little as any number of its size."""
    return float(2.0 ** math.ceil(math.log2(number)))
