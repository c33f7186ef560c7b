"""The layers that the authors of VITAL match, found by the structure of a model, and their weights."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fvhooks.errors import LayerNotFoundError, UnsupportedModelError
from fvhooks.hooks import HookedModel, Probe
from fvhooks.units import LOGITS

_VIT_BLOCKS: Final = {12: (0, 4, 8, 11), 24: (2, 9, 20, 23)}
_LEAST_BLOCKS: Final = 4
_PATCH_32: Final = 32


@dataclass(frozen=True, slots=True)
class MatchedNodes:
    """What is matched, and how much each part of the loss counts.

    Args:
        nodes: layers, in network order.
        weights: of each layer's loss.
        variation: of the total variation of the normalised picture.
        norm: of its Euclidean norm.
    """

    nodes: tuple[str, ...]
    weights: tuple[float, ...]
    variation: float = 0.0
    norm: float = 0.0


def published_nodes(hooked: HookedModel) -> MatchedNodes:
    """The published nodes of a ResNet, DenseNet, ConvNeXt or ViT for pictures of classes.

    A ViT of another depth than 12 or 24 gets blocks at the places that those of 12 have, in proportion.

    Examples:
        >>> import torchvision, fvhooks as fv
        >>> net = torchvision.models.resnet18(weights=None)
        >>> published_nodes(fv.attach(net, input_shape=(3, 64, 64))).nodes
        ('conv1', 'layer1', 'layer2', 'layer3', 'layer4')

    Args:
        hooked: the model; what it is called does not matter.

    Raises:
        UnsupportedModelError: a model of another structure; what to pass.
    """
    probe = hooked.probe()
    for find in (_resnet, _densenet, _convnext, _vit):
        for found in find(probe, hooked):
            return found
    raise UnsupportedModelError(
        f"Recipe 'vital_faithful' knows the layers of ResNet, DenseNet, ConvNeXt and ViT; "
        f"{type(hooked.model).__name__} is built like none of them. Say which to match, early to late: "
        f"VitalFaithful(nodes={_example(probe)}, weights=(1.0, …))."
    )


def before(hooked: HookedModel, known: MatchedNodes, layer: str, *, inclusive: bool = False) -> MatchedNodes:
    """The nodes of which relevance for a unit of an inner layer can be told, with the authors' weights.

    Args:
        hooked: the model.
        known: the nodes of pictures of classes.
        layer: the unit's.
        inclusive: the unit's own layer may be among them.

    Raises:
        LayerNotFoundError: none of the nodes comes before the layer.
    """
    probe = hooked.probe()
    end = probe[hooked.resolve(layer)].order
    nodes = tuple(
        node for node in known.nodes if probe[hooked.resolve(node)].order < end + (1 if inclusive else 0)
    )
    if not nodes:
        raise LayerNotFoundError(
            f"None of the layers {', '.join(map(repr, known.nodes))} comes before {layer!r}. Say which to "
            f"match: VitalFaithful(nodes=({layer!r},))."
        )
    return MatchedNodes(nodes, _inner_weights(len(nodes)), 3e-7, 3e-7)


def _inner_weights(count: int) -> tuple[float, ...]:
    """A tenth for the stem, 1 for what follows.

    Examples:
        >>> _inner_weights(4)
        (0.1, 1.0, 1.0, 1.0)
    """
    return (0.1, *[1.0] * (count - 1)) if count > 1 else (1.0,)


def _resnet(probe: Probe, _hooked: HookedModel) -> Iterator[MatchedNodes]:
    for prefix in _prefixes(probe, "conv1"):
        stages = list(_counted(probe, f"{prefix}layer"))
        if len(stages) >= 3:
            nodes = (f"{prefix}conv1", *stages)
            yield MatchedNodes(nodes, (1.0,) * len(nodes))


def _densenet(probe: Probe, _hooked: HookedModel) -> Iterator[MatchedNodes]:
    for prefix in _prefixes(probe, "conv0"):
        blocks = list(_counted(probe, f"{prefix}denseblock"))
        if len(blocks) >= 3:
            yield MatchedNodes((f"{prefix}conv0", *blocks), (*[1.0] * len(blocks), 100.0))


def _convnext(probe: Probe, _hooked: HookedModel) -> Iterator[MatchedNodes]:
    for prefix in _prefixes(probe, "7.0"):
        between = tuple(f"{prefix}{stage}.1" for stage in (2, 4, 6))
        if probe[f"{prefix}7.0"].kind == "CNBlock" and all(name in probe for name in between):
            last = [name for name in probe if re.fullmatch(re.escape(prefix) + r"7\.\d+", name)][-1]
            yield MatchedNodes((f"{prefix}0", *between, last), (10.0, 1.0, 1.0, 1.0, 1.0))


def _vit(probe: Probe, hooked: HookedModel) -> Iterator[MatchedNodes]:
    chains: dict[tuple[str, str], list[str]] = {}
    for name, info in probe.items():
        match = re.fullmatch(r"(.*\D)\d+(\[0\])?", name)
        if match is not None and info.layout is not None and info.layout.kind == "tokens":
            chains.setdefault((match[1], info.kind), []).append(name)
    for blocks in sorted(chains.values(), key=len, reverse=True):
        if len(blocks) < _LEAST_BLOCKS:
            return
        layout = probe.layout(blocks[0])
        patches = [
            name
            for name, info in probe.items()
            if info.kind == "Conv2d" and info.layout is not None and info.layout.grid == layout.grid
        ]
        if patches:
            nodes = (patches[0], *(blocks[place] for place in _vit_places(len(blocks))))
            yield _weighted_vit(nodes, _patch(hooked, layout.grid[0]))


def _vit_places(count: int) -> tuple[int, ...]:
    """Which blocks are matched: as published, or at the same places in proportion.

    Examples:
        >>> _vit_places(24), _vit_places(6)
        ((2, 9, 20, 23), (0, 2, 4, 5))
    """
    known, last = _VIT_BLOCKS[12], count - 1
    return _VIT_BLOCKS.get(count, tuple(round(place * last / known[-1]) for place in known))


def _weighted_vit(nodes: Sequence[str], patch: int) -> MatchedNodes:
    """As ViT-L of the same patch size; the authors have no weights for the smaller ones."""
    if patch >= _PATCH_32:
        return MatchedNodes(tuple(nodes), (1.0, 1.0, 1.0, 1.0, 0.1), 3e-4, 3e-4)
    return MatchedNodes(tuple(nodes), (1.0,) * len(nodes), 3e-3, 3e-3)


def _patch(hooked: HookedModel, rows: int) -> int:
    shape = hooked.preprocessing.input_shape
    return shape[1] // rows if shape is not None else 0


def _prefixes(probe: Probe, stem: str) -> list[str]:
    """What stands before a name, where a layer has it as its last part."""
    return [name.removesuffix(stem) for name in probe if name == stem or name.endswith(f".{stem}")]


def _counted(probe: Probe, name: str) -> Iterator[str]:
    number = 1
    while f"{name}{number}" in probe:
        yield f"{name}{number}"
        number += 1


def _example(probe: Probe) -> tuple[str, ...]:
    """Some layers of the model, spread over its depth."""
    names = [name for name, info in probe.items() if name != LOGITS and info.layout is not None]
    wide: Callable[[str], bool] = lambda name: probe.layout(name).positions > 1  # noqa: E731
    spatial = list(filter(wide, names)) or names
    return tuple(dict.fromkeys(spatial[round(share * (len(spatial) - 1))] for share in (0, 1 / 3, 2 / 3, 1)))
