"""Real photographs without a download: crops of pictures that lie inside scikit-image and scikit-learn."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from fvhooks.dependencies import require

SIZE = 64
"""Height and width of a crop after resizing."""

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")
_COUNTS = {"train": 150, "held_out": 50}
_ZOOM = (0.8, 1.2)  # a crop's side, relative to the usual one of its photograph
_R3 = (
    0.8191725134,
    0.6710436067,
    0.5497004779,
)  # powers of 1 / 1.2207…, the additive recurrence that fills a cube most evenly


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph, which is one class: where it is seen, and how large its crops are.

    The left part of the view is for training and the right part is held out, so that no pixel is in both.

    Examples:
        >>> Photograph("brick", "brick.png", (0, 0, 512, 512), side=140).region("held_out")
        (333, 0, 512, 512)

    Args:
        name: the class.
        file: name of the file inside scikit-image, or inside scikit-learn for the two that it ships.
        view: (left, top, right, bottom) of the part that shows the class, in pixels of the file.
        side: usual side of a crop, in pixels of the file.
        cut: which share of the view's width is for training.
    """

    name: str
    file: str
    view: tuple[int, int, int, int]
    side: int
    cut: float = 0.65

    def region(self, split: Split) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the part that the crops of a split are cut from."""
        left, top, right, bottom = self.view
        edge = left + round(self.cut * (right - left))
        return (left, top, edge, bottom) if split == "train" else (edge, top, right, bottom)

    def box(self, split: Split, index: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of crop `index`; any number of crops covers the region evenly."""
        left, top, right, bottom = self.region(split)
        zoom, across, down = ((0.5 + (index + 1) * step) % 1 for step in _R3)
        side = round(self.side * (_ZOOM[0] + zoom * (_ZOOM[1] - _ZOOM[0])))
        x = left + round(across * (right - left - side))
        y = top + round(down * (bottom - top - side))
        return x, y, x + side, y + side

    def crop(self, split: Split, index: int) -> UInt8[torch.Tensor, "3 y x"]:
        """Crop `index` of a split, 64 × 64; a grey photograph in three equal channels."""
        cut = _open(self.file).crop(self.box(split, index))  # first: resize(box=…) would look beyond the box
        small = cut.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(small).transpose(2, 0, 1).copy())


PHOTOGRAPHS = (
    Photograph("brick", "brick.png", (0, 0, 512, 512), 140),
    Photograph("grass", "grass.png", (0, 0, 512, 512), 110),
    Photograph("gravel", "gravel.png", (0, 0, 512, 512), 120),
    Photograph("coins", "coins.png", (8, 8, 376, 296), 92),
    Photograph("print", "page.png", (2, 2, 382, 152), 76),
    Photograph("galaxies", "hubble_deep_field.jpg", (0, 0, 1000, 872), 160),
    Photograph("tissue", "ihc.png", (0, 0, 512, 512), 130),
    Photograph("retina", "retina.jpg", (230, 220, 1190, 1190), 250),
    Photograph("cat", "chelsea.png", (0, 0, 400, 300), 125, 0.6),
    Photograph("dahlia", "flower.jpg", (155, 85, 460, 385), 100, 0.6),
    Photograph("pagoda", "china.jpg", (50, 60, 380, 360), 110, 0.55),
    Photograph("motorcycle", "motorcycle_left.png", (110, 125, 710, 470), 150),
)
CLASSES = tuple(photograph.name for photograph in PHOTOGRAPHS)
"""Names of the classes, in the order of the network's outputs."""


class Crops:
    """A map-style data set of (`uint8` crop `3 64 64`, label), the same on every machine and every call.

    Examples:
        >>> crops = Crops(("held_out",))
        >>> len(crops), crops.ids[0], crops[0][1]
        (600, 'brick/held_out-000', 0)

    Args:
        splits: which regions of the photographs the crops come from.
    """

    def __init__(self, splits: tuple[Split, ...]) -> None:
        self.splits = splits
        self.root = ""
        self.classes = list(CLASSES)

    @cached_property
    def _items(self) -> list[tuple[int, Split, int]]:
        return [
            (label, split, i)
            for label in range(len(CLASSES))
            for split in self.splits
            for i in range(_COUNTS[split])
        ]

    @cached_property
    def ids(self) -> list[str]:
        """Names that stay the same whichever splits are taken together."""
        return [f"{CLASSES[label]}/{split}-{index:03d}" for label, split, index in self._items]

    @property
    def samples(self) -> list[tuple[str, int]]:
        """Id and label of each item, listed as torchvision lists image folders: so a store finds the ids."""
        return list(zip(self.ids, self.labels, strict=True))

    @property
    def labels(self) -> list[int]:
        """The label of each item, without cutting any crop."""
        return [label for label, _, _ in self._items]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, item: int) -> tuple[UInt8[torch.Tensor, "3 y x"], int]:
        label, split, index = self._items[item]
        return PHOTOGRAPHS[label].crop(split, index), label


def photographs(split: str = "all") -> Crops:
    """Crops of twelve photographs that need no download, as a data set.

    Examples:
        >>> image, label = photographs("held_out")[0]
        >>> image.shape, CLASSES[label]
        (torch.Size([3, 64, 64]), 'brick')

    Args:
        split: "train" for the regions that the demo's network was trained on (150 crops a class), "held_out"
            for the regions that it has never seen (50 crops a class), "all" for both.

    Raises:
        MissingDependencyError: scikit-image or scikit-learn is not installed.
        ValueError: another split.
    """
    if split not in (*SPLITS, "all"):
        raise ValueError(f"Expected the split 'train', 'held_out' or 'all', got {split!r}.")
    for photograph in PHOTOGRAPHS:
        _open(photograph.file)
    chosen = SPLITS if split == "all" else tuple(one for one in SPLITS if one == split)
    return Crops(chosen)


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _open(file: str) -> Image.Image:
    return Image.open(_folder(file) / file).convert("RGB")


def _folder(file: str) -> Path:
    """Where the libraries keep their pictures; read as files, so that nothing can start a download."""
    feature = "The demo's photographs"
    if file in ("china.jpg", "flower.jpg"):
        learn = require("sklearn", feature=feature, extra="demo")
        return Path(str(learn.__file__)).parent / "datasets" / "images"
    image = require("skimage", feature=feature, extra="demo")
    return Path(str(image.__file__)).parent / "data"
