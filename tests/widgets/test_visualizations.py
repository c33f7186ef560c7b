"""Pictures side by side, as HTML and as one image."""

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.results import INLINE_BYTES


def made(units: int, seeds: int, side: int = 40) -> fv.Visualizations:
    names = [fv.Unit("layer4", channel) for channel in range(units)]
    shade = np.arange(units * seeds).reshape(units, seeds, 1, 1, 1) / (units * seeds)
    return fv.as_visualizations(names, np.broadcast_to(shade, (units, seeds, 3, side, side)).copy())


def test_every_picture_has_its_place_on_the_sheet() -> None:
    vis = made(3, 2)
    sheet = np.asarray(fv.contact_sheet(vis, columns=2, side=40), float)
    for unit in range(3):
        for seed in range(2):
            top, left = 6 + unit // 2 * 62 + 16, 6 + unit % 2 * 92 + seed * 46
            cell = sheet[top : top + 40, left : left + 40]
            assert np.ptp(cell) == 0
            assert cell[0, 0, 0] == round(vis.images.values[unit, seed, 0, 0, 0] * 255)


def test_grey_and_oblong_pictures_fit() -> None:
    vis = fv.as_visualizations([fv.Unit("a", 0)], np.zeros((1, 1, 20, 40), np.uint8))
    assert fv.contact_sheet(vis, side=80).size == (92, 40 + 16 + 12)


def test_a_long_name_is_cut_at_its_front() -> None:
    unit = fv.Unit("encoder.blocks.11.attention.output.dense", 1234)
    vis = fv.as_visualizations([unit], np.zeros((1, 3, 40, 40), np.uint8))
    assert fv.contact_sheet(vis, side=40).width == 52


def test_the_page_names_every_unit_and_seed() -> None:
    page = made(2, 2)._repr_html_()
    assert all(f"What layer4:{u} looks for, seed {s}" in page for u in range(2) for s in range(2))


@pytest.mark.parametrize("units", [4, 40])
def test_a_notebook_gets_no_more_than_it_can_carry(units: int) -> None:
    random = np.random.default_rng(0).integers(0, 256, (units, 2, 3, 224, 224), np.uint8)
    vis = fv.as_visualizations([fv.Unit("layer4", channel) for channel in range(units)], random)
    assert len(vis._repr_html_()) < 1.1 * INLINE_BYTES


def test_there_is_no_live_view() -> None:
    vis = made(1, 1)
    assert vis.widget is None
    assert set(vis._repr_mimebundle_()) == {"text/plain", "text/html"}
