"""Pictures of units side by side: as static HTML, and as one image."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fvhooks.images import as_bytes
from fvhooks.results import VIEWERS
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.widgets.badges import Badge, badge_row, badges_of
from fvhooks.widgets.encodings import LOSSLESS_SIDE, encode, to_pil
from fvhooks.widgets.markup import Markup, data_uri, page, tag, text

_SIDES = (320, 224, 160, 112, 80, 56, 40)
_HTML_GROWTH = 0.75  # base64 makes four characters of three bytes
_GAP, _TEXT = 6, 16
_INK, _PAPER = (40, 44, 50), (255, 255, 255)


class VisualizationsViewer:
    """Shows `Visualizations` as a row of pictures for each unit."""

    def html(self, result: Visualizations, budget: int | None = None) -> str:
        """A row a unit, a column a seed; the pictures are shrunk until they fit into the budget."""
        pictures = _pictures(result)
        encoded = _encoded(pictures, None if budget is None else int(budget * _HTML_GROWTH))
        pixelated = max(pictures.shape[-2:]) <= LOSSLESS_SIDE
        names = [str(name) for name in result.data["unit"].values]
        seeds = _seeds(result)
        badges = [badge_row(of_unit) for of_unit in _badges(result)]
        rows = [
            _row(name, row, seeds, pixelated, badge)
            for name, row, badge in zip(names, encoded, badges, strict=True)
        ]
        many = "1 unit" if len(names) == 1 else f"{len(names)} units"
        about = f"Pictures of {many}, recipe {result.recipe}"
        return page("sheet.css", about, tag("p", text(about), class_="fvh-subtitle"), *rows)

    def widget(self, result: Visualizations) -> None:
        """There is no live view; `cards` makes one."""


VIEWERS.register(Visualizations.kind)(VisualizationsViewer())


def contact_sheet(vis: Visualizations, *, columns: int | None = None, side: int = 160) -> Image.Image:
    """All pictures in one image, each unit named above its own.

    Examples:
        >>> from fvhooks.synthesis.visualizations import as_visualizations
        >>> from fvhooks.units import Unit
        >>> vis = as_visualizations([Unit("layer4", 7)], np.zeros((1, 2, 3, 8, 8), np.uint8))
        >>> contact_sheet(vis, side=64).size
        (146, 92)

    Args:
        vis: the pictures; the seeds of one unit stand side by side.
        columns: how many units stand in a row; by default as many as make the sheet about square.
        side: the longest side of one picture, in pixels.
    """
    pictures = _pictures(vis)
    count, seeds, _, height, width = pictures.shape
    scale = side / max(height, width)
    cell = (max(1, round(width * scale)), max(1, round(height * scale)))
    across = min(count, columns or max(1, round(math.sqrt(count / seeds))))
    badges = _badges(vis)
    lines = max(map(len, badges))
    block = (seeds * (cell[0] + _GAP), cell[1] + (1 + lines) * _TEXT + _GAP)
    size = (across * block[0] + _GAP, math.ceil(count / across) * block[1] + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    for index, name in enumerate(vis.data["unit"].values):
        row, column = divmod(index, across)
        corner = (_GAP + column * block[0], _GAP + row * block[1])
        ImageDraw.Draw(sheet).text(corner, _fit(str(name), block[0] - _GAP), fill=_INK, font=_font())
        for seed in range(seeds):
            place = (corner[0] + seed * (cell[0] + _GAP), corner[1] + _TEXT)
            sheet.paste(_resized(pictures[index, seed], cell), place)
        for line, badge in enumerate(badges[index]):
            place = (corner[0], corner[1] + cell[1] + (1 + line) * _TEXT)
            words = _fit(f"{badge['claim']}: {badge['verdict']}", block[0] - _GAP)
            ImageDraw.Draw(sheet).text(place, words, fill=_INK, font=_font())
    return sheet


def _pictures(vis: Visualizations) -> np.ndarray:
    return as_bytes(vis.images.transpose("unit", "seed", "rgb", "y", "x").values)


def _badges(vis: Visualizations) -> list[list[Badge]]:
    """What an audit said of each unit's pictures."""
    if vis.verdicts is None:
        return [[] for _ in range(vis.data.sizes["unit"])]
    said = vis.verdicts.to_dataset(name="family_verdict")
    return [badges_of(said.isel(unit=place)) for place in range(said.sizes["unit"])]


def _seeds(vis: Visualizations) -> list[str]:
    known = vis.data.coords.get("seed", range(vis.images.sizes["seed"]))
    return [str(int(seed)) for seed in known]


def _encoded(pictures: np.ndarray, budget: int | None) -> list[list[bytes]]:
    if budget is None:
        return [[encode(picture) for picture in row] for row in pictures]
    for side in _SIDES:
        made = [[encode(picture, side) for picture in row] for row in pictures]
        if sum(len(part) for row in made for part in row) <= budget:
            break
    return made


def _row(name: str, encoded: list[bytes], seeds: list[str], pixelated: bool, badge: Markup | None) -> Markup:
    look = "fvh-pixelated" if pixelated else None
    figures = [
        tag(
            "img",
            src=data_uri(part),
            alt=f"What {name} looks for, seed {seed}",
            title=f"seed {seed}",
            class_=look,
        )
        for seed, part in zip(seeds, encoded, strict=True)
    ]
    return tag(
        "figure",
        tag("figcaption", text(name)),
        tag("div", *figures, class_="fvh-row"),
        badge,
        class_="fvh-sheet",
    )


def _resized(picture: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    small = max(picture.shape[-2:]) <= LOSSLESS_SIDE
    return (
        to_pil(picture)
        .convert("RGB")
        .resize(cell, Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
    )


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(11)


def _fit(name: str, width: int) -> str:
    """The name, cut at the front where it is too wide: a layer's last part says more than its first."""
    font = _font()
    if font.getlength(name) <= width:
        return name
    while len(name) > 1 and font.getlength(f"…{name}") > width:
        name = name[1:]
    return f"…{name}"
