"""Which choice of units does a class need most, and which edges say what happens?

    FVHOOKS_TEST_DATA=… python benchmarks/circuits.py [--store r20.zarr] [--labels 0 3 5 8] [--selections …]

On CIFAR ResNet-20, with statistics of 4,000 training and 500 test images. Units are chosen on images
outside the report split, as many of each layer by every selection, and replaced on images of the report
split: by their mean over all real images, or by what they are on an image of another class. Printed is the
change of the margin (the class's output less the mean of the others), averaged over classes; the interval
draws classes, then their images. `A less B` is the difference of two selections on the same images. Edges
are weighted on images outside the report split, and compared with how much less the unit above is once the
one below is what it is on images of other classes, its mean, or zero: Spearman's coefficient over all edges
into the strongest units, the same channel number left out; the interval draws classes.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.circuits.ablations import HOWS, How, Stage
from fvhooks.circuits.contributions import RelevanceOptions, baselines, contributions
from fvhooks.circuits.edges import EDGES, PairEdges, Question
from fvhooks.circuits.margins import Margin
from fvhooks.circuits.rivals import activation_mass, by_activation, class_rows, head, matched
from fvhooks.metrics.groups import group_interval
from fvhooks.metrics.intervals import Interval
from fvhooks.metrics.paths import spearman

LAYERS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]
SHARE = 0.1


@dataclass
class Case:
    """One class of the network, with the images that choose and those that judge."""

    hooked: fv.HookedModel
    store: fv.Store
    label: int
    rows: np.ndarray
    stage: Stage

    def relevance(self, **options: Any) -> dict[str, np.ndarray]:
        """Relevance of each channel, signed, averaged over the images that choose."""
        found = contributions(self.store, self.hooked, LAYERS, self.label, RelevanceOptions(**options))
        ids = self.store.images_table.id.values[self.rows]
        parts = [found.units(self.store.images(ids[start : start + 50])) for start in range(0, len(ids), 50)]
        return {layer: torch.cat([part[layer] for part in parts]).mean(0).numpy() for layer in LAYERS}

    def activation(self) -> dict[str, np.ndarray]:
        return {layer: by_activation(self.store, layer, self.rows) for layer in LAYERS}

    def pagerank(self) -> dict[str, np.ndarray]:
        """Importance in a graph of vote edges, units that it leaves out by 0."""
        graph = fv.attribution_graph(self.store, self.label, edges="influence", mass=1.0)
        found = {layer: np.zeros(self.store.layout(layer).channels) for layer in LAYERS}
        for unit, importance in zip(graph.units, graph.data["importance"].values, strict=True):
            if unit.layer in found:
                found[unit.layer][unit.channel] = importance
        return found

    def alone(self, how: How, most: int = 20) -> dict[str, np.ndarray]:
        """How far the margin falls when one channel alone is replaced, on images that choose."""
        table = self.store.images_table
        ids, labels = table.id.values.astype(str), table.label.values
        images = self.store.images(ids[self.rows[:most]])
        others = np.flatnonzero((table.split.values != "report") & (labels >= 0) & (labels != self.label))
        donors = self.store.images(ids[np.random.default_rng(1).choice(others, len(images))])
        margin, found = Margin.of(self.store, self.label), {}
        known = baselines(self.store, self.hooked, LAYERS)
        with torch.no_grad():
            usual = margin(self.hooked.module(images)).mean()
            theirs = {layer: values.flatten(2) for layer, values in self.hooked.read(donors, LAYERS).items()}
            for layer in LAYERS:
                found[layer] = np.zeros(len(known[layer]))
                for channel in range(len(known[layer])):
                    value = float(known[layer][channel]) if how == "mean" else theirs[layer][:, channel]
                    with self.hooked.edit({fv.Unit(layer, channel): value}):
                        found[layer][channel] = usual - margin(self.hooked.module(images)).mean()
        return found


SELECTIONS: dict[str, Callable[[Case], dict[str, np.ndarray]]] = {
    "top activation": Case.activation,
    "PageRank of votes": Case.pagerank,
    "gradient × activation": lambda case: case.relevance(baseline="zero", contrast="none"),
    "gradient × (activation − mean)": lambda case: case.relevance(),
    "the same, 5 steps from the mean": lambda case: case.relevance(steps=5),
    "each alone, by its mean": lambda case: case.alone("mean"),
    "each alone, resampled": lambda case: case.alone("resample"),
}
RANDOM, MATCHED = "random, matched", "gradient × (activation − mean)"
BETTER = [name for name in SELECTIONS if name.startswith(("gradient × (", "the same", "each"))]
WORSE = ("top activation", "PageRank of votes")
EFFECTS = ("resample", "mean", "zero")
VOTES = "votes"
KINDS: dict[str, dict[str, Any]] = {
    "activation − mean (default)": {},
    "activation": {"baseline": "zero"},
    "contribution to the margin": {"value": "contribution"},
    VOTES: {},
}


def sizes(store: fv.Store) -> dict[str, int]:
    return {layer: int(np.ceil(SHARE * store.layout(layer).channels)) for layer in LAYERS}


def changes(case: Case, selections: Sequence[str]) -> dict[tuple[str, str, str], np.ndarray]:
    """The change of each image's margin by (selection, how, layer)."""
    counts, usual, found = sizes(case.store), case.stage.margins({}), {}
    scores = {name: SELECTIONS[name](case) for name in selections}
    for layer in LAYERS:
        sets = {name: [head(values[layer], counts[layer])] for name, values in scores.items()}
        generator = np.random.default_rng(0)
        mass = activation_mass(case.store, layer, case.rows)
        like = sets[MATCHED if MATCHED in sets else selections[0]][0]
        sets[RANDOM] = [matched(like, mass, generator) for _ in range(2)]
        for how in HOWS:
            for name, masks in sets.items():
                values = [case.stage.margins({layer: mask}, how) - usual for mask in masks]
                found[name, how, layer] = np.mean(values, axis=0)
    return found


