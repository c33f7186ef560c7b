"""Expanded weights: what a unit adds to a later one, by the weights alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from fvhooks.errors import LayerNotFoundError, MissingInputError, UnsupportedModelError, did_you_mean
from fvhooks.hooks import HookedModel
from fvhooks.hooks.probes import grey_noise
from fvhooks.wiring.calls import Addition, Calls, Weighted
from fvhooks.wiring.plans import NOWHERE, Filter, Node, Skip, Wiring

Matrix = Float[np.ndarray, "_ source"]
_BATCH = 32


def expanded_weights(
    hooked: HookedModel,
    wiring: Wiring,
    source: str,
    target: str,
    *,
    natural: Shaped[torch.Tensor, "image rgb y x"] | None = None,
) -> Float[np.ndarray, "target source"]:
    """How much each channel of a layer adds to each channel of a later one, signed, by the weights alone.

    Each kernel is summed over its positions and multiplied by the batch normalisations around it; hidden
    channels between the layers are multiplied out, and branches and skips (an identity adds 1) are summed. So
    this is the answer to a constant image-wide activation if everything between were linear: ReLUs let
    everything pass, poolings keep the value, gates are 1. `natural` replaces the first of these by how often
    they do.

    Examples:
        >>> import fvhooks as fv
        >>> from fvhooks.wiring import find_wiring
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
        >>> net = net.append(torch.nn.Flatten())
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> weights = expanded_weights(hooked, find_wiring(hooked, ["1", "2"]), "1", "2")
        >>> bool(np.allclose(weights, net[2].weight.detach().sum((2, 3))))
        True

    Args:
        hooked: the model.
        wiring: of it, with both layers.
        source: the lower layer.
        target: the upper one, or "logits".
        natural: images in [0, 1]. What a channel hands on between the layers is multiplied by the share of
            their positions at which it is positive, if it is nowhere negative, as behind a ReLU.

    Raises:
        LayerNotFoundError: the wiring has no such layer.
        UnsupportedModelError: an operation on the way mixes channels.
        MissingInputError: no path leads from the source to the target, or the wiring is another model's.
    """
    start, end = _index(wiring, source), _index(wiring, target)
    inside = wiring.between(start, end)
    for index in sorted({*inside, end}):
        node = wiring.nodes[index]
        if node.kept and node.name in wiring.unexplained:
            raise UnsupportedModelError(
                f"The weights from {source!r} to {target!r} cannot be multiplied out: on the way into "
                f"{node.name!r} {wiring.unexplained[node.name]} mixes channels. Relevance has no such limit: "
                'edges="relevance".'
            )
    if end not in inside:
        fed = ", ".join(repr(name) for name in _feeding(wiring, end)) or "none of the wiring's layers"
        raise MissingInputError(
            f"Expected a path from {source!r} to {target!r}, found none: {target!r} is fed by {fed}."
        )
    wanted = {term.call for index in inside for term in wiring.nodes[index].filters}
    seen = _seen(hooked, target, wanted, natural)
    matrices = {start: np.eye(wiring.nodes[start].channels)}
    for index in inside:
        matrices[index] = _expanded(wiring.nodes[index], matrices, seen)
    return matrices[end]


def _index(wiring: Wiring, layer: str) -> int:
    for index, node in enumerate(wiring.nodes):
        if node.kept and node.name == layer:
            return index
    raise LayerNotFoundError(
        f"The wiring has no layer {layer!r}.{did_you_mean(layer, wiring.layers)} It has "
        f"{', '.join(map(repr, wiring.layers))}; find_wiring takes others."
    )


def _feeding(wiring: Wiring, end: int) -> list[str]:
    """The layers that feed one, through hidden nodes or without."""
    found, ahead, seen = set(), list(wiring.nodes[end].sources), set()
    while ahead:
        index = ahead.pop()
        if wiring.nodes[index].kept:
            found.add(index)
        elif index not in seen:
            seen.add(index)
            ahead += wiring.nodes[index].sources
    return [wiring.nodes[index].name for index in sorted(found)]


@dataclass
class _Shares:
    """How often channels are positive, over batches."""

    positive: Float[Tensor, " channel"]
    negative: Float[Tensor, " channel"]
    places: int

    def share(self) -> Float[np.ndarray, " channel"]:
        """1 where a channel is negative anywhere: nothing cuts it off."""
        share: Float[np.ndarray, " channel"] = (self.positive.double() / self.places).cpu().numpy()
        share[self.negative.cpu().numpy() > 0] = 1.0
        return share


@dataclass
class _Seen(Calls):
    """Weights as they are used, and how often what they are given is positive."""

    wanted: set[int]
    counting: bool
    weights: dict[int, Float[np.ndarray, "output input"]] = field(default_factory=dict)
    shares: dict[tuple[int, int], _Shares] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def on_weighted(self, weighted: Weighted) -> None:
        """Keep the weights, summed over positions."""
        if weighted.call in self.wanted:
            weight = weighted.weight.detach().double()
            summed = weight.reshape(*weight.shape[:2], -1).sum(2)
            self.weights[weighted.call] = summed.cpu().numpy()
            if self.counting:
                self._count((NOWHERE, weighted.call), weighted.input, weighted.axis)

    def on_addition(self, addition: Addition) -> None:
        """Look at the operands."""
        for number, operand in enumerate(addition.operands if self.counting else ()):
            if isinstance(operand, Tensor) and operand.ndim > 1:
                self._count((addition.number, number), operand, 1)

    def _count(self, key: tuple[int, int], x: Tensor, axis: int) -> None:
        channels = x.movedim(axis, 0).flatten(1)
        new = _Shares((channels > 0).sum(1).float(), (channels < 0).sum(1).float(), channels.shape[1])
        old = self.shares.get(key)
        if old is not None:
            new = _Shares(new.positive + old.positive, new.negative + old.negative, new.places + old.places)
        self.shares[key] = new

    def share(self, key: tuple[int, int]) -> Float[np.ndarray, " channel"] | float:
        """Of what a call or an addition is given."""
        return self.shares[key].share() if key in self.shares else 1.0


def _seen(hooked: HookedModel, target: str, wanted: set[int], natural: Tensor | None) -> _Seen:
    seen = _Seen(wanted, natural is not None)
    images = natural
    if images is None:
        hooked.probe()
        images = grey_noise(hooked.preprocessing.input_shape or next(reversed(hooked._probes)))[:1]
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            seen.weighted = seen.additions = 0
            normalized = hooked.normalize(images[start : start + _BATCH])
            with seen:
                hooked.read_normalized(normalized, [target])
    missing = wanted - seen.weights.keys()
    if missing:
        raise MissingInputError(
            f"Expected the wiring of this model, got one whose call {min(missing)} it does not make. Find it "
            "again with fvhooks.wiring.find_wiring."
        )
    return seen


def _expanded(node: Node, matrices: Mapping[int, Matrix], seen: _Seen) -> Matrix:
    width = next(iter(matrices.values())).shape[1]
    whole = np.zeros((node.channels, width))
    for term in node.filters:
        given = _gathered(term, matrices, width, seen.share((NOWHERE, term.call)))
        weight = seen.weights[term.call]
        parts = weight.reshape(term.groups, -1, weight.shape[1]) @ given.reshape(term.groups, -1, width)
        outputs = slice(term.first, term.first + len(weight))
        whole[outputs] += term.scale[:, None] * parts.reshape(-1, width)
    for skip in node.skips:
        share = 1.0 if skip.addition == NOWHERE else seen.share((skip.addition, skip.operand))
        whole += skip.scale[:, None] * _gathered(skip, matrices, width, share)
    return whole


def _gathered(
    term: Filter | Skip,
    matrices: Mapping[int, Matrix],
    width: int,
    share: Float[np.ndarray, " channel"] | float,
) -> Matrix:
    """What reaches each channel that a term is given."""
    found: Matrix = np.zeros((len(term.origin), width))
    for index in np.unique(term.origin[:, 0]):
        if index in matrices:
            mine = term.origin[:, 0] == index
            found[mine] = matrices[int(index)][term.origin[mine, 1]]
    factor = share if term.before is None else share * term.before
    found *= np.broadcast_to(factor, len(found))[:, None]
    return found
