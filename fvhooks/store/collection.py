"""`fvhooks.collect`: one pass over a data set into a store."""

import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tqdm.auto import tqdm

from fvhooks.hooks import HookedModel
from fvhooks.store import schema
from fvhooks.store.folding import fold
from fvhooks.store.ledgers import shards_to_do
from fvhooks.store.preparation import Settings, prepare
from fvhooks.store.reading import Store
from fvhooks.store.running import run
from fvhooks.store.shards import Work
from fvhooks.store.sources import Source

_log = logging.getLogger("fvhooks")


class CollectionOptions(TypedDict, total=False):
    """What `collect` can be told beside the essentials.

    Args:
        batch_size: images a forward pass (32). Another number may change a network's last bits.
        references: images of a label that make its profile, at most (50).
        ranks: places of the sorted order that a profile keeps, at most (256); None keeps all.
        shard_size: images of a task; chosen by the number of images where not given.
        label_of_logit: the label of each output, where they differ.
        ids: one unique string an item (else: file names, or indices).
        labels: one integer an item, −1 for none (else: what the data set says).
        decode_threads: threads that read the data set; one, unless its items are files of their own.
        threads: compute threads of each model; on a client's workers as many as it has, else torch's own.
    """

    batch_size: int
    references: int
    ranks: int | None
    shard_size: int | None
    label_of_logit: Sequence[int] | None
    ids: Sequence[str] | None
    labels: Sequence[int] | None
    decode_threads: int | None
    threads: int | None


def collect(
    hooked: HookedModel,
    dataset: Any,  # noqa: ANN401 - any map-style data set
    path: str | Path,
    *,
    layers: Iterable[str],
    client: Any | None = None,  # noqa: ANN401 - a dask.distributed.Client
    show_progress: bool = True,
    **options: Unpack[CollectionOptions],
) -> Store:
    """Keep what real images do in a model: one pass over a data set, into a Zarr store.

    Called again with the same model, data and settings it goes on where it was stopped, and gives the same
    numbers as a run that was never stopped; on a finished store it only opens it. An image that cannot be
    read becomes a row of NaN with its error in `store.errors`.

    Example:
        >>> import fvhooks as fv, tempfile, torch
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> data = [(torch.rand(3, 8, 8), n % 2) for n in range(20)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = fv.collect(hooked, data, f"{folder}/stats.zarr", layers=["1"], show_progress=False)
        ...     store["1"].peak.dims, store.layers
        (('image', 'channel'), ['1', 'logits'])

    Args:
        hooked: the model.
        dataset: map-style; an item is an image or (image, label). Images are PIL pictures, or `c h w` as
            `uint8` or in [0, 1], not normalised. Nothing in it may be random.
        path: where the store is made: a folder, or a URL that fsspec knows.
        layers: names as in `hooked.layers`; the logits are always kept too.
        client: a `dask.distributed.Client` whose workers share the work and can write to `path`.
        show_progress: whether to draw a progress bar.
        **options: see `CollectionOptions`.

    Returns:
        The finished store, with the data set attached.

    Raises:
        LayerNotFoundError: a layer that does not exist, never runs, or has no channels.
        ImageError: images of a wrong range, type, channel count or size, or a random transform.
        MissingInputError: a data set that is not map-style, or empty.
        StoreError: the path holds something else, or a store of another model, data set or settings.
    """
    source = Source(dataset, hooked.preprocessing, options.get("ids"), options.get("labels"))
    say = partial(tqdm.write, file=sys.stderr) if show_progress else _log.info
    settings = Settings.of(options)
    work = prepare(hooked, source, schema.normalised(path), layers=layers, settings=settings, say=say)
    root = schema.open_root(work.path, "r+")
    if schema.state_of(root) == schema.COLLECTING:
        run(work, shards_to_do(root), client, show_progress=show_progress)
        root = schema.open_root(work.path, "r+")
    if schema.state_of(root) == schema.COLLECTING:  # else another process was faster
        _fold(work)
    if schema.state_of(schema.open_root(work.path)) == schema.FOLDED:
        _complete(work.path)
    store = Store(work.path, source)
    failed = store.errors.sizes["image"]
    if failed:
        _log.warning("%d of %d images could not be used; store.errors says why.", failed, work.plan.images)
    return store


def _fold(work: Work) -> None:
    """Fold the partial sums, unless another process has done so, and removed them, in the meantime."""
    root = schema.open_root(work.path, "r+")
    try:
        fold(root, work.plan, work.specs, work.image_shape)
    except (KeyError, OSError, ValueError):  # what reading an array gives that is gone, or half gone
        if schema.state_of(schema.open_root(work.path)) == schema.COLLECTING:
            raise
        return
    root = schema.open_root(work.path, "r+")
    if schema.state_of(root) == schema.COLLECTING:
        schema.set_state(root, schema.FOLDED)


def _complete(path: str) -> None:
    root = schema.open_root(path, "r+")
    with suppress(KeyError, FileNotFoundError):  # another process removes them at the same time
        del root["partials"]
    schema.set_state(root, schema.COMPLETE)
    schema.consolidate(path)
