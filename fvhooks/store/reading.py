"""`fvhooks.open_store`: a store as lazy xarray, and what is asked of it most."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from fvhooks.datasets.inspection import inspect
from fvhooks.datasets.kinds import items_of
from fvhooks.datasets.sources import Source
from fvhooks.errors import MissingInputError, StoreError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_images
from fvhooks.store import schema
from fvhooks.store.contents import some
from fvhooks.store.fingerprints import Fingerprint, compare, fingerprint_ids, fingerprint_model
from fvhooks.store.influence import KeptInfluence
from fvhooks.store.keeping import KeptResults
from fvhooks.store.labelled import OfLabel
from fvhooks.store.queries import Queries
from fvhooks.store.verification import verify_store


class Store(Queries, KeptInfluence, KeptResults):
    """What real images do in a model, read lazily; made by `fvhooks.collect` and `fvhooks.open_store`.

    Examples:
        >>> store = fv.open_store("stats.zarr", dataset)                       # doctest: +SKIP
        >>> store["layer4"].peak.groupby("label").mean()                       # doctest: +SKIP
        >>> store.images(store.top_images(fv.Unit("layer4", 7), k=9).id.values)  # doctest: +SKIP

    Args:
        path: where the store is.
        source: the data set that it was made of, where one is attached.
    """

    def __init__(self, path: str, source: Source | None = None) -> None:
        super().__init__(path)
        self.source = source

    def __repr__(self) -> str:
        attached = "attached" if self.source else "not attached"
        return f"Store({self.path!r}, {self.size} images, layers={self.layers}, data set {attached})"

    def images(self, ids: Iterable[str]) -> Float[torch.Tensor, "image rgb y x"]:
        """The pictures of some ids, in [0, 1], as the model saw them.

        Raises:
            MissingInputError: no data set is attached, or it has no such id.
            StoreError: the store has lost where an image is in the data set.
        """
        if self.source is None:
            raise MissingInputError(
                "Pictures are not in the store but in its data set, and none is attached: "
                f"fvhooks.open_store({self.path!r}, dataset=…)."
            )
        names = [str(name) for name in ids]
        unknown = [name for name in names if name not in self._index_of]
        if unknown:
            raise MissingInputError(
                f"The data set of the store has no image {unknown[0]!r}. It has {some(self._index_of)}."
            )
        lost = [name for name in names if self._index_of[name] < 0]
        if lost:
            raise StoreError(
                f"The store {self.path} has lost where image {lost[0]!r} is in its data set: images/index is "
                "damaged. store.verify() names all damage; collect it again into another path."
            )
        if not names:
            return torch.zeros(0, *self.image_shape)
        return torch.cat([as_images(self.source.read(self._index_of[name])) for name in names])

    @property
    def model_fingerprint(self) -> Fingerprint:
        """What the model is that the store was made of."""
        found: Fingerprint = self._about["model"]
        return found

    def of_label(self, label: int) -> OfLabel:
        """The same store, with a label's own images as top images: pictures for a circuit of a class.

        Examples:
            >>> graph.illustrated(store=store.of_label(207), hooked=hooked)  # doctest: +SKIP

        Args:
            label: of the data set.

        Returns:
            What `illustrated` takes as a store.

        Raises:
            MissingInputError: no image has the label, or the store keeps the strongest images of each channel
                alone.
        """
        self._check_label(label)
        return OfLabel(self, label)

    def require(self, hooked: HookedModel, layers: Sequence[str] = ()) -> None:
        """Make sure that the store belongs to a model and has some layers.

        Raises:
            StoreError: it was made of another model; both fingerprints.
            LayerNotFoundError: a layer is lacking; what to call to have it.
        """
        compare("model", self.path, self._about["model"], fingerprint_model(hooked))
        for layer in layers:
            self._check_layer(layer)

    def verify(self) -> None:
        """Read everything, and compare it with the checksums taken when it was written.

        Raises:
            StoreError: objects that are damaged or missing; which, and what to do.
        """
        verify_store(self.path)

    @cached_property
    def _index_of(self) -> dict[str, int]:
        table = self.images_table
        return dict(zip(map(str, table.id.values), table["index"].values.tolist(), strict=True))


def open_store(path: str | Path, dataset: Any | None = None) -> Store:  # noqa: ANN401
    """Open what `fvhooks.collect` made.

    Examples:
        >>> fv.open_store("stats.zarr", dataset)["layer4"].natural_mean  # doctest: +SKIP

    Args:
        path: the folder or URL.
        dataset: the data set that it was made of; pictures come from there.

    Raises:
        StoreError: nothing there, half-written, or made of another data set.
        SchemaError: written by a newer fvhooks.
    """
    store = Store(schema.normalised(path))
    if dataset is None:
        return store
    said = store._about["data"]
    source = Source(
        dataset, store.preprocessing, _given_ids(store, len(items_of(dataset, store.preprocessing.channels)))
    )
    here = {"images": len(source), "ids": fingerprint_ids(source.ids), "items": inspect(source).digests}
    compare("data set", store.path, said, here)
    return Store(store.path, source)


def _given_ids(store: Store, items: int) -> list[str] | None:
    """The ids that `collect` was given, in the data set's order; None where it found them itself."""
    table = store.images_table
    if not store._about["data"]["ids_given"] or items != store.size:
        return None
    return [str(name) for name in table.id.values[np.argsort(table["index"].values)]]
