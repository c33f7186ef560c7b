"""Short texts that tell whether a store belongs to a model and to a data set."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from fvhooks.errors import StoreError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.sparse_autoencoders import weights_of

Fingerprint = dict[str, Any]


def fingerprint_model(hooked: HookedModel) -> Fingerprint:
    """What a model is: its weights and buffers, its architecture, its normalisation, its autoencoders.

    The size of its input is no part of it: the images of a store have theirs, known or not when attaching.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Linear(2, 2)
        >>> fingerprint_model(fv.attach(net)) == fingerprint_model(fv.attach(net))
        True

    Raises:
        StoreError: inside an `edit` block, where the model is another one for a while.
    """
    if hooked.is_edited:
        raise StoreError(
            "Expected the model as it is: a store holds its statistics, and here an `edit` block is open. "
            "Leave the block first, or work in it without a store."
        )
    model, normalisation = hooked.model, hooked.preprocessing.to_dict()
    found = {
        "class": type(model).__name__,
        "weights": _hash_of([*model.named_parameters(), *model.named_buffers()]),
        "architecture": _hash(_structure(model)),
        "preprocessing": _hash(json.dumps([normalisation["mean"], normalisation["std"]])),
    }
    coders = {layer: fingerprint_autoencoder(coder) for layer, coder in hooked.autoencoders.items()}
    return found | ({"autoencoders": coders} if coders else {})


def fingerprint_autoencoder(coder: Any) -> str:  # noqa: ANN401 - anything with encode and decode
    """What a sparse autoencoder is: its weights, and what it keeps as plain values, such as `k`."""
    parts = coder.named_modules() if isinstance(coder, nn.Module) else [("", coder)]
    settings = [
        f"{name}.{key}={value}"
        for name, part in parts
        for key, value in sorted(vars(part).items())
        if isinstance(value, (bool, int, float, str)) and key != "training" and not key.startswith("_")
    ]
    kind = type(coder).__name__
    return _hash("\n".join([kind, *settings, _hash_of(weights_of(coder))]))


def fingerprint_data(
    ids: Sequence[str], labels: Int[np.ndarray, " item"], digests: Mapping[str, str | None]
) -> Fingerprint:
    """What a data set is: its ids and labels in its own order, and the content of a few items."""
    return {
        "images": len(ids),
        "ids": fingerprint_ids(ids),
        "labels": hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()[:16],
        "items": dict(digests),
    }


def fingerprint_ids(ids: Sequence[str]) -> str:
    """A hash of a data set's ids in their order."""
    return _hash("\n".join(ids))


def compare(kind: str, path: str, stored: Fingerprint, here: Fingerprint) -> None:
    """Refuse what a store does not belong to.

    Args:
        kind: "model" or "data set".
        path: where the store is.
        stored: the store's fingerprint.
        here: the fingerprint of what was passed; what it does not mention is not compared.

    Raises:
        StoreError: they differ; both, and in what.
    """
    differing = [key for key in here if not _agree(stored.get(key), here[key])]
    if differing:
        both = "; ".join(
            f"{key}: {_shorten(stored.get(key))} in the store, {_shorten(here[key])} here"
            for key in differing
        )
        raise StoreError(
            f"The store {path} was made of another {kind} ({both}). "
            "Pass the one that it was made of, or collect into another path."
        )


def differences(a: Fingerprint, b: Fingerprint) -> list[str]:
    """In what two models differ that both fingerprints know: weights, architecture or preprocessing."""
    names = ("weights", "architecture", "preprocessing")
    return [name for name in names if name in a and name in b and a[name] != b[name]]


def _agree(stored: Any, here: Any) -> bool:  # noqa: ANN401 - JSON values
    stored = {} if stored is None and isinstance(here, dict) else stored
    if isinstance(stored, dict) and isinstance(here, dict):  # what one of them lacks says nothing
        return all(stored.get(key) is None or here[key] is None or stored[key] == here[key] for key in here)
    return bool(stored == here)


def _shorten(value: Any) -> str:  # noqa: ANN401
    return (
        f"{_hash(json.dumps(value, sort_keys=True))} over {len(value)} items"
        if isinstance(value, dict)
        else str(value)
    )


def _structure(model: nn.Module) -> str:
    return "\n".join(
        f"{name}:{type(module).__qualname__}({module.extra_repr()})" for name, module in model.named_modules()
    )


def _hash_of(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    weights = hashlib.sha256()
    for name, tensor in tensors:
        weights.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        weights.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return weights.hexdigest()[:16]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
