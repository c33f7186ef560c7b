"""The demo's data set: the same crops everywhere, held-out regions apart from those trained on."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fvhooks.demo.crops import CLASSES, PHOTOGRAPHS, SIZE, SPLITS, Photograph, photographs
from fvhooks.demo.training import POOL
from fvhooks.errors import MissingDependencyError


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=CLASSES)
def test_no_pixel_is_both_trained_on_and_held_out(photograph: Photograph) -> None:
    train = [photograph.box("train", index) for index in range(POOL)]
    held_out = [photograph.box("held_out", index) for index in range(50)]
    assert not any(_overlap(one, other) for one, other in itertools.product(train, held_out))


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=CLASSES)
def test_crops_lie_inside_their_region_and_cover_most_of_it(photograph: Photograph) -> None:
    for split in SPLITS:
        left, top, right, bottom = photograph.region(split)
        covered = np.zeros((bottom, right), bool)
        for index in range(150):
            x1, y1, x2, y2 = photograph.box(split, index)
            assert left <= x1 < x2 <= right
            assert top <= y1 < y2 <= bottom
            assert x2 - x1 == y2 - y1
            covered[y1:y2, x1:x2] = True
        assert covered[top:, left:].mean() > 0.8  # corners are seldom reached


def test_a_crop_is_the_box_of_the_photograph_that_it_names() -> None:
    """Resizing may not look beyond the box, or held-out pixels would leak into training crops."""
    photograph = Photograph("edge", "brick.png", (0, 0, 512, 512), 140)
    from fvhooks.demo import crops

    picture = np.zeros((512, 512, 3), np.uint8)
    picture[:, photograph.region("train")[2] :] = 255
    crops._open.cache_clear()
    original, crops._open = crops._open, lambda file: Image.fromarray(picture)
    try:
        darkest = max(int(photograph.crop("train", index).max()) for index in range(100))
        lightest = min(int(photograph.crop("held_out", index).min()) for index in range(50))
    finally:
        crops._open = original
    assert (darkest, lightest) == (0, 255)


def test_the_data_set_gives_the_same_items_each_time_and_in_each_selection() -> None:
    both, held_out = photographs(), photographs("held_out")
    assert len(both) == 2400
    assert len(set(both.ids)) == 2400
    place = both.ids.index(held_out.ids[317])
    (first, label), (again, _) = held_out[317], both[place]
    assert torch.equal(first, again)
    assert label == both.labels[place] == CLASSES.index(held_out.ids[317].split("/")[0])


def test_items_are_what_collect_takes() -> None:
    image, label = photographs("train")[1000]
    assert image.shape == (3, SIZE, SIZE)
    assert image.dtype == torch.uint8
    assert 0 <= label < len(CLASSES)


def test_grey_photographs_have_three_equal_channels() -> None:
    image, _ = photographs("train")[0]
    assert (image[0] == image[1]).all()
    assert (image[0] == image[2]).all()


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ValueError, match="'train', 'held_out' or 'all', got 'test'"):
        photographs("test")


@pytest.mark.parametrize("package", ["skimage", "sklearn"])
def test_a_missing_picture_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fvhooks.demo import crops

    crops._open.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*fvhooks\[demo\]"):
        photographs()
    crops._open.cache_clear()


def test_every_photograph_is_read_without_a_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise SystemExit('asked for the network')\n"
        "socket.socket.connect = refuse\n"
        "from fvhooks.demo import photographs\n"
        "data = photographs()\n"
        "sys.exit(0 if [data[i * 200][1] for i in range(12)] == list(range(12)) else 'wrong labels')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
