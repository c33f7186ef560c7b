"""`fvhooks.collect`: one pass over a data set into a store."""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from tqdm.auto import tqdm

from fvhooks.collecting.folding import fold
from fvhooks.collecting.folding_votes import fold_votes
from fvhooks.collecting.heartbeats import forget_signs
from fvhooks.collecting.parcels import Parcel
from fvhooks.collecting.partials import DamagedPartError
from fvhooks.collecting.preparation import next_work
from fvhooks.collecting.repair import repair as mend
from fvhooks.collecting.requests import make_request
from fvhooks.collecting.running import run
from fvhooks.collecting.settings import Settings
from fvhooks.collecting.works import Work
from fvhooks.datasets.sources import Source
from fvhooks.errors import StoreError
from fvhooks.hooks import HookedModel
from fvhooks.relevance import Attributor
from fvhooks.store import places, schema
from fvhooks.store.ledgers import array_of, forget, shards_to_do
from fvhooks.store.passes import pass_state, passes_of, set_pass_state
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS
from fvhooks.wiring import InfluenceRule

_log = logging.getLogger("fvhooks")
_ENOUGH = 10
"""Of fewer labelled images, or fewer outputs, agreement by chance is too common to speak of."""


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
        decode_processes: processes that read the data set instead of threads, for one in plain Python (0).
        threads: compute threads of each model; on a client's workers as many as it has, else torch's own.
        repair: first read everything that is done, and collect again what is damaged.
        factory: makes the same model on a client's workers, in place of sending it to each of them once.
        device: where a client's workers run the model, such as "cuda"; as it is here where not given.
        keep: "all" keeps what each channel does on every image; "top" its 64 strongest images of each split
            alone, beside all that has no image dimension: thousands of times smaller on disk.
        sample: keep the activations at one position of each image too: of all layers, or of those named.
        relevance: keep the relevance of each channel too, for the output of each image's "label" or for the
            model's "prediction"; NaN where an image has no label that is an output. An attributor here is
            one for the label.
        attributor: a Captum layer attributor's class, or any other `fvhooks.relevance.Attributor` (default
            `LayerGradientXActivation`).
        attribution: further arguments of its `attribute`, such as `{"n_steps": 20}`.
        influence: count which channels feed which, between the layers here and what is hidden between them:
            True, or some of the fields of `fvhooks.wiring.InfluenceRule`, such as `{"votes": 3}`. Images of
            the report split do not vote. For convolutional networks.
    """

    batch_size: int
    references: int
    ranks: int | None
    shard_size: int | None
    label_of_logit: Sequence[int] | None
    ids: Sequence[str] | None
    labels: Sequence[int] | None
    decode_threads: int | None
    decode_processes: int
    threads: int | None
    repair: bool
    factory: Callable[[], HookedModel] | None
    device: str | None
    keep: Literal["all", "top"]
    sample: bool | Sequence[str]
    relevance: Literal["label", "prediction"] | Attributor | None
    attributor: Attributor | None
    attribution: Mapping[str, Any] | None
    influence: bool | Mapping[str, Any] | InfluenceRule


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
    numbers as a run that was never stopped; on a finished store it only opens it. With further layers, a
    sample, relevance, influence, or a data set that has grown, it adds what is lacking and does nothing
    twice. An image that cannot be read becomes a row of NaN with its error in `store.errors`.

    Examples:
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
        StoreError: the path holds something else, a store of another model, data set or settings, or
            nothing more can be written there.
    """
    source = Source(dataset, hooked.preprocessing, options.get("ids"), options.get("labels"))
    say = partial(tqdm.write, file=sys.stderr) if show_progress else _log.info
    settings = Settings.of(options)
    request = make_request(hooked, source, layers=layers, settings=settings)
    where = schema.normalised(path)
    with places.explained(where, "write to"):
        if settings.repair and places.is_taken(where):
            mend(request, where)
        while (work := next_work(request, where, say)) is not None:
            _finish(work, settings, client, show_progress=show_progress)
        if not schema.is_consolidated(where):
            schema.consolidate(where)
    store = Store(where, source)
    failed = store.errors.sizes["image"]
    if failed:
        _log.warning("%d of %d images could not be used; store.errors says why.", failed, store.size)
    _warn_of_labels(store)
    return store


