"""What is known of a network's wiring: nodes, and the terms that add up to each of their channels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from fvhooks.errors import SchemaError
from fvhooks.wiring.records import factors_of, factors_to, origins_of, origins_to

NOWHERE = -1
"""A channel that comes from no node: of the image, or a constant."""


@dataclass(frozen=True, eq=False)
class Filter:
    """A convolution or linear map that is one of the terms of a node.

    Args:
        call: which weighted call of the forward pass it is, counting convolutions and linear maps from 0.
        module: its name in the model, or "" where it is a function.
        first: the first channel of the node that it makes; it makes one for each of its outputs.
        origin: (node, channel) that each of its input channels comes from, `NOWHERE` where from none.
        scale: what each of its outputs is multiplied by afterwards, such as a batch normalisation folded in.
        groups: of the convolution.
        before: what each of its input channels was multiplied by since its origin, such as a batch
            normalisation before the convolution; it is in the values that the call is given. None: nothing.
    """

    call: int
    module: str
    first: int
    origin: Int[np.ndarray, "input 2"]
    scale: Float[np.ndarray, " output"]
    groups: int = 1
    before: Float[np.ndarray, " input"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data that JSON can hold."""
        return {
            "call": self.call,
            "module": self.module,
            "first": self.first,
            "origin": origins_to(self.origin),
            "scale": factors_to(self.scale),
            "groups": self.groups,
            "before": factors_to(self.before),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        arrays = {"origin": origins_of(record["origin"]), "scale": factors_of(record["scale"])}
        return cls(**{**record, **arrays, "before": factors_of(record["before"])})


@dataclass(frozen=True, eq=False)
class Skip:
    """Channels of earlier nodes that are added to a node as they are.

    Args:
        addition: which addition of the forward pass brings them, counting from 0; `NOWHERE` where nothing is
            added and each channel that has an origin is that one, passed on.
        operand: which of its operands.
        origin: (node, channel) that comes to each of the node's channels, `NOWHERE` where none does.
        scale: what each operand's value is multiplied by on the way.
        before: what it was multiplied by between its origin and the addition; it is in the operand's value.
            None: nothing.
    """

    addition: int
    operand: int
    origin: Int[np.ndarray, "channel 2"]
    scale: Float[np.ndarray, " channel"]
    before: Float[np.ndarray, " channel"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data that JSON can hold."""
        return {
            "addition": self.addition,
            "operand": self.operand,
            "origin": origins_to(self.origin),
            "scale": factors_to(self.scale),
            "before": factors_to(self.before),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        arrays = {"origin": origins_of(record["origin"]), "scale": factors_of(record["scale"])}
        return cls(**{**record, **arrays, "before": factors_of(record["before"])})


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor with channels: a layer that is kept, or what lies hidden between two of them.

    Args:
        name: the layer's, or of a hidden one the module's that makes it.
        channels: how many.
        kept: whether it is one of the layers that were asked for.
        filters: whose outputs add up to its channels, where several make the same one.
        skips: that are added to those.
    """

    name: str
    channels: int
    kept: bool
    filters: tuple[Filter, ...] = ()
    skips: tuple[Skip, ...] = ()

    @property
    def sources(self) -> set[int]:
        """The nodes that feed it."""
        terms: list[Filter | Skip] = [*self.filters, *self.skips]
        return {int(index) for term in terms for index in np.unique(term.origin[:, 0])} - {NOWHERE}

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data that JSON can hold."""
        return {
            "name": self.name,
            "channels": self.channels,
            "kept": self.kept,
            "filters": [term.to_dict() for term in self.filters],
            "skips": [term.to_dict() for term in self.skips],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        filters = tuple(Filter.from_dict(term) for term in record["filters"])
        skips = tuple(Skip.from_dict(term) for term in record["skips"])
        return cls(**{**record, "filters": filters, "skips": skips})


@dataclass(frozen=True, eq=False)
class Wiring:
    """The nodes of a network in the order of its forward pass.

    Args:
        nodes: hidden ones among them; an origin's node is an index into these, always of an earlier one.
        unexplained: layers for which the walk ended at an operation that mixes channels, and that operation.
        gated: layers into which channels come through a gate, a factor computed from the image
            (squeeze-and-excitation). What feeds the gate is not followed.
    """

    nodes: tuple[Node, ...]
    unexplained: dict[str, str] = field(default_factory=dict)
    gated: tuple[str, ...] = ()

    @property
    def layers(self) -> list[str]:
        """The layers that were asked for, in network order."""
        return [node.name for node in self.nodes if node.kept]

    def between(self, start: int, end: int) -> list[int]:
        """The nodes on any way from one to a later one, that one among them and the first not.

        Args:
            start: index of the node that ways begin at.
            end: of the node that they lead to.
        """
        leading, ahead = set(), [end]
        while ahead:
            index = ahead.pop()
            if index > start and index not in leading:
                leading.add(index)
                ahead += self.nodes[index].sources
        reached = {start}
        for index in sorted(leading):
            if self.nodes[index].sources & reached:
                reached.add(index)
        return sorted(reached - {start})

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data that JSON can hold; runs of channels take one entry."""
        nodes = [node.to_dict() for node in self.nodes]
        return {"nodes": nodes, "unexplained": dict(self.unexplained), "gated": list(self.gated)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            SchemaError: the record is no wiring of this version.
        """
        try:
            nodes = tuple(Node.from_dict(node) for node in record["nodes"])
            return cls(nodes, dict(record["unexplained"]), tuple(record["gated"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(
                f"Expected a wiring as Wiring.to_dict makes it, got {str(record)[:80]!r} ({error!r}). "
                "Find it again with fvhooks.wiring.find_wiring."
            ) from error
