"""Which choice of units does a class need most, and which edges say what happens?

    FVHOOKS_TEST_DATA=… python benchmarks/circuits.py [--store r20.zarr] [--labels 0 3 5 8] [--selections …]

On CIFAR ResNet-20, with statistics of 4,000 training and 500 test images. Units are chosen on images
outside the report split, as many of each layer by every selection, and replaced on images of the report
split: by their mean over all real images, or by what they are on an image of another class. Printed is the
change of the margin (the class's output less the mean of the others), averaged over classes; the interval
draws classes, then their images. Edges are weighted on images outside the report split, and compared with
how much less the unit above is once the one below is what it is on images of other classes, or at zero:
Spearman's coefficient over all edges into the strongest units, the same channel number left out.
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
from fvhooks.circuits.ablations import HOWS, Stage
from fvhooks.circuits.contributions import RelevanceOptions, contributions
from fvhooks.circuits.edges import EDGES, Question
from fvhooks.circuits.rivals import activation_mass, by_activation, class_rows, head, matched
from fvhooks.metrics.groups import group_interval
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


SELECTIONS: dict[str, Callable[[Case], dict[str, np.ndarray]]] = {
    "top activation": Case.activation,
    "gradient × activation": lambda case: case.relevance(baseline="zero", contrast="none"),
    "gradient × (activation − mean)": lambda case: case.relevance(),
    "the same, 5 steps from the mean": lambda case: case.relevance(steps=5),
    "PageRank of votes": Case.pagerank,
}
RANDOM = "random, matched"


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
        last = sets[selections[-1] if "PageRank" not in selections[-1] else selections[0]][0]
        sets[RANDOM] = [matched(last, mass, generator) for _ in range(2)]
        for how in HOWS:
            for name, masks in sets.items():
                values = [case.stage.margins({layer: mask}, how) - usual for mask in masks]
                found[name, how, layer] = np.mean(values, axis=0)
    return found


def edge_agreement(case: Case, options: dict[str, Any], source: str, target: str) -> tuple[float, ...]:
    """Spearman's coefficient of weight and effect, of resampling and of zero; and of the source alone."""
    half = np.arange(len(case.rows)) % 2
    question = Question(
        case.store, case.label, case.label, [source, target], case.rows, half, "all", case.hooked, options
    )
    pair = EDGES["relevance"](question).pairs[0]
    given = {(int(i), int(j)): w for i, j, w in zip(pair.sources, pair.targets, pair.weights, strict=True)}
    targets = sorted({int(j) for j in pair.targets})
    usual = case.stage.means([target], {})[target]
    active = case.stage.means([source], {})[source]
    weights, controls, effects = [], [], {"resample": [], "zero": []}
    for i in range(len(active)):
        mask = np.arange(len(active)) == i
        after = {
            "resample": case.stage.means([target], {source: mask}, "resample")[target],
            "zero": _at_zero(case, source, i, target),
        }
        for j in (j for j in targets if j != i):
            weights.append(given.get((i, j), 0.0))
            controls.append(active[i])
            for how, means in after.items():
                effects[how].append((usual[j] - means[j]) / max(abs(usual[j]), 1e-9))
    pairs = [(weights, effects["resample"]), (weights, effects["zero"]), (controls, effects["resample"])]
    return tuple(float(spearman(np.array([a]), np.array([b]))[0, 0]) for a, b in pairs)


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
    for name_of in ("own class", "other classes"):
        for how in HOWS:
            print(f"\n| {name_of}, by {how} | " + " | ".join(LAYERS) + " |")
            print("|---" * (len(LAYERS) + 1) + "|")
            for name in [*selections, RANDOM]:
                cells = []
                for layer in LAYERS:
                    own = [
                        one[name, how, layer][: case.stage.own]
                        if name_of == "own class"
                        else one[name, how, layer][case.stage.own :]
                        for one, case in zip(found, cases, strict=True)
                    ]
                    groups = np.repeat(np.arange(len(own)), [len(values) for values in own])
                    cells.append(str(group_interval(np.concatenate(own), groups, draws=300, seed=0)))
                print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def report_edges(cases: Sequence[Case]) -> None:
    kinds = {
        "activation − mean (default)": {},
        "activation": {"baseline": "zero"},
        "contribution to the margin": {"value": "contribution"},
    }
    print("\n| edges | rows | resampled | at zero | source's activation alone |\n|---|---|---|---|---|")
    for name, options in kinds.items():
        for source, target in ((1, 2), (4, 5), (7, 8)):
            several = [edge_agreement(case, options, LAYERS[source], LAYERS[target]) for case in cases]
            means = " | ".join(f"{value:.2f}" for value in np.mean(several, axis=0))
            print(f"| {name} | {LAYERS[source]} → {LAYERS[target]} | {means} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("circuits_resnet20.zarr"))
    parser.add_argument("--labels", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--selections", nargs="+", choices=SELECTIONS, default=list(SELECTIONS)[:4])
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
    extra = {"influence": True} if influence else {}
    store = fv.collect(hooked, TensorDataset(images, labels), given.store, layers=LAYERS, **extra)
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
        report_edges(cases)


if __name__ == "__main__":
    main()
