"""The main job from end to end: real images, pictures of units, their audit, and a page."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

import fvhooks as fv
from fvhooks.demo.crops import CLASSES, photographs
from fvhooks.demo.networks import STAGES, load_network, stated_accuracy
from fvhooks.demo.pages import Chapter, write_page
from fvhooks.demo.selection import selective_units
from fvhooks.errors import StoreError
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.unit_cards import UnitCards
from fvhooks.units import Unit
from fvhooks.widgets.encodings import to_pil

log = logging.getLogger("fvhooks.demo")

_PICTURE = re.compile(rf"(?:{'|'.join(CLASSES)}|(?:{'|'.join(STAGES)})-\d+)-\d+\.png")

_CLASSES_ABOUT = "Each picture stands beside the real crop that moves the class’s output most."
_AUDITED = STAGES[2:]  # the fine grids of the first two would take most of the audit's time
_UNITS_ABOUT = "Units of the last two stages that answer to one class far more than to the others."


@dataclass(frozen=True, slots=True)
class Scale:
    """How much the demo makes.

    Args:
        seeds: pictures of each unit.
        steps: optimisation steps; the recipe's own number takes longer than this page is worth.
        inner_units: how many inner units to look at.
    """

    seeds: int = 2
    steps: int = 96
    inner_units: int = 12


FULL = Scale()
QUICK = Scale(seeds=1, steps=60, inner_units=4)


def make_demo(out: str | Path, scale: Scale = FULL, *, show_progress: bool = True) -> Path:
    """Collect, visualize, audit, and write a folder with the store, the pictures and `index.html`.

    Examples:
        >>> make_demo("fvhooks-demo")  # doctest: +SKIP
        PosixPath('fvhooks-demo/index.html')

    Args:
        out: the folder; a store that is there already is used again, pictures and page are replaced.
        scale: how many pictures, and how long each is worked on.
        show_progress: show progress bars.

    Returns:
        The page to open.

    Raises:
        MissingDependencyError: a package of the extra `demo` is not installed.
        StoreError: `out` is a file, or holds a store of something else.
    """
    folder = _folder(out)
    data, hooked = photographs(), load_network()
    log.info("1 of 4: collecting what %s real crops do in the network", f"{len(data):,}")
    store = fv.collect(hooked, data, folder / "stats.zarr", layers=STAGES, show_progress=show_progress)
    inner = selective_units(store, STAGES[-2:], count=scale.inner_units)
    units = [*(Unit.logit(output) for output in range(len(CLASSES))), *inner]
    log.info("2 of 4: pictures of %d classes and %d inner units", len(CLASSES), len(inner))
    vis = fv.visualize(
        hooked, units, "vital", store, seeds=scale.seeds, steps=scale.steps, show_progress=show_progress
    )
    log.info("3 of 4: the audit")
    report = fv.audit(hooked, vis, store, layers=_AUDITED, show_progress=show_progress)
    log.info("4 of 4: writing the page")
    chapters = _chapters(fv.cards(vis, store, report).data)
    _remove_pictures(folder / "pictures")
    for chapter in chapters:
        _save_pictures(folder, chapter)
    return write_page(folder / "index.html", chapters, _facts(store), inner[-1])


def _chapters(data: xr.Dataset) -> list[Chapter]:
    count = len(CLASSES)
    outputs, inner = data.isel(unit=slice(count)), data.isel(unit=slice(count, None))
    names = [str(name) for name in inner["unit"].values]
    return [
        Chapter("The classes", _CLASSES_ABOUT, UnitCards(outputs), CLASSES, CLASSES),
        Chapter(
            "Inner units", _UNITS_ABOUT, UnitCards(inner), names, [name.replace(":", "-") for name in names]
        ),
    ]


def _remove_pictures(folder: Path) -> None:
    """Those of an earlier run, which may have been of other units; files of other names are left alone."""
    for file in folder.glob("*.png"):
        if _PICTURE.fullmatch(file.name):
            file.unlink()


def _save_pictures(folder: Path, chapter: Chapter) -> None:
    """Each picture as a file, and all of a chapter on one sheet."""
    pictures = chapter.cards.data["picture"].transpose("unit", "seed", "rgb", "y", "x").values
    (folder / "pictures").mkdir(exist_ok=True)
    for slug, unit in zip(chapter.slugs, pictures, strict=True):
        for seed, picture in enumerate(unit):
            to_pil(picture).save(folder / "pictures" / f"{slug}-{seed}.png")
    images = chapter.cards.data["picture"].astype(np.float32) / 255
    named = images.assign_coords(unit=np.array(chapter.names, dtype=object)).to_dataset(name="images")
    sheet = fv.contact_sheet(Visualizations(named), columns=4)
    sheet.save(folder / f"{chapter.title.lower().replace(' ', '-')}.png")


def _facts(store: Store) -> dict[str, str]:
    """The figures at the top of the page; the accuracy is measured on this run's own predictions."""
    table = store.images_table
    held_out = np.char.find(table.id.values.astype(str), "/held_out") > 0
    right = (table.prediction.values == table.label.values)[held_out].mean()
    return {
        "of the crops from regions it never saw are named rightly": f"{100 * right:.1f} %",
        "of them without colour": f"{100 * stated_accuracy()['held_out_grey']:.1f} %",
        "real crops of twelve photographs": f"{store.size:,}",
    }


def _folder(out: str | Path) -> Path:
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            f"Expected a folder to write the demo to, but {folder} is a file; name another with --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder
