"""Everything that is settled before the work starts: layers, plan, fingerprints, and an empty store."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import zarr

from fvhooks.errors import ShapeError, StoreError, did_you_mean
from fvhooks.hooks import HookedModel
from fvhooks.statistics.profile import choose_ranks
from fvhooks.store import places, schema
from fvhooks.store.fingerprints import compare, fingerprint_data, fingerprint_model
from fvhooks.store.inspection import Inspection, inspect
from fvhooks.store.ledgers import create_ledger, object_names
from fvhooks.store.partials import create_partials
from fvhooks.store.plans import Plan, make_plan
from fvhooks.store.schema import LayerSpec
from fvhooks.store.shards import Work
from fvhooks.store.sources import Source
from fvhooks.units import LOGITS

_DECODE_THREADS = 4


@dataclass(frozen=True)
class Settings:
    """How a collection runs; the names are those of `CollectionOptions`."""

    batch_size: int = 32
    references: int = 50
    ranks: int | None = 256
    shard_size: int | None = None
    label_of_logit: tuple[int, ...] | None = None
    decode_threads: int | None = None
    threads: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Settings":
        """Checked settings; what the data set is asked for instead is left out."""
        chosen = {name: value for name, value in options.items() if name not in ("ids", "labels")}
        unknown = [name for name in chosen if name not in cls.__dataclass_fields__]
        if unknown:
            hint = did_you_mean(unknown[0], cls.__dataclass_fields__)
            raise TypeError(
                f"collect() has no option {unknown[0]!r}.{hint} All: {', '.join(cls.__dataclass_fields__)}."
            )
        if chosen.get("label_of_logit") is not None:
            chosen["label_of_logit"] = tuple(int(label) for label in chosen["label_of_logit"])
        settings = cls(**chosen)
        for name in ("batch_size", "references", "shard_size", "decode_threads", "threads"):
            value = getattr(settings, name)
            if value is not None and value < 1:
                raise ValueError(f"Expected {name} to be 1 or more, got {value}.")
        return settings


def prepare(
    hooked: HookedModel,
    source: Source,
    path: str,
    *,
    layers: Iterable[str],
    settings: Settings,
    say: Callable[[str], Any],
) -> Work:
    """Look at the data, settle who owns what, and make the store or find that it is this one.

    Args:
        hooked: the model.
        source: the data set.
        path: where the store is, or will be.
        layers: names of layers, in any order.
        settings: how the collection runs.
        say: told how large a new store will be.
    """
    inspection = inspect(source)
    specs = _layer_specs(hooked, [layers] if isinstance(layers, str) else layers, inspection, settings.ranks)
    _check_outputs(settings.label_of_logit, specs[-1].layout.channels)
    labels = source.labels()
    plan = make_plan(source.ids, labels, references=settings.references, shard_size=settings.shard_size)
    channels, height, width = inspection.images.shape[1:]
    said = {
        "schema": schema.VERSION,
        "layers": [spec.name for spec in specs],
        "model": fingerprint_model(hooked),
        "data": fingerprint_data(source.ids, labels, inspection.digests)
        | {"ids_given": source.given_ids is not None},
        "settings": _lasting(settings, plan),
        "preprocessing": hooked.preprocessing.to_dict(),
        "image_shape": [channels, height, width],
        "versions": {name: version(name) for name in ("torch", "numpy", "zarr")},
        "blocks": [{"start": 0, "stop": plan.images}],
    }
    specs = _open(path, said, specs) or _create(path, plan, specs, source.ids, said=said, say=say)
    return Work(
        hooked,
        source,
        plan,
        specs,
        path,
        image_shape=(channels, height, width),
        batch_size=settings.batch_size,
        decode_threads=settings.decode_threads or _decode_threads(source),
        threads=settings.threads,
        label_of_logit=None
        if settings.label_of_logit is None
        else np.array(settings.label_of_logit, np.int64),
    )


def _layer_specs(
    hooked: HookedModel, layers: Iterable[str], inspection: Inspection, ranks: int | None
) -> list[LayerSpec]:
    """The layers in network order, the logits last; real images show whether they have signs."""
    images = inspection.images[:4]
    probe = hooked.probe(images)  # perhaps of noise: what it is known to say of a shape is the layout
    layouts = {name: probe.layout(name) for name in {*layers, LOGITS}}
    names = sorted(layouts, key=lambda name: probe[name].order)
    with torch.no_grad():
        signed = {name: bool((values < 0).any()) for name, values in hooked.read(images, names).items()}
    return [
        LayerSpec(
            name,
            layouts[name],
            signed[name],
            choose_ranks(layouts[name].positions, ranks),
            _facts(hooked, name, inspection),
        )
        for name in names
    ]


def _facts(hooked: HookedModel, layer: str, inspection: Inspection) -> dict[str, Any]:
    """Of latents, how much of their site they miss, measured on the few images that were looked at."""
    if layer not in hooked.autoencoders:
        return {}
    error: float | None = None
    with suppress(ShapeError):  # a site that gives the same everywhere has no variance to explain
        error = hooked.reconstruction_error(inspection.images, layer)
    return {"reconstruction_error": error, "reconstruction_images": len(inspection.images)}


def _lasting(settings: Settings, plan: Plan) -> dict[str, Any]:
    """The settings that decide what is written; threads and batches do not."""
    logits = settings.label_of_logit
    return {
        "references": settings.references,
        "ranks": settings.ranks,
        "shard_size": plan.shard_size,
        "label_of_logit": None if logits is None else list(logits),
    }


def _check_outputs(label_of_logit: Sequence[int] | None, outputs: int) -> None:
    if label_of_logit is not None and len(label_of_logit) != outputs:
        raise ShapeError(
            f"Expected a label in label_of_logit for each of {outputs} outputs, got {len(label_of_logit)}."
        )


def _decode_threads(source: Source) -> int:
    """Threads, since processes cost more than they give where decoding lets go of the interpreter's lock."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_DECODE_THREADS, allowed) if source.is_threaded else 1


