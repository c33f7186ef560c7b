"""What the quality benchmark judges: recipes, their controls, real images, trivial pictures, folders."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from quality_world import CONTROLS, World

import fvhooks as fv
from fvhooks.errors import ImageError, MissingInputError
from fvhooks.metrics import check_entry

REAL = "real, fresh"
FLOORS = ("copy", "class mean", "grey", "noise")
SHOWN = "references"


@dataclass(frozen=True)
class Entry:
    """Pictures of every unit, (unit, seed, rgb, y, x) in [0, 1].

    `kind`: "real", "floor", "control" (a recipe with something wrong on purpose), "recipe", "shown" (beside
    the others, deciding nothing). `seconds`: of one core for a picture; NaN where nobody timed it.
    """

    name: str
    kind: str
    images: torch.Tensor
    seconds: float = float("nan")

    @property
    def flat(self) -> torch.Tensor:
        return self.images.flatten(0, 1)

    @property
    def labels(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.images)), self.images.shape[1])


def kept_scores(
    folder: Path, digest: str, entry: Entry, score: Callable[[Entry], dict[str, Any]]
) -> dict[str, Any]:
    """All scores of an entry, from `folder` where the same pictures were judged by the same protocol."""
    pictures = sha256(np.ascontiguousarray(entry.images.numpy()).tobytes()).hexdigest()[:16]
    path = folder / "scores" / f"{entry.name.replace('/', '-')}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if (known.get("pictures"), known.get("protocol")) != (pictures, digest):
        known = {"kind": entry.kind, "pictures": pictures, "protocol": digest} | score(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known), encoding="utf-8")
    return known | {"seconds": entry.seconds}


def made(world: World, name: str) -> Entry:
    """Pictures of a recipe, cached or made now; "vital@swapped" is a control, "vital/5" has facets."""
    path = world.folder / f"{name.replace('/', '-')}-{world.protocol.seeds}.zarr"
    timing = path.with_suffix(".json")
    recipe, _, control = name.partition("@")
    if control and control not in CONTROLS:
        raise MissingInputError(f"Expected a control of {', '.join(CONTROLS)} after @, got {control!r}.")
    if not path.exists():
        named, _, facets = recipe.partition("/")
        store, units = world.store_of(control), [fv.Unit.logit(output) for output in world.track.outputs]
        wrong = control in ("untrained", "permuted")
        hooked = world.attach(world.track.network, world.track.size, control) if wrong else world.hooked
        begun = time.process_time()
        found = fv.visualize(hooked, units, named, store, seeds=world.protocol.seeds, facets=int(facets or 1))
        spent = (time.process_time() - begun) / (world.track.units * world.protocol.seeds)
        timing.write_text(json.dumps({"seconds": spent}), encoding="utf-8")
        found.save(path)
    loaded = fv.load(path).data["images"].transpose("unit", "seed", "rgb", "y", "x").values
    seconds = json.loads(timing.read_text(encoding="utf-8"))["seconds"] if timing.exists() else float("nan")
    return checked(world, Entry(name, "control" if control else "recipe", torch.from_numpy(loaded), seconds))


def submitted(world: World, folder: Path) -> Entry:
    """A folder of pictures `UNIT/SEED.png` or a released sheet, judged as every other entry is."""
    if folder.is_file():
        height, width = world.store.image_shape[1:]
        units = list(cut(folder, world.track.units, (height, width)))
        return checked(world, Entry(folder.stem, "recipe", check_entry(units, **_expected(world))))
    units = []
    for unit in range(world.track.units):
        files = sorted((folder / str(unit)).glob("*.png"))
        if not files:
            raise MissingInputError(
                f"No pictures of unit {unit} in {folder / str(unit)}; expected UNIT/SEED.png for units 0 to "
                f"{world.track.units - 1}."
            )
        units.append([np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1) for file in files])
    return checked(world, Entry(folder.name, "recipe", check_entry(units, **_expected(world))))


def cut(sheet: Path, units: int, size: tuple[int, int]) -> np.ndarray:
    """The pictures of a sheet, rows seeds and columns units: (unit, seed, rgb, y, x) as `uint8`."""
    pixels = np.asarray(Image.open(sheet).convert("RGB"))
    height, width = size
    if pixels.shape[0] % height or pixels.shape[1] != units * width:
        raise ImageError(
            f"Expected a sheet of {units} columns and any number of rows of pictures of {height} × {width} "
            f"pixels, got {pixels.shape[0]} × {pixels.shape[1]} pixels in {sheet.name}."
        )
    return pixels.reshape(-1, height, units, width, 3).transpose(2, 0, 4, 1, 3)


def _expected(world: World) -> dict[str, object]:
    size = tuple(world.store.image_shape[1:])
    return {"units": world.track.units, "seeds": world.protocol.seeds, "size": size}


def checked(world: World, entry: Entry) -> Entry:
    images = check_entry(entry.images, **_expected(world))
    return Entry(entry.name, entry.kind, images[:, : world.protocol.seeds], entry.seconds)


def real_entry(world: World) -> Entry:
    fresh, _ = world.split()
    return Entry(REAL, "real", world.real[0][fresh].unflatten(0, (world.track.units, world.track.fresh)))


def trivial(world: World) -> list[Entry]:
    """What anyone can hand in without looking into a network."""
    count = world.protocol.seeds
    photos = [world.reference_images(unit) for unit in range(world.track.units)]
    copies = torch.stack([images[:1].expand(count, -1, -1, -1) for images in photos])
    means = torch.stack([images.mean(0).expand(count, -1, -1, -1) for images in photos])
    noise = torch.rand(copies.shape, generator=torch.Generator().manual_seed(0))
    floors = dict(zip(FLOORS, (copies, means, torch.full_like(copies, 0.5), noise), strict=True))
    several = Entry(SHOWN, "shown", torch.stack([images[:count] for images in photos]))
    return [*(Entry(name, "floor", images) for name, images in floors.items()), several]