def _warn_of_labels(store: Store) -> None:
    """Say so where labels and outputs seem to be numbered differently, which no picture of a class survives.

    Folders of a few classes are numbered from 0 on; a network that knows a thousand numbers them otherwise.
    """
    root = schema.open_root(store.path)
    labels = np.asarray(array_of(root, "images/label")[:])
    predictions = np.asarray(array_of(root, "images/prediction")[:])
    labelled = int(((labels >= 0) & (predictions >= 0)).sum())
    right = int(((labels >= 0) & (predictions == labels)).sum())
    outputs = store.layout(LOGITS).channels
    chance = labelled / outputs
    if min(labelled, outputs) >= _ENOUGH and right <= chance + 2 * math.sqrt(chance):
        _log.warning(
            "The model takes %d of %d labelled images for their label, no more than by chance. If it was "
            "trained, its outputs are numbered differently from the labels: collect into a new store, with "
            "labels=[…] that say which output each image belongs to, or with label_of_logit=[…].",
            right,
            labelled,
        )


def _finish(work: Work, settings: Settings, client: Any | None, *, show_progress: bool) -> None:  # noqa: ANN401
    """Run what is left of a pass, fold it, and say that it is complete."""
    number, path = work.one.number, work.path
    parcel = None if client is None else Parcel.of(work, settings.factory, settings.device)
    damaged: set[int] = set()
    while pass_state(root := schema.open_root(path, "r+"), number) == schema.COLLECTING:
        failed = run(work, shards_to_do(root), client, show_progress=show_progress, parcel=parcel)
        if failed and not work.one.owns_rows:
            _log.warning("%d images could not be used in this pass; what it adds is NaN for them.", failed)
        shard = _fold(work)
        if shard in damaged:
            raise StoreError(
                f"What shard {shard} sums up is damaged again and again in {path}. Check the disk."
            )
        damaged |= set() if shard is None else {shard}
    if pass_state(schema.open_root(path), number) == schema.FOLDED:
        _complete(work)
    forget_signs(schema.open_root(path, "r+"))


def _fold(work: Work) -> int | None:
    """Fold the partial sums, unless another process has done so, and removed them, in the meantime.

    Returns:
        A shard whose sums are damaged, and that is to do again.
    """
    root, number = schema.open_root(work.path, "r+"), work.one.number
    if pass_state(root, number) != schema.COLLECTING:
        return None
    try:
        fold(root, work.one, work.plan, work.parts, work.with_statistics)
        if work.space is not None:
            fold_votes(root, work.one, work.plan, work.space, work.rule)
    except (DamagedPartError, KeyError, OSError) as error:  # OSError and KeyError: gone, or half gone
        if pass_state(schema.open_root(work.path), number) != schema.COLLECTING:
            return None
        if not isinstance(error, DamagedPartError):
            raise
        shard = error.shard
        _log.warning("What shard %d summed up is damaged; it is collected again.", shard)
        forget(root, work.one, work.plan, shard)
        return shard
    set_pass_state(work.path, number, schema.FOLDED)
    return None


def _complete(work: Work) -> None:
    root = schema.open_root(work.path, "r+")
    with suppress(KeyError, FileNotFoundError):  # another process removes them at the same time
        del root[f"partials/{work.one.path}"]
    root = schema.open_root(work.path, "r+")
    about = schema.about(root)
    new = [name for name in work.one.layers if name not in about["layers"]]
    if new:
        probe = work.hooked.probe()
        known = [*about["layers"], *new]
        order = {name: probe[name].order for name in known if name in probe}
        last = max(order.values(), default=0)  # of latents that the model here has not: before the logits
        layers = sorted(known, key=lambda name: (order.get(name, last - 0.5), name == LOGITS))
        root.update_attributes({"fvhooks": about | {"layers": layers}})
    set_pass_state(work.path, work.one.number, schema.COMPLETE)
    if all(one.state == schema.COMPLETE for one in passes_of(schema.open_root(work.path))):
        with suppress(KeyError, FileNotFoundError):
            del root["partials"]
        places.sweep(work.path)
