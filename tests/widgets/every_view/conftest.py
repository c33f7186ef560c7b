"""One result of each kind that has a view, small and made up, the same wherever it is shown."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import fvhooks as fv
from fvhooks.circuits.class_maps import ClassMap
from fvhooks.circuits.verification import Verification
from fvhooks.explanations import Explanation
from fvhooks.synthesis.running.progress import Forming
from fvhooks.synthesis.visualizations import unit_coordinates

UNITS = ["a:0", "a:1", "b:3"]
SIDE = 64
VERDICTS = ("contradicted", "inconclusive", "not contradicted")
KINDS = np.array(["off_path", "tampered"], dtype=object)


def texts(*words: str) -> np.ndarray:
    return np.array(words, dtype=object)


def pattern(number: int, side: int = SIDE) -> np.ndarray:
    """A picture that no other number has: stripes of a width and a colour of its own, `uint8` (rgb, y, x)."""
    y, x = np.mgrid[:side, :side] / side
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (2 + number % 4) * (x + (number % 3) * y))
    tint = np.array([1.0, 0.35 + 0.2 * (number % 4), 0.9 - 0.25 * (number % 3)])
    return (255 * tint[:, None, None] * wave).astype(np.uint8)


def patterns(*shape: int, first: int = 0, side: int = SIDE) -> np.ndarray:
    made = [pattern(first + number, side) for number in range(int(np.prod(shape)))]
    return np.stack(made).reshape(*shape, 3, side, side)


def make_audit() -> fv.AuditReport:
    units = [fv.Unit.parse(name) for name in UNITS[:2]]
    pairs, depths = ("unit", "check"), np.linspace(0.9, 0.3, 4)
    verdict = np.array([VERDICTS, VERDICTS[::-1]], dtype=object)
    paths = np.tile(depths, (2, 1))
    data: dict[str, Any] = {
        "verdict": (pairs, verdict),
        "reason": (pairs, np.full((2, 3), "the interval holds the limit", dtype=object)),
        "value": (pairs, np.array([[1.8, 0.4, 0.2], [0.1, np.nan, 2.25]])),
        "low": (pairs, np.array([[1.5, 0.2, 0.1], [0.0, np.nan, 2.0]])),
        "high": (pairs, np.array([[2.1, 0.6, 0.3], [0.2, np.nan, 2.5]])),
        "limit": (pairs, np.ones((2, 3))),
        "p_adjusted": (pairs, np.array([[0.01, 0.4, 0.9], [0.9, np.nan, 0.02]])),
        "family": ("check", texts("off_path", "off_path", "tampered")),
        "question": ("check", texts("Is it strong enough?", "Does it take the path?", "Is there a gate?")),
        "family_verdict": (("unit", "kind"), verdict[:, [0, 2]]),
        "picture": (("unit", "seed", "rgb", "y", "x"), patterns(2, 2)),
        "activation": (("unit", "seed"), np.array([[3.0, 4.0], [5.0, 6.0]])),
        "control_value": ((*pairs, "control"), np.arange(12.0).reshape(2, 3, 2) / 4),
        "path_own": (("unit", "seed", "depth"), np.stack([paths, paths - 0.1], 1)),
        "path_same": (("unit", "depth"), paths + 0.05),
        "path_different": (("unit", "depth"), paths - 0.4),
        "path_own_control": (("unit", "floor", "depth"), np.stack([paths / 2, paths / 4], 1)),
        "path_contrast": (("unit", "seed", "depth"), np.stack([paths / 3, paths / 4], 1)),
        "path_contrast_control": (("unit", "floor", "depth"), np.stack([paths / 9, -paths / 9], 1)),
        "path_contrast_real": (("unit", "quantile", "depth"), np.stack([paths / 5, paths / 2], 1)),
    }
    coords = {
        "check": ["activation_gap", "path_similarity", "routing"],
        "seed": [0, 1],
        "kind": KINDS,
        "control": ["grey", "noise"],
        "depth": ["conv1", "stage2", "stage3", "stage4"],
        "floor": ["grey", "noise"],
        "quantile": [0.05, 0.95],
    }
    return fv.AuditReport(xr.Dataset(data, {**unit_coordinates(units), **coords}, {"recipe": "vital"}))


def make_explanation() -> Explanation:
    """Two images, two units each, of which one carried both."""
    units = [fv.Unit.parse(name) for name in UNITS]
    where = np.zeros((2, 2, 4, 4), np.float32)
    where[0, 0, 1:3, 1:3] = where[0, 1, :, 0] = where[1, 0, 0] = where[1, 1, 2:, 2:] = 1
    tops = ("unit", "top")
    data: dict[str, Any] = {
        "photo": (("image", "rgb", "y", "x"), patterns(2, first=3)),
        "target": ("image", [0, 1]),
        "value": ("image", [4.5, 2.25]),
        "prediction": ("image", [0, 0]),
        "unit_of": (("image", "rank"), [[0, 1], [2, 1]]),
        "relevance": (("image", "rank"), [[2.0, 0.5], [1.25, 0.25]]),
        "share": (("image", "rank"), [[0.6, 0.15], [0.5, 0.1]]),
        "outside": (("image", "rank"), [[0.0, 0.0], [0.2, 0.0]]),
        "where": (("image", "rank", "row", "column"), where),
        "note": ("unit", texts("", "it seldom fires", "")),
        "picture": (("unit", "rgb", "py", "px"), patterns(3, first=7)),
        "family_verdict": (("unit", "kind"), np.array([VERDICTS[:2], VERDICTS[1:], VERDICTS[::2]], object)),
        "top_image": ((*tops, "rgb", "ty", "tx"), patterns(3, 4, first=11, side=32)),
        "top_value": (tops, np.tile([4.0, 3.0, 2.0, 1.0], (3, 1))),
        "top_y": (tops, np.full((3, 4), 0.25)),
        "top_x": (tops, np.full((3, 4), 0.75)),
        "top_id": (tops, np.full((3, 4), "image 7", dtype=object)),
        "top_label": (tops, np.full((3, 4), "ship", dtype=object)),
        "cell_y": ("unit", np.full(3, 0.5)),
        "cell_x": ("unit", np.full(3, 0.5)),
    }
    about = {"layer": "a", "attributor": "LayerGradientXActivation", "recipe": "vital"}
    return Explanation(xr.Dataset(data, {**unit_coordinates(units), "kind": KINDS}, about))


def make_class_map() -> ClassMap:
    alike = np.array([[[1, 0.8, 0.1], [0.8, 1, 0.2], [0.1, 0.2, 1]]])
    data: dict[str, Any] = {
        "name": ("label", texts("cat", "dog", "ship")),
        "images": ("label", [50, 40, 30]),
        "accuracy": ("label", [0.9, 0.75, np.nan]),
        "similarity": (("layer", "label", "other_label"), alike),
    }
    return ClassMap(xr.Dataset(data, {"label": [0, 1, 2], "other_label": [0, 1, 2], "layer": ["a"]}))


def make_verification() -> Verification:
    dims = {
        "layer": ["a", "b"],
        "chosen_by": ["graph", "activation", "random"],
        "action": ["ablated", "kept alone"],
        "how": ["mean"],
        "images": ["own class", "other classes"],
    }
    change = -np.linspace(4, 0.5, 24).reshape([len(values) for values in dims.values()])
    shifts = {"change": 0, "low": -0.3, "high": 0.3, "lead": -1, "lead_low": -1.5, "lead_high": 0.5}
    data: dict[str, Any] = {name: (tuple(dims), change + shift) for name, shift in shifts.items()}
    data |= {"units": ("layer", [3, 4]), "channels": ("layer", [16, 32])}
    shares = {"agreement": 0.7, "agreement_low": 0.5, "agreement_high": 0.8, "control": 0.1, "edges": 12}
    data |= {name: ("pair", [value]) for name, value in shares.items()}
    about = {"label": 3, "own": 40, "others": 60, "draws": 3}
    return Verification(xr.Dataset(data, {**dims, "pair": ["a → b"]}, about))


def make_forming() -> Forming:
    pictures = torch.from_numpy(patterns(3, first=2)).float() / 255
    return Forming(UNITS, [0, 0, 0], pictures, 12, 40, 1, 2)


@pytest.fixture
def exhibits(
    browser: fv.StoreBrowser, cards: fv.UnitCards, make_atlas: Callable[..., fv.Atlas]
) -> dict[str, Any]:
    """One result of each kind that a view is registered for."""
    seen = fv.as_visualizations([fv.Unit.parse(unit) for unit in UNITS], patterns(3, 2))
    graph = fv.AttributionGraph.of(UNITS, [(0, 2), (1, 2)], weight=[1.0, -2.0], layers=["a", "b"])
    results = (
        browser,
        cards,
        make_atlas(30),
        graph.illustrated(seen),
        seen,
        make_audit(),
        make_explanation(),
        make_class_map(),
        make_verification(),
    )
    return {result.kind: result for result in results} | {"forming": make_forming()}