def _open(path: str, said: dict[str, Any], specs: Sequence[LayerSpec]) -> list[LayerSpec] | None:
    """The specifications as the store has them; None where it is still to be made."""
    stored = _stored(path)
    if stored is None or stored["state"] == schema.CREATING:
        return None
    _check_same(path, stored, said)
    root = schema.open_root(path)
    return [replace(spec, signed=bool(root[schema.layer_path(spec.name)].attrs["signed"])) for spec in specs]


def _create(
    path: str,
    plan: Plan,
    specs: list[LayerSpec],
    ids: Sequence[str],
    *,
    said: dict[str, Any],
    say: Callable[[str], Any],
) -> list[LayerSpec]:
    size = f"{_gigabytes(plan, specs):.3g} GB before compression"
    say(f"Collecting {plan.images} images into {path}: {size}.")
    root = schema.create(path, plan, specs, ids, said, overwrite=_stored(path) is not None)
    create_ledger(root, plan, object_names(specs))
    shape = said["image_shape"]
    create_partials(root, plan, specs, (shape[0], shape[1], shape[2]))
    schema.set_state(root, schema.COLLECTING)
    return specs


def _stored(path: str) -> dict[str, Any] | None:
    """What a store at the path says about itself; None where nothing is there."""
    try:
        with places.explained(path, "read"):
            zarr.open_group(path, mode="r", use_consolidated=False)
    except FileNotFoundError:
        with places.explained(path, "read"):
            taken = places.is_taken(path)
        if taken:
            raise StoreError(f"{path} exists and is no store; pass a path where nothing is.") from None
        return None
    except ValueError as error:
        raise StoreError(f"{path} holds something else than a store of fvhooks: {error}") from error
    return schema.about(schema.open_root(path))


def _check_same(path: str, stored: dict[str, Any], here: dict[str, Any]) -> None:
    compare("model", path, stored["model"], here["model"])
    compare("data set", path, stored["data"], here["data"])
    lacking = [name for name in here["layers"] if name not in stored["layers"]]
    if lacking or (stored["state"] == schema.COLLECTING and stored["layers"] != here["layers"]):
        raise StoreError(
            f"The store {path} holds the layers {stored['layers']}, asked for were {here['layers']}. "
            "A store takes no further layers: collect all of them into another path."
        )
    differing = [name for name, value in here["settings"].items() if stored["settings"][name] != value]
    if differing:
        both = "; ".join(
            f"{name} {stored['settings'][name]} there, {here['settings'][name]} here" for name in differing
        )
        raise StoreError(
            f"The store {path} was collected with other settings ({both}). Use the same, or another path."
        )


def _gigabytes(plan: Plan, specs: Sequence[LayerSpec]) -> float:
    per_image = sum(4 * len(spec.image_arrays) * spec.layout.channels for spec in specs)
    per_group = sum(4 * spec.layout.channels * len(spec.ranks) for spec in specs)
    return (plan.images * per_image + len(plan.groups) * per_group) / 1e9
