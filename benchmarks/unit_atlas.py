"""A map of all 256 units of a late convolution of SqueezeNet, each drawn by a picture of what it looks for.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/unit_atlas.py --work CACHE [--recipe fourier] [--steps 32]

Pictures and statistics are of images at 128 pixels, which the network takes as well. The convolution is
taken before its rectifier: behind it, in `features.12`, 381 of 512 units are silent for the first picture, so
that no gradient says how to change it. Pictures are kept in the store: a run that was stopped goes on.
"""

import argparse
import time
from pathlib import Path

from googlenet_graph import Photographs
from PIL import Image
from trained import load_networks

import fvhooks as fv

LAYER, SIDE = "features.12.expand3x3", 128


class Small(Photographs):
    """The same photographs at 128 pixels."""

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        picture, label = super().__getitem__(index)
        return picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), label


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", default="fourier")
    parser.add_argument("--steps", type=int, default=32)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    networks = load_networks()
    model, mean, std = networks.load("imagenet_squeezenet1_1")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, SIDE, SIDE))
    store = fv.collect(hooked, Small(networks), options.work / "squeezenet.zarr", layers=[LAYER])
    start = time.perf_counter()
    vis = fv.visualize(
        hooked,
        hooked.units(LAYER),
        recipe=options.recipe,
        store=store,
        seeds=1,
        steps=options.steps,
        keep=True,
    )
    print(f"{len(vis.data['unit'])} pictures in {time.perf_counter() - start:.0f} s")
    amap = fv.atlas(store, layer=LAYER, cells=vis, by="images", hooked=hooked, title=f"SqueezeNet, {LAYER}")
    amap.save(options.work / "atlas")
    amap.to_html(options.work / "atlas.html")
    flagged = [flag for flag in amap.data["flag"].values if flag]
    print(amap)
    print(amap.data["gain"].to_pandas())
    print(f"{len(flagged)} flagged, such as {flagged[:3]}; {int(amap.data['in_strip'].sum())} never fire")


if __name__ == "__main__":
    main()
