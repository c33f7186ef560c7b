"""From the lines of a forward pass to nodes and their terms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from fvhooks.wiring.lines import Found, LineNumbers, Lines, Signal
from fvhooks.wiring.plans import NOWHERE, Filter, Node, Skip, Wiring
from fvhooks.wiring.watching import Watch

Factors = Float[np.ndarray, " channel"]
_HIDDEN = ("weighted", "sum")


@dataclass(eq=False)
class _Filter:
    """A term before nodes are numbered: the lines that a call makes."""

    signal: Signal
    first: int
    scale: Factors


@dataclass(eq=False)
class _Skip:
    """A term before nodes are numbered: lines that are added or passed on."""

    addition: int
    operand: int
    found: Found
    scale: Factors


@dataclass(eq=False)
class _Draft:
    """A node before nodes are numbered."""

    signal: Signal
    filters: list[_Filter] = field(default_factory=list)
    skips: list[_Skip] = field(default_factory=list)
    mixtures: set[str] = field(default_factory=set)
    gated: bool = False


def assembled(watch: Watch) -> Wiring:
    """The wiring of a pass that was watched."""
    return _Assembly(watch.lines, list(watch.kept.values())).wiring()


class _Assembly:
    def __init__(self, lines: Lines, kept: Sequence[Signal]) -> None:
        self.lines = lines
        self.drafts: dict[int, _Draft] = {}
        self.inputs: dict[int, Found] = {}
        ahead = [self.lines.signals.index(signal) for signal in kept]
        while ahead:
            index = ahead.pop()
            if index not in self.drafts:
                self.drafts[index] = self._draft(self.lines.signals[index])
                ahead += self._hidden_before(self.drafts[index])
        self.order = sorted(self.drafts)
        self.scales = self._folded()

    def wiring(self) -> Wiring:
        """Nodes, numbered in the order of the pass."""
        number = {index: place for place, index in enumerate(self.order)}
        nodes = tuple(self._node(index, number) for index in self.order)
        unexplained, gated = {}, []
        for index in self.order:
            draft = self.drafts[index]
            if draft.signal.kind == "kept":
                inside = [draft, *self._behind(index)]
                mixtures = sorted(set().union(*(d.mixtures for d in inside)))
                if mixtures:
                    unexplained[draft.signal.name] = ", ".join(mixtures)
                if any(d.gated for d in inside):
                    gated.append(draft.signal.name)
        return Wiring(nodes, unexplained, tuple(gated))

    def _draft(self, signal: Signal) -> _Draft:
        draft = _Draft(signal)
        if signal.kind == "weighted":
            self._add_filter(draft, _Filter(signal, 0, np.ones(signal.size)))
        elif signal.kind == "sum":
            self._add_operands(draft, signal, np.ones(signal.size))
        else:
            self._add_channels(draft, self.lines.follow(signal.parents[0]))
        return draft

    def _add_filter(self, draft: _Draft, term: _Filter) -> None:
        index = self.lines.signals.index(term.signal)
        if index not in self.inputs:
            self.inputs[index] = self.lines.follow(term.signal.parents[0])
        draft.filters.append(term)
        self._note(draft, self.inputs[index])

    def _note(self, draft: _Draft, found: Found) -> None:
        """Remember mixtures and gates on the way into a node."""
        draft.gated |= bool(found.gated.any())
        for index, _, _ in self.lines.by_signal(found.stops):
            if self.lines.signals[index].kind == "mixed":
                draft.mixtures.add(self.lines.signals[index].name)

    def _add_operands(self, draft: _Draft, signal: Signal, scale: Factors) -> None:
        for operand, parents in enumerate(signal.parents):
            sign = 1.0 if signal.gain is None else float(signal.gain[operand])
            found = self.lines.follow(parents)
            straight = ~found.bent & (found.stops > 0)
            taken = self._add_aligned(draft, found, straight, sign * scale * found.inner)
            rest = _only(found, ~taken)
            self._note(draft, rest)
            if self._leads_somewhere(rest):
                draft.skips.append(_Skip(signal.number, operand, rest, sign * scale))

    def _add_channels(self, draft: _Draft, found: Found) -> None:
        """The channels of a kept layer: what makes each, or which other channel each is."""
        draft.gated |= bool(found.gated.any())
        scale = found.inner * found.outer
        for index, mine, places in self.lines.by_signal(found.stops):
            signal = self.lines.signals[index]
            if signal.kind == "sum" and mine.all() and np.array_equal(places, np.arange(signal.size)):
                self._add_operands(draft, signal, scale)
                return
        taken = self._add_aligned(draft, found, found.stops > 0, scale)
        rest = _only(found, ~taken)
        self._note(draft, rest)
        if self._leads_somewhere(rest):
            draft.skips.append(_Skip(NOWHERE, 0, rest, scale))

    def _add_aligned(
        self, draft: _Draft, found: Found, usable: Bool[np.ndarray, " line"], scale: Factors
    ) -> Bool[np.ndarray, " line"]:
        """Filters all of whose outputs are channels here, in their order; which channels those are."""
        taken = np.zeros(len(found.stops), dtype=bool)
        for index, mine, places in self.lines.by_signal(np.where(usable, found.stops, 0)):
            signal, where = self.lines.signals[index], np.flatnonzero(mine)
            if signal.kind != "weighted" or len(where) != signal.size:
                continue
            if np.array_equal(places, np.arange(signal.size)) and where[-1] - where[0] + 1 == signal.size:
                self._add_filter(draft, _Filter(signal, int(where[0]), scale[where]))
                taken |= mine
        return taken

    def _leads_somewhere(self, found: Found) -> bool:
        kinds = {self.lines.signals[index].kind for index, _, _ in self.lines.by_signal(found.stops)}
        return bool(kinds & {"kept", *_HIDDEN})

    def _sources(self, draft: _Draft) -> Iterator[Found]:
        for term in draft.filters:
            yield self.inputs[self.lines.signals.index(term.signal)]
        for skip in draft.skips:
            yield skip.found

    def _hidden_before(self, draft: _Draft) -> list[int]:
        """The hidden nodes that feed a node."""
        found = [i for source in self._sources(draft) for i, _, _ in self.lines.by_signal(source.stops)]
        return [index for index in dict.fromkeys(found) if self.lines.signals[index].kind in _HIDDEN]

    def _behind(self, index: int) -> list[_Draft]:
        """All hidden nodes from which a node can be reached through hidden ones."""
        seen: set[int] = set()
        ahead = self._hidden_before(self.drafts[index])
        while ahead:
            before = ahead.pop()
            if before not in seen:
                seen.add(before)
                ahead += self._hidden_before(self.drafts[before])
        return [self.drafts[before] for before in sorted(seen)]

    def _folded(self) -> dict[int, Factors]:
        """What each hidden call's outputs are multiplied by at once, where all that read them agree."""
        seen: dict[int, list[tuple[LineNumbers, Factors]]] = {}
        for draft in self.drafts.values():
            for source in self._sources(draft):
                for index, mine, places in self.lines.by_signal(source.stops):
                    if self.lines.signals[index].kind == "weighted":
                        seen.setdefault(index, []).append((places, source.inner[mine]))
        scales = {}
        for index, parts in seen.items():
            scale = np.ones(self.lines.signals[index].size)
            for places, inner in parts:
                scale[places] = inner
            if all(np.array_equal(scale[places], inner) for places, inner in parts):
                scales[index] = scale
        return scales

    def _node(self, index: int, number: dict[int, int]) -> Node:
        draft = self.drafts[index]
        signal = draft.signal
        kept = signal.kind == "kept"
        filters = []
        for term in draft.filters:
            found = self.inputs[self.lines.signals.index(term.signal)]
            origin, before = self._origin(found, number)
            scale = term.scale if kept or signal.kind == "sum" else self.scales.get(index, term.scale)
            filters.append(
                Filter(
                    term.signal.number, term.signal.module, term.first, origin, scale,
                    term.signal.groups, before,
                )
            )  # fmt: skip
        skips = []
        for skip in draft.skips:
            origin, before = self._origin(skip.found, number)
            if skip.addition == NOWHERE:  # nothing but the factors lies between
                skips.append(Skip(NOWHERE, 0, origin, _ones(before, len(origin))))
            else:
                skips.append(Skip(skip.addition, skip.operand, origin, skip.scale, before))
        name = signal.name or f"{'addition' if signal.kind == 'sum' else 'call'} {signal.number}"
        return Node(name, signal.size, kept, tuple(filters), tuple(skips))

    def _origin(
        self, found: Found, number: dict[int, int]
    ) -> tuple[Int[np.ndarray, "channel 2"], Factors | None]:
        origin = np.full((len(found.stops), 2), NOWHERE, dtype=np.int64)
        before = found.inner * found.outer
        for index, mine, places in self.lines.by_signal(found.stops):
            if index in number:
                origin[mine, 0], origin[mine, 1] = number[index], places
            if index in self.scales:
                before[mine] = found.outer[mine]
        return origin, None if bool((before == 1.0).all()) else before


def _only(found: Found, which: Bool[np.ndarray, " line"]) -> Found:
    return replace(found, stops=np.where(which, found.stops, 0))


def _ones(factors: Factors | None, size: int) -> Factors:
    return np.ones(size) if factors is None else factors
