"""How good class pictures of a small network are, judged by other networks beside real images and floors.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality_cifar.py --cache FOLDER --recipes vital fourier

Pictures of the ten outputs of a CIFAR-10 ResNet-20 are made once and kept in the cache folder; judging starts
from there. The judges, a ResNet-56 and a vision transformer, took no part in making them, and neither did the
real images: the test images, and those of the training images that the store holds back for reports. Prints
tables in Markdown, writes `quality.json` and contact sheets into the cache folder.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar_pictures import (
    CLASSES,
    LAYERS,
    Set,
    World,
    attach,
    build_world,
    contact_sheet,
    floors,
    make_pictures,
    split_real,
)

import fvhooks as fv
from fvhooks.metrics import (
    FrechetDistance,
    accuracy,
    frechet_distance,
    path_curve,
    predict,
    standardized_ranks,
)

JUDGES = {"cifar10_resnet56": "layer3", "cifar10_vit": "mlp_head.0"}
FRESH_SPLITS = 25
CALIBRATION = 40  # real images a class for the path curves


def features(judge: fv.HookedModel, layer: str, images: torch.Tensor) -> np.ndarray:
    """What the judge's last linear layer sees."""
    parts = []
    with torch.no_grad():
        for batch in torch.split(images, 64):
            read = judge.read(batch, [layer])[layer]
            parts.append(read.mean((2, 3)) if read.ndim == 4 else read[:, 0] if read.ndim == 3 else read)
    return torch.cat(parts).numpy()


def class_spread(rows: np.ndarray, labels: np.ndarray) -> float:
    """The mean squared distance between the class means: the unit of distances across judges."""
    centres = np.stack([rows[labels == label].mean(0) for label in range(CLASSES)])
    return float(((centres[:, None] - centres) ** 2).sum(2).sum() / (CLASSES * (CLASSES - 1)))


def judge_sets(world: World, sets: list[Set], name: str) -> dict[str, dict[str, Any]]:
    """Every set in one judge's features, beside the real images that are left when fresh ones are drawn."""
    judge, layer = attach(world.networks, name), JUDGES[name]
    count = sets[0].images.shape[1]
    real = features(judge, layer, world.real)
    fresh, rest = split_real(world, count, seed=0)
    spread = class_spread(real, world.labels)

    def against(rows: np.ndarray, labels: np.ndarray, others: np.ndarray, *, draws: int) -> FrechetDistance:
        given = {"labels": labels, "reference_labels": world.labels[others], "draws": draws}
        return frechet_distance(rows, real[others], **given)

    def pooled(rows: np.ndarray, labels: np.ndarray) -> FrechetDistance:
        given = {"labels": labels, "reference_labels": world.labels[rest]}
        return frechet_distance(rows, real[rest], pooled=True, **given)

    found: dict[str, dict[str, Any]] = {}
    for pictures in sets:
        rows = real[fresh] if pictures.name == "real, fresh" else features(judge, layer, pictures.flat)
        distance, together = against(rows, pictures.labels, rest, draws=400), pooled(rows, pictures.labels)
        found[pictures.name] = {
            "debiased_mean": distance.debiased_mean.to_dict(),
            "covariance": distance.covariance.to_dict(),
            "plain": distance.total.to_dict(),
            "pooled_debiased_mean": together.debiased_mean.to_dict(),
            "in_class_distances": distance.debiased_mean.value / spread,
            "transfer": accuracy(predict(judge, pictures.flat), pictures.labels, by_class=True).to_dict(),
        }
    splits = [split_real(world, count, seed=seed) for seed in range(1, FRESH_SPLITS + 1)]
    again = [against(real[a], world.labels[a], b, draws=0) for a, b in splits]
    for key in ("debiased_mean", "covariance"):
        values = [getattr(distance, key).value for distance in again]
        found["real, fresh"][f"{key}_over_splits"] = {
            "mean": float(np.mean(values)),
            "sd": float(np.std(values)),
        }
    return found


def path_sets(world: World, sets: list[Set]) -> dict[str, dict[str, Any]]:
    """The path curve of every set, against calibration images of the store."""
    table = world.store.images_table
    rng = np.random.default_rng(0)
    rows = [
        rng.permutation(np.flatnonzero((table.label.values == label) & (table.split.values == "calibration")))
        for label in range(CLASSES)
    ]
    chosen = np.concatenate([part[:CALIBRATION] for part in rows])
    natural = ranks(world.hooked, world.store.images(table.id.values[chosen]))
    found: dict[str, dict[str, Any]] = {}
    for pictures in sets:
        made = ranks(world.hooked, pictures.flat)
        labels = {"labels": table.label.values[chosen], "picture_labels": pictures.labels}
        curves = {layer: path_curve(natural[layer], made[layer], **labels) for layer in LAYERS}
        found[pictures.name] = {
            layer: {"raw": curve.normalized.to_dict(), "contrast": curve.contrast.to_dict()}
            for layer, curve in curves.items()
        }
    return found