def weighted(case: Case, kind: str, source: str, target: str) -> PairEdges:
    """Edges between two layers."""
    half = np.arange(len(case.rows)) % 2
    which = "influence" if kind == VOTES else "relevance"
    question = Question(
        case.store, case.label, case.label, [source, target], case.rows, half, "all", case.hooked, KINDS[kind]
    )
    return EDGES[which](question).pairs[0]


def edge_agreements(case: Case, kinds: Sequence[str], source: str, target: str) -> dict[str, list[float]]:
    """Spearman's coefficient of weight and effect by kind, for each of `EFFECTS`; of the source alone last.

    Votes are asked about the targets of the first kind.
    """
    usual = case.stage.means([target], {})[target]
    active = case.stage.means([source], {})[source]
    effects = {how: np.zeros((len(active), len(usual))) for how in EFFECTS}
    for i in range(len(active)):
        only = {source: np.arange(len(active)) == i}
        for how in HOWS:
            effects[how][i] = usual - case.stage.means([target], only, how)[target]
        effects["zero"][i] = usual - _at_zero(case, source, i, target)
    shares = {how: values / np.maximum(np.abs(usual), 1e-9) for how, values in effects.items()}
    found, targets = {}, np.zeros(0, int)
    for kind in kinds:
        pair = weighted(case, kind, source, target)
        targets = targets if kind == VOTES and len(targets) else np.unique(pair.targets)
        weights = np.zeros((len(active), len(usual)))
        weights[pair.sources, pair.targets] = pair.weights
        i, j = np.meshgrid(np.arange(len(active)), targets, indexing="ij")
        kept = i != j
        ours = weights[i[kept], j[kept]]
        theirs = [shares[how][i[kept], j[kept]] for how in EFFECTS]
        found[kind] = [_correlation(ours, each) for each in theirs] + [
            _correlation(active[i[kept]], theirs[0])
        ]
    return found


