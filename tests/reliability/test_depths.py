"""Correlations at one depth."""

import numpy as np
import pytest
from scipy import stats

from fvhooks.metrics.paths import standardized_ranks
from fvhooks.reliability.depths import Depth, redraw


def depth(apart: float = 1.0, seed: int = 0) -> tuple[Depth, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    centre = apart * rng.normal(size=40)
    shift = {"own": centre, "other": -centre, "held": centre, "cast": centre}
    sizes = {"own": 12, "other": 15, "held": 6, "cast": 5}
    rows = {part: shift[part] + rng.normal(size=(sizes[part], 40)) for part in shift}
    return Depth.measure("layer", {part: standardized_ranks(values) for part, values in rows.items()}), rows


def test_means_equal_loops_without_an_image_and_itself() -> None:
    here, rows = depth()
    own, other = here.means("own")
    first = [stats.spearmanr(rows["own"][0], row).statistic for row in rows["own"][1:]]
    assert own[0] == pytest.approx(np.mean(first), abs=1e-6)
    second = [stats.spearmanr(rows["own"][1], row).statistic for row in rows["other"]]
    assert other[1] == pytest.approx(np.mean(second), abs=1e-6)


def test_contrast_of_real_images_is_one_on_average() -> None:
    here, _ = depth()
    assert here.contrast("own").mean() == pytest.approx(1)
    assert here.contrast("held").mean() == pytest.approx(1, abs=0.2)


def test_kinds_that_do_not_separate_leave_similarity_only() -> None:
    here, _ = depth(apart=0.0)
    assert not here.separates
    assert here.names == ["similarity to its kind"]
    assert here.numbers("cast").shape == (5, 1)
    assert np.isnan(here.contrast("cast")).all()


def test_redraws_lie_around_the_numbers_and_share_images_between_depths() -> None:
    here, _ = depth()
    drawn = redraw([here, here])
    assert drawn.shape == (200, 5, 4)
    assert (drawn[..., :2] == drawn[..., 2:]).all()
    assert drawn[..., 0].mean(0) == pytest.approx(here.numbers("cast")[:, 0], abs=0.02)