def ranks(hooked: fv.HookedModel, images: torch.Tensor) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    with torch.no_grad():
        for batch in torch.split(images, 64):
            for layer, read in hooked.read(batch, LAYERS).items():
                parts[layer].append(standardized_ranks(read.flatten(1).numpy()))
    return {layer: np.concatenate(part) for layer, part in parts.items()}


def audit_set(world: World, pictures: Set) -> dict[str, Any]:
    """Percentiles among held-out real images by depth, and verdicts."""
    units = [fv.Unit.logit(label) for label in range(CLASSES)]
    vis = fv.as_visualizations(units, pictures.images.numpy())
    data = fv.audit(world.hooked, vis, world.store, layers=LAYERS, show_progress=False).data
    percentile = data["path_percentile"]
    outside = ((percentile < 0.05) | (percentile > 0.95)).where(percentile.notnull())
    verdicts = {
        str(check): [int((data["verdict"].sel(check=check) == kind).sum()) for kind in VERDICTS]
        for check in data["check"].values
    }
    return {
        "percentile": by_depth(percentile.median(["unit", "seed"])),
        "outside": by_depth(outside.mean(["unit", "seed"])),
        "verdicts": verdicts,
        "departure": float(data["path_departure"].median()),
        "gap_ratio": float(data["gap_ratio"].median()),
        "limits": {str(c): float(data["limit"].sel(check=c).median()) for c in data["check"].values},
        "false_alarms": {
            str(c): float(data["false_alarms"].sel(check=c).mean()) for c in data["check"].values
        },
    }


VERDICTS = ("contradicted", "inconclusive", "not contradicted")


def by_depth(values: Any) -> dict[str, float]:  # an xarray array over `depth`
    return {str(name): float(values.sel(depth=name)) for name in values["depth"].values}


def interval(value: dict[str, float], digits: int = 1) -> str:
    low, high = (f"{value[end]:.{digits}f}" for end in ("low", "high"))
    return f"{value['value']:.{digits}f} [{low}, {high}]"


def table(head: list[str], rows: dict[str, list[str]]) -> str:
    lines = ["| pictures | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def report(results: dict[str, Any], write: Callable[[str], None]) -> None:
    """All tables, in Markdown."""
    names = list(results["self"])
    for judge, found in results["judges"].items():
        head = ["debiased mean term", "in class distances", "covariance term", "self", f"transfer: {judge}"]
        rows = {}
        for name in names:
            here = found[name]
            share = [interval(value, 2) for value in (results["self"][name], here["transfer"])]
            unit = f"{here['in_class_distances']:.3f}"
            rows[name] = [interval(here["debiased_mean"]), unit, interval(here["covariance"]), *share]
        write(f"\n{judge}\n\n{table(head, rows)}")
        again = {key: value for key, value in found["real, fresh"].items() if key.endswith("over_splits")}
        write(f"\nReal images over {FRESH_SPLITS} other draws: {again}")
    for key in ("contrast", "raw"):
        rows = {n: [interval(results["paths"][n][layer][key], 2) for layer in LAYERS] for n in names}
        write(f"\nPath similarity, {key}\n\n{table(LAYERS, rows)}")
    rows = {}
    for name in names:
        found = results["audits"][name]
        cells = [f"{found['percentile'][layer]:.2f} ({found['outside'][layer]:.0%})" for layer in LAYERS]
        counts = [" / ".join(map(str, found["verdicts"][c])) for c in ("path_similarity", "activation_gap")]
        rows[name] = [*cells, f"{found['departure']:.2f}", f"{found['gap_ratio']:.2f}", *counts]
    head = [*LAYERS, "departure", "peak / highest natural", "path verdicts", "gap verdicts"]
    write(f"\nPercentile among held-out real images (share outside 5 to 95 %); verdicts as {VERDICTS}\n")
    write(table(head, rows))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for the store, pictures and results"
    )
    parser.add_argument("--recipes", nargs="*", default=["vital", "fourier"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--make-only", action="store_true", help="make pictures, judge nothing")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    world = build_world(options.cache)
    made = [make_pictures(world, options.cache, recipe, options.seeds) for recipe in options.recipes]
    if options.make_only:
        return
    fresh, _ = split_real(world, options.seeds, seed=0)
    real = Set("real, fresh", world.real[fresh].unflatten(0, (CLASSES, options.seeds)))
    sets = [real, *made, *floors(world, options.seeds)]
    contact_sheet(made).save(options.cache / "quality.png")
    results = {
        "seeds": options.seeds,
        "self": {
            s.name: accuracy(predict(world.hooked, s.flat), s.labels, by_class=True).to_dict() for s in sets
        },
        "judges": {name: judge_sets(world, sets, name) for name in JUDGES},
        "paths": path_sets(world, sets),
        "audits": {pictures.name: audit_set(world, pictures) for pictures in sets},
    }
    (options.cache / "quality.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    report(results, print)


if __name__ == "__main__":
    main()
