"""From a request to work: an empty store, or the next pass that a store still needs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import zarr

from fvhooks.collecting.ballots import create_votes, votes_path
from fvhooks.collecting.creation import create_layer, create_ledger, create_rows, create_store, forget_units
from fvhooks.collecting.earlier import set_aside
from fvhooks.collecting.extension import added_items, items_of_blocks
from fvhooks.collecting.folding_votes import set_votes_aside
from fvhooks.collecting.partials import create_partials, parts_of
from fvhooks.collecting.requests import Request
from fvhooks.collecting.sizes import size_of
from fvhooks.collecting.tops import create_tops
from fvhooks.collecting.voting import check_influence, rule_of, wiring_of
from fvhooks.collecting.works import Work
from fvhooks.errors import StoreError
from fvhooks.store import places, schema
from fvhooks.store.fingerprints import compare
from fvhooks.store.influence_arrays import stored_wiring
from fvhooks.store.ledgers import object_names
from fvhooks.store.passes import Pass, aspects_of, passes_of, set_pass_state
from fvhooks.store.plans import Plan, make_plan
from fvhooks.store.schema import LayerSpec
from fvhooks.store.vote_space import VoteSpace

Say = Callable[[str], Any]


def next_work(request: Request, path: str, say: Say) -> Work | None:
    """The pass that a store is in the middle of, or the next that it needs; None where it has everything.

    Args:
        request: what was asked for.
        path: where the store is, or will be.
        say: told how large what is made will be.

    Raises:
        StoreError: the path holds something else, or a store of another model, data set or settings.
    """
    stored = _stored(path)
    if stored is None or (stored["state"] == schema.CREATING and len(stored["passes"]) == 1):
        return _start(request, path, say, stored)
    root = schema.open_root(path, "r+")
    check_same(request, stored, path)
    added = added_items(request, root, stored, path)
    if len(added) and request.settings.keep == schema.TOP:
        raise StoreError(
            f"The store {path} keeps the strongest images alone (keep='top') and takes no more images; "
            f"{len(added)} are new here. Collect all of them into another path."
        )
    unfinished = [one for one in passes_of(root) if one.state != schema.COMPLETE]
    one = unfinished[0] if unfinished else _next_pass(request, stored, passes_of(root), len(added))
    check_relevance(request, stored, one, path)
    check_influence(request, stored, path)
    if one is None:
        return None
    if not unfinished:
        say(size_of(request, path, one, wiring_of(request, root, one)))
        _announce(root, request, one, len(added))
    plan = plan_of(request, root)
    specs = specs_of(request, root, one)
    if one.state == schema.CREATING:
        _make(path, request, one, plan, specs)
    return work_of(request, path, plan, one, specs)


def _start(request: Request, path: str, say: Say, stored: dict[str, Any] | None) -> Work:
    """The first pass; of a store that the same request has left half made, or is making, the rest of it."""
    plan = make_plan(
        request.source.ids,
        request.labels,
        references=request.settings.references,
        shard_size=request.settings.shard_size,
    )
    one = Pass(0, 0, plan.images, request.layers, owns_rows=True)
    said = {
        "schema": schema.VERSION,
        "layers": list(request.layers),
        "model": request.model_fingerprint,
        "data": request.data_fingerprint,
        "settings": _lasting(request, plan.shard_size),
        "relevance": request.relevance_words,
        "influence": request.influence_words,
        "preprocessing": request.hooked.preprocessing.to_dict(),
        "image_shape": list(request.image_shape),
        "versions": {name: version(name) for name in ("torch", "numpy", "zarr")},
        "blocks": [{"start": 0, "stop": plan.images}],
        "passes": [one.to_dict()],
    }
    specs = request.specs(request.layers)
    say(size_of(request, path, one, wiring_of(request, None, one)))
    plain = json.loads(json.dumps(said))  # as it comes back from a store
    if stored is None or {**stored, "state": None} != {**plain, "state": None}:
        create_store(path, said, overwrite=stored is not None)
    _make(path, request, one, plan, specs)
    return work_of(request, path, plan, one, specs)


def _make(path: str, request: Request, one: Pass, plan: Plan, specs: Sequence[LayerSpec]) -> None:
    """Every array that a pass writes to, then that it may begin; repeated after a crash."""
    root = schema.open_root(path, "r+")
    parts = parts_of(one, specs, request.image_shape)
    set_aside(root, one, parts)
    wiring = wiring_of(request, root, one)
    if wiring is not None:
        set_votes_aside(root, one)
        create_votes(root, one, plan, VoteSpace(wiring, rule_of(schema.about(root)).votes))
    if one.owns_rows:
        create_rows(root, plan, request.source.ids)
        if one.number:  # references were chosen among fewer images
            forget_units(root)
    for spec in specs:
        create_layer(root, plan, spec, request.source.ids)
    create_ledger(root, one, plan, object_names(specs, owns_rows=one.owns_rows))
    create_partials(root, one, plan, parts)
    create_tops(root, one, plan, specs)
    set_pass_state(path, one.number, schema.COLLECTING)


def _next_pass(request: Request, stored: dict[str, Any], passes: list[Pass], added: int) -> Pass | None:
    """New layers and aspects for the rows that are there first, then new rows of everything."""
    rows, here = int(stored["data"]["images"]), aspects_of(passes)
    lacking = {
        name: tuple(aspect for aspect in aspects if aspect not in here.get(name, ()))
        for name, aspects in request.layers.items()
    }
    lacking = {name: aspects for name, aspects in lacking.items() if aspects}
    if any(schema.INFLUENCE in aspects for aspects in lacking.values()):  # other neighbours: all of it again
        for name in {**here, **request.layers}:
            wanted = schema.INFLUENCE in {*here.get(name, ()), *request.layers.get(name, ())}
            if wanted and schema.INFLUENCE not in lacking.get(name, ()):
                lacking[name] = (*lacking.get(name, ()), schema.INFLUENCE)
    if lacking:
        return Pass(len(passes), 0, rows, lacking, owns_rows=False)
    if added:
        everything = {
            name: tuple(aspect for aspect in schema.ASPECTS if aspect in here[name])
            for name in stored["layers"]
        }
        return Pass(len(passes), rows, rows + added, everything, owns_rows=True)
    return None


def _announce(root: zarr.Group, request: Request, one: Pass, added: int) -> None:
    """Write down that a pass begins, in one step: after a crash it is known."""
    about = schema.about(root)
    changes: dict[str, Any] = {"passes": [*about["passes"], one.to_dict()]}
    if one.owns_rows:
        changes["data"] = request.data_fingerprint
        changes["blocks"] = [*about["blocks"], {"start": one.start, "stop": one.start + added}]
        changes["state"] = schema.CREATING
    if about.get("relevance") is None:
        changes["relevance"] = request.relevance_words
    if about.get("influence") is None:
        changes["influence"] = request.influence_words
    root.update_attributes({"fvhooks": about | changes})


def plan_of(request: Request, root: zarr.Group) -> Plan:
    """Which image is which row of a store.

    Args:
        request: with the data set.
        root: the store.
    """
    about = schema.about(root)
    return make_plan(
        request.source.ids,
        request.labels,
        references=int(about["settings"]["references"]),
        shard_size=int(about["settings"]["shard_size"]),
        blocks=items_of_blocks(request.source.ids, request.labels, root, about),
    )


def specs_of(request: Request, root: zarr.Group, one: Pass) -> list[LayerSpec]:
    """The layers of a pass, as the store has them where it has them.

    Args:
        request: with the model.
        root: the store.
        one: the pass.
    """
    found = []
    for spec in request.specs(dict(one.layers)):
        group = root.get(schema.layer_path(spec.name))
        known = group is not None and "signed" in group.attrs
        found.append(
            replace(spec, signed=bool(group.attrs["signed"])) if group is not None and known else spec
        )
    return found


def work_of(request: Request, path: str, plan: Plan, one: Pass, specs: list[LayerSpec]) -> Work:
    """What the tasks of a pass need.

    Args:
        request: what was asked for.
        path: the store.
        plan: which image is which row.
        one: the pass.
        specs: its layers.
    """
    labels = request.settings.label_of_logit
    root = schema.open_root(path)
    wanted = tuple(spec.name for spec in specs if schema.RELEVANCE in spec.aspects)
    relevance = None if request.relevance is None or not wanted else replace(request.relevance, layers=wanted)
    return Work(
        request.hooked,
        request.source,
        plan,
        one,
        specs,
        path,
        image_shape=request.image_shape,
        batch_size=request.settings.batch_size,
        decode_threads=request.decode_threads,
        decode_processes=request.settings.decode_processes,
        threads=request.settings.threads,
        label_of_logit=None if labels is None else np.array(labels, np.int64),
        relevance=relevance,
        targets=None if relevance is None else request.targets(plan.labels),
        wiring=stored_wiring(root, votes_path(one)),
        rule=rule_of(schema.about(root)),
    )


def _lasting(request: Request, shard_size: int) -> dict[str, Any]:
    """The settings that decide what is written; threads and batches do not."""
    logits = request.settings.label_of_logit
    return {
        "references": request.settings.references,
        "ranks": request.settings.ranks,
        "shard_size": shard_size,
        "keep": request.settings.keep,
        "label_of_logit": None if logits is None else list(logits),
    }


def _stored(path: str) -> dict[str, Any] | None:
    """What a store at the path says about itself; None where nothing is there."""
    try:
        with places.explained(path, "read"):
            zarr.open_group(path, mode="r", use_consolidated=False)
    except FileNotFoundError:
        with places.explained(path, "read"):
            taken = places.is_taken(path)
        if not taken:
            return None
        if not places.has_metadata(path):
            raise StoreError(f"{path} exists and is no store; pass a path where nothing is.") from None
    except ValueError as error:
        raise StoreError(f"{path} holds something else than a store of fvhooks: {error}") from error
    return schema.about(schema.open_root(path))


def check_same(request: Request, stored: dict[str, Any], path: str) -> None:
    """Refuse another model, or other settings.

    Args:
        request: what was asked for.
        stored: what the store says about itself.
        path: where it is.
    """
    compare("model", path, stored["model"], request.model_fingerprint)
    here = _lasting(request, request.settings.shard_size or int(stored["settings"]["shard_size"]))
    there = {"keep": schema.ALL} | stored["settings"]  # of a store from before there was a choice
    differing = [name for name, value in here.items() if there[name] != value]
    if differing:
        both = "; ".join(f"{name} {there[name]} there, {here[name]} here" for name in differing)
        raise StoreError(
            f"The store {path} was collected with other settings ({both}). Use the same, or another path."
        )


def check_relevance(request: Request, stored: dict[str, Any], one: Pass | None, path: str) -> None:
    """One store has one kind of relevance, and whoever adds to it must bring it.

    Args:
        request: what was asked for.
        stored: what the store says about itself.
        one: the pass that is to run.
        path: where the store is.
    """
    layers = {} if one is None else one.layers
    needed = any(schema.RELEVANCE in aspects for aspects in layers.values())
    there, here = stored.get("relevance"), request.relevance_words
    if there is not None and there != here and (needed or here is not None):
        raise StoreError(
            f"The store {path} keeps relevance by {there['attributor']} for the {there['target']} "
            f"(options {there['options']}); asked for was {here}. Ask for the same, or use another path."
        )
