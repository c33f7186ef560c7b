"""What a call of `collect` asks for: everything that can be settled without looking at the store."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from fvhooks.collecting.settings import Settings
from fvhooks.datasets.inspection import Inspection, inspect
from fvhooks.datasets.sources import Source
from fvhooks.errors import (
    LayerNotFoundError,
    MissingInputError,
    ShapeError,
    UnsupportedModelError,
    did_you_mean,
)
from fvhooks.hooks import HookedModel
from fvhooks.relevance.alongside import Alongside, outputs_of_labels
from fvhooks.relevance.forms import Form
from fvhooks.statistics.profile import choose_ranks
from fvhooks.store import schema
from fvhooks.store.fingerprints import Fingerprint, fingerprint_data, fingerprint_model
from fvhooks.store.schema import LayerSpec
from fvhooks.units import LOGITS
from fvhooks.wiring.plans import Wiring
from fvhooks.wiring.tracing import find_wiring

_DECODE_THREADS = 4


@dataclass(frozen=True, eq=False)
class Request:
    """A model, a data set, layers and settings that fit each other.

    Args:
        hooked: the model.
        source: the data set.
        settings: how the collection runs.
        inspection: a few of its images.
        labels: one an item, −1 where there is none.
        layers: full names, the logits last; what is wanted of each, of `schema.ASPECTS`.
        relevance: how it is collected, tried on a few images; None where it is not.
    """

    hooked: HookedModel
    source: Source
    settings: Settings
    inspection: Inspection
    labels: Int[np.ndarray, " item"]
    layers: dict[str, tuple[str, ...]]
    relevance: Alongside | None
    _wirings: dict[tuple[str, ...], Wiring] = field(default_factory=dict, repr=False)
    _signed: dict[str, bool] = field(default_factory=dict, repr=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every picture."""
        channels, height, width = self.inspection.images.shape[1:]
        return channels, height, width

    @cached_property
    def model_fingerprint(self) -> Fingerprint:
        """Which model it is."""
        return fingerprint_model(self.hooked)

    @cached_property
    def data_fingerprint(self) -> Fingerprint:
        """Which data set it is."""
        found = fingerprint_data(self.source.ids, self.labels, self.inspection.digests)
        return found | {"ids_given": self.source.given_ids is not None}

    @property
    def relevance_words(self) -> dict[str, Any] | None:
        """How relevance is collected, as the store says it."""
        if self.relevance is None:
            return None
        options = {name: _words(value) for name, value in self.relevance.form.options.items()}
        return {"attributor": self.relevance.form.name, "options": options, "target": self.relevance.target}

    @property
    def influence_words(self) -> dict[str, Any] | None:
        """How influence is counted, as the store says it."""
        return None if self.settings.influence is None else asdict(self.settings.influence)

    @property
    def decode_threads(self) -> int:
        """Threads: processes cost more than they give where decoding lets go of the interpreter's lock."""
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        several = min(_DECODE_THREADS, allowed) if self.source.is_threaded else 1
        return self.settings.decode_threads or several

    def order(self, names: Iterable[str]) -> list[str]:
        """Layers in network order, the logits last."""
        probe = self.hooked.probe(self.inspection.images[:4])
        return sorted(names, key=lambda name: probe[name].order)

    def specs(self, layers: dict[str, tuple[str, ...]]) -> list[LayerSpec]:
        """What a store needs to know of some layers; real images show whether they have signs.

        Args:
            layers: what is kept of each.
        """
        images = self.inspection.images[:4]
        probe = self.hooked.probe(
            images
        )  # perhaps of noise: what it is known to say of a shape is the layout
        names = self.order(layers)
        unknown = [name for name in names if name not in self._signed]
        if unknown:
            with torch.no_grad():
                read = self.hooked.read(images, unknown)
            self._signed.update({name: bool((values < 0).any()) for name, values in read.items()})
        return [
            LayerSpec(
                name,
                probe.layout(name),
                self._signed[name],
                choose_ranks(probe.layout(name).positions, self.settings.ranks),
                frozenset(layers[name]),
                self._facts(name),
                self.settings.keep,
            )
            for name in names
        ]

    def wiring(self, layers: Sequence[str]) -> Wiring:
        """What feeds what between some layers; found once.

        Raises:
            UnsupportedModelError: a layer that an operation leads to which mixes channels otherwise.
        """
        names = tuple(layers)
        if names not in self._wirings:
            found = find_wiring(self.hooked, list(names), self.inspection.images[:1])
            for layer, operation in found.unexplained.items():
                raise UnsupportedModelError(
                    "Expected layers that convolutions, linear maps and additions lead to for "
                    f"influence=True; on the way to {layer!r} is {operation}. Leave such layers out, or "
                    "collect without influence "
                    "and ask for fvhooks.attribution_graph(…, edges='relevance'), which takes any model."
                )
            self._wirings[names] = found
        return self._wirings[names]

    def targets(self, labels: Int[np.ndarray, " image"]) -> Int[np.ndarray, " image"] | None:
        """The output of each row's label; None where no relevance for labels is asked for."""
        if self.relevance is None or self.relevance.target != "label":
            return None
        outputs = self.hooked.layout(LOGITS).channels
        own = self.settings.label_of_logit
        found = outputs_of_labels(labels.tolist(), outputs, None if own is None else dict(enumerate(own)))
        return np.array(found, np.int64)

    def _facts(self, layer: str) -> dict[str, Any]:
        """Of latents, how much of their site they miss, measured on the few images that were looked at."""
        if layer not in self.hooked.autoencoders:
            return {}
        error: float | None = None
        with suppress(ShapeError):  # a site that gives the same everywhere has no variance to explain
            error = self.hooked.reconstruction_error(self.inspection.images, layer)
        return {"reconstruction_error": error, "reconstruction_images": len(self.inspection.images)}