def _correlation(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(spearman(ours[None], theirs[None])[0, 0])


def _at_zero(case: Case, source: str, channel: int, target: str) -> np.ndarray:
    found = []
    for number, images in enumerate(case.stage.batches):
        mine = images[: max(0, case.stage.own - number * case.stage.batch_size)]
        if len(mine):
            with torch.no_grad(), case.hooked.edit({fv.Unit(source, channel): 0.0}):
                read = case.hooked.read(mine, [target])[target]
            found.append(case.hooked.layout(target).to_channels(read).mean(-1))
    return torch.cat(found).double().mean(0).numpy()


def report_units(cases: Sequence[Case], selections: Sequence[str]) -> None:
    found = [changes(case, selections) for case in cases]
    pairs = [(a, b) for a in BETTER for b in WORSE if {a, b} <= set(selections)]
    for own in (True, False):
        for how in HOWS:
            print(f"\n| {'own class' if own else 'other classes'}, by {how} | " + " | ".join(LAYERS) + " |")
            print("|---" * (len(LAYERS) + 1) + "|")
            for name in [*selections, RANDOM, *(pairs if own else [])]:
                cells = []
                for layer in LAYERS:
                    values = [_of(one, name, how, layer) for one in found]
                    cut = [
                        each[: case.stage.own] if own else each[case.stage.own :]
                        for each, case in zip(values, cases, strict=True)
                    ]
                    groups = np.repeat(np.arange(len(cut)), [len(each) for each in cut])
                    cells.append(told(group_interval(np.concatenate(cut), groups, draws=1000, seed=0), 1))
                said = name if isinstance(name, str) else " less ".join(name)
                print(f"| {said} | " + " | ".join(cells) + " |", flush=True)


def _of(
    found: dict[tuple[str, str, str], np.ndarray], name: str | tuple[str, str], how: str, layer: str
) -> np.ndarray:
    if isinstance(name, str):
        return found[name, how, layer]
    return found[name[0], how, layer] - found[name[1], how, layer]


def told(interval: Interval, digits: int) -> str:
    value, low, high = (f"{part:.{digits}f}" for part in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]".replace("-", "−")


def report_edges(cases: Sequence[Case], kinds: Sequence[str]) -> None:
    print("\n| edges | rows | resampled | by the mean | at zero | source's activation, resampled |")
    print("|---|---|---|---|---|---|")
    for source, target in ((1, 2), (4, 5), (7, 8)):
        several = [edge_agreements(case, kinds, LAYERS[source], LAYERS[target]) for case in cases]
        for kind in kinds:
            values = np.array([one[kind] for one in several]).T
            groups = np.arange(len(several))
            cells = [told(group_interval(row, groups, draws=1000, seed=0), 2) for row in values]
            print(f"| {kind} | {LAYERS[source]} → {LAYERS[target]} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("circuits_resnet20.zarr"))
    parser.add_argument("--labels", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--selections", nargs="+", choices=SELECTIONS, default=list(SELECTIONS))
    parser.add_argument("--images", type=int, default=40, help="report images a class")
    parser.add_argument("--choose", type=int, default=100, help="images a class that choose")
    parser.add_argument("--parts", nargs="+", choices=("units", "edges"), default=["units", "edges"])
    given = parser.parse_args()
    networks = load_networks()
    model, mean, std = networks.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = (
        torch.cat(both) for both in zip(networks.cifar10("train"), networks.cifar10("test"), strict=True)
    )
    influence = "PageRank of votes" in given.selections
    store = fv.collect(hooked, TensorDataset(images, labels), given.store, layers=LAYERS, influence=influence)
    cases = [
        Case(
            hooked,
            store,
            label,
            class_rows(store, label, given.choose),
            Stage.of(hooked, store, label, images=given.images),
        )
        for label in given.labels
    ]
    if "units" in given.parts:
        report_units(cases, given.selections)
    if "edges" in given.parts:
        report_edges(cases, [kind for kind in KINDS if influence or kind != VOTES])


if __name__ == "__main__":
    main()
