"""A program that depends on fvhooks: `mypy --strict` reads it in `.ci/wheel`, nothing runs it."""

from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import nn

import fvhooks as fv
from fvhooks.relevance import FlowLRP
from fvhooks.synthesis.recipes.vital import Vital


def hooked_of(model: nn.Module) -> fv.HookedModel:
    return fv.attach(model, mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25], input_shape=(3, 32, 32))


def strongest(store: fv.Store, layer: str) -> list[str]:
    found: xr.Dataset = store.top_images(fv.Unit(layer, 3), k=5)
    return [str(name) for name in found.id.values]


def pictures(hooked: fv.HookedModel, store: fv.Store, folder: Path) -> fv.Visualizations:
    direction = fv.Direction("layer3", np.ones(64), name="all of it")
    targets: list[fv.Unit | fv.Direction] = [
        fv.Unit.logit(0),
        fv.Unit("layer3", 7, position=(1, 2)),
        direction,
    ]
    vis = fv.visualize(hooked, targets, Vital(steps=10), store, seeds=2, show_progress=False)
    vis.save(folder / "pictures.zarr")
    images: xr.DataArray = vis.images
    assert images.dims == ("unit", "seed", "rgb", "y", "x")
    return vis


def trusted(hooked: fv.HookedModel, vis: fv.Visualizations, store: fv.Store) -> bool:
    report: fv.AuditReport = fv.audit(hooked, vis, store, checks=["path_similarity"])
    cards: fv.UnitCards = fv.cards(vis, store, report)
    cards.to_html("cards.html")
    return bool((report.verdicts != "contradicted").all())


def explained(hooked: fv.HookedModel, store: fv.Store, image: torch.Tensor) -> list[fv.Unit]:
    view: fv.Explanation = fv.explain(hooked, FlowLRP, image, 3, store, layer="layer3", k=4)
    view.to_html("explanation.html")
    relevance: torch.Tensor = fv.relevance.attribute(hooked, image[None], ["layer3"], target=3)["layer3"]
    found = fv.top_units(relevance, layer="layer3", k=4)  # of several images, a list for each
    return [unit for unit in found if isinstance(unit, fv.Unit)]


def without(hooked: fv.HookedModel, unit: fv.Unit, images: torch.Tensor) -> torch.Tensor:
    with hooked.edit({unit: 0.0}):
        return hooked.read(images, ["logits"])["logits"]


def overview(hooked: fv.HookedModel, store: fv.Store) -> tuple[fv.AttributionGraph, fv.Atlas]:
    graph = fv.attribution_graph(store, target=3, edges="relevance", hooked=hooked)
    return graph, fv.atlas(store, layer="layer3", layout="pca")


def tolerant(path: str) -> fv.Store | None:
    try:
        return fv.open_store(path)
    except fv.FVHooksError:
        return None