def make_request(
    hooked: HookedModel, source: Source, *, layers: Iterable[str], settings: Settings
) -> Request:
    """Look at the data and the layers, and try the attributor.

    Args:
        hooked: the model.
        source: the data set.
        layers: names of layers, in any order.
        settings: how the collection runs.

    Raises:
        ImageError: as `inspect` does.
        LayerNotFoundError: a layer that does not exist, never runs, or has no channels.
        ShapeError: another number of labels than outputs.
        MissingInputError: relevance for labels of a data set without any that is an output.
        UnsupportedModelError: the attributor does not work on the model.
    """
    inspection = inspect(source)
    asked = [layers] if isinstance(layers, str) else list(layers)
    probe = hooked.probe(inspection.images[:4])
    names = sorted({*asked, LOGITS}, key=lambda name: probe[name].order)
    outputs = probe.layout(LOGITS).channels
    _check_settings(settings, names, outputs)
    wanted = {name: _aspects(name, settings) for name in names}
    relevance = None
    if settings.relevance is not None:
        form = Form.of(settings.attributor, settings.attribution)
        inner = tuple(name for name in names if name != LOGITS)
        relevance = Alongside(form, inner, settings.relevance)  # type: ignore[arg-type]
        relevance = relevance.checked(hooked, inspection.images[:2])
    request = Request(hooked, source, settings, inspection, source.labels(), wanted, relevance)
    targets = request.targets(request.labels)
    if targets is not None and (targets < 0).all():
        raise MissingInputError(
            f"Expected labels that are outputs for relevance='label'; none is one of the {outputs}. "
            "Pass labels=[…] or label_of_logit=[…], or relevance='prediction'."
        )
    return request


def _words(value: Any) -> str:  # noqa: ANN401 - an option of an attributor
    """An option as the store says it: the same in every process."""
    if isinstance(value, torch.Tensor):
        digest = hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
        return f"tensor {tuple(value.shape)} {digest}"
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return repr(value)


def _aspects(name: str, settings: Settings) -> tuple[str, ...]:
    wanted = {
        schema.STATISTICS: True,
        schema.SAMPLE: settings.samples(name),
        schema.RELEVANCE: settings.relevance is not None and name != LOGITS,
        schema.INFLUENCE: settings.influence is not None and name != LOGITS,
    }
    return tuple(aspect for aspect in schema.ASPECTS if wanted[aspect])


def _check_settings(settings: Settings, names: Sequence[str], outputs: int) -> None:
    labels = settings.label_of_logit
    if labels is not None and len(labels) != outputs:
        raise ShapeError(
            f"Expected a label in label_of_logit for each of {outputs} outputs, got {len(labels)}."
        )
    if isinstance(settings.sample, bool):
        return
    for name in settings.sample:
        if name not in names:
            hint = did_you_mean(name, names)
            raise LayerNotFoundError(
                f"Expected sample= to name layers that are collected, got {name!r}.{hint} Add it to layers=."
            )
