"""Verdicts that ride on pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fvhooks as fv
from fvhooks.errors import ShapeError

Reports = dict[str, fv.AuditReport]
WORDS = "path: contradicted"


@pytest.fixture
def forced_vis(forced: torch.Tensor, logits: list[fv.Unit]) -> fv.Visualizations:
    return fv.as_visualizations(logits, forced)


def test_marked_pictures_carry_their_verdicts_into_every_view(
    audited: Reports, forced_vis: fv.Visualizations, tmp_path: Path
) -> None:
    report = audited["forced"]
    marked = report.mark(forced_vis)
    assert marked.verdicts is not None
    assert (marked.verdicts.values == report.data.family_verdict.values).all()
    views = {"sheet": marked, "cards": fv.cards(marked), "audited cards": fv.cards(forced_vis, None, report)}
    for name, view in views.items():
        page = view.to_html(tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert page.count(WORDS) == 4, name
        assert 'aria-hidden="true">✕</span>' in page
    plain = fv.contact_sheet(forced_vis)
    assert fv.contact_sheet(marked).height > plain.height
    assert WORDS not in forced_vis.to_html(tmp_path / "plain.html").read_text(encoding="utf-8")


def test_verdicts_survive_saving_and_not_a_change_of_pixels(
    audited: Reports, forced_vis: fv.Visualizations, tmp_path: Path
) -> None:
    marked = audited["forced"].mark(forced_vis)
    loaded = fv.load(marked.save(tmp_path / "marked"))
    assert isinstance(loaded, fv.Visualizations)
    assert loaded.verdicts is not None
    assert (loaded.verdicts.values == marked.verdicts.values).all()  # type: ignore[union-attr]
    painted = loaded.data.copy(deep=True)
    painted["images"][0, 0] = 0.5
    verdicts = fv.Visualizations(painted).verdicts
    assert verdicts is not None
    assert verdicts.values[0].tolist() == ["", ""]
    assert (verdicts.values[1:] == marked.verdicts.values[1:]).all()  # type: ignore[union-attr]


def test_one_seed_of_an_audited_unit_keeps_its_badge_and_others_have_none(
    audited: Reports, forced: torch.Tensor, real: torch.Tensor, logits: list[fv.Unit]
) -> None:
    part = fv.as_visualizations(logits, torch.cat([forced[:2, :1], real[2:, :1]]))
    verdicts = audited["forced"].mark(part).verdicts
    assert verdicts is not None
    assert (verdicts.values[:2] == audited["forced"].data.family_verdict.values[:2]).all()
    assert (verdicts.values[2:] == "").all()


def test_pictures_that_nobody_audited_are_refused(
    audited: Reports, real: torch.Tensor, logits: list[fv.Unit]
) -> None:
    with pytest.raises(
        ShapeError, match=r"None of these pictures \(logits:0, .*audit the pictures that are shown"
    ):
        audited["forced"].mark(fv.as_visualizations(logits, np.asarray(real[:, :2])))


def test_an_explanation_shows_the_badge(hooked: fv.HookedModel, store: fv.Store, tmp_path: Path) -> None:
    units = hooked.units("3")
    vis = fv.as_visualizations(units, torch.rand(len(units), 3, 12, 12))
    said = np.full((len(units), 1), "contradicted", dtype=object)
    data = vis.data.assign(family_verdict=(("unit", "kind"), said), audited_checksum=vis.checksums)
    marked = fv.Visualizations(data.assign_coords(kind=["off_path"]))
    photo = store.images(store.images_table.id.values[:1].astype(str).tolist())
    shown = fv.explain(hooked, None, photo, 0, store, layer="3", k=2, pictures=marked, show_progress=False)
    page = shown.to_html(tmp_path / "e.html").read_text(encoding="utf-8")
    assert page.count(WORDS) == 2
