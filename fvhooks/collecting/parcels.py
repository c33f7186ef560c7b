"""How the model and the work reach a worker: once, sent or built there, on the worker's own device."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

from fvhooks.collecting.works import Work
from fvhooks.datasets.sources import Source
from fvhooks.errors import StoreError
from fvhooks.hooks import HookedModel
from fvhooks.store.fingerprints import Fingerprint, compare, fingerprint_model

Factory = Callable[[], HookedModel]

_OPENED: dict[str, Work] = {}
"""The work that this process is at; a later one takes its place."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """Work on its way.

    Args:
        token: which parcel it is.
        hooked: the model; None where it is built at its destination.
        rest: everything else that `Work` is made of.
        factory: builds the model there.
        device: where the workers run the model; as it comes where not given.
        fingerprint: of the model that the store belongs to.
        sender: the process that it comes from.
    """

    token: str
    hooked: HookedModel | None
    rest: dict[str, Any]
    factory: Factory | None
    device: str | None
    fingerprint: Fingerprint
    sender: int

    @classmethod
    def of(cls, work: Work, factory: Factory | None = None, device: str | None = None) -> "Parcel":
        """Work, ready to be sent.

        Args:
            work: what to send.
            factory: builds the same model at the destination, so that it is not sent.
            device: where to put it there.
        """
        rest = {field.name: getattr(work, field.name) for field in fields(work) if field.name != "hooked"}
        hooked = work.hooked if factory is None else None
        return cls(uuid4().hex, hooked, rest, factory, device, fingerprint_model(work.hooked), os.getpid())

    @property
    def source(self) -> Source:
        """The data set that travels with it."""
        source: Source = self.rest["source"]
        return source


def opened(parcel: Parcel) -> Work:
    """The work of a parcel, with the model in its place; made once in a process.

    Raises:
        StoreError: the factory builds another model.
    """
    if parcel.token not in _OPENED:
        work = Work(hooked=_model(parcel), **parcel.rest)
        _OPENED.clear()
        _OPENED[parcel.token] = work
    return _OPENED[parcel.token]


def _model(parcel: Parcel) -> HookedModel:
    if parcel.hooked is not None:
        hooked = parcel.hooked
        if parcel.device is not None and os.getpid() == parcel.sender:  # it is the user's own
            hooked = copy.deepcopy(hooked)
    else:
        assert parcel.factory is not None  # noqa: S101 - for the type checker
        hooked = parcel.factory()
        if not isinstance(hooked, HookedModel):
            raise StoreError(
                f"Expected the factory to return what fvhooks.attach gives, got {type(hooked).__name__}."
            )
        compare("model", str(parcel.rest["path"]), parcel.fingerprint, fingerprint_model(hooked))
    if parcel.device is not None:
        hooked.model.to(parcel.device)
    return hooked
