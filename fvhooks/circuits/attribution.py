"""`fvhooks.attribution_graph`: which units a class rests on, and which of them feed which."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from fvhooks.circuits.choices import GraphOptions, checked_options
from fvhooks.circuits.drafts import Draft
from fvhooks.circuits.edges import EDGES, Question
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.images import choose_images
from fvhooks.errors import LayerNotFoundError, MissingInputError, did_you_mean
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS, Unit


def attribution_graph(
    store: Store,
    target: int | Unit | None = None,
    *,
    label: int | None = None,
    edges: str = "influence",
    **options: Unpack[GraphOptions],
) -> AttributionGraph:
    """Which units a class rests on, over all its images, and which of them feed which.

    Images of the report split are left out, unless named, so that claims can be checked on them
    (`graph.verify`).

    Examples:
        >>> fv.attribution_graph(store, target=207)                                      # doctest: +SKIP
        >>> fv.attribution_graph(store, target=207, edges="relevance", hooked=hooked)    # doctest: +SKIP

    Args:
        store: of the model, made with `influence=True` for edges of that name.
        target: an output of the model, or `Unit.logit(i)`.
        label: instead of it a label of the data set, where several outputs stand for one.
        edges: what weights them; a name in `fvhooks.circuits.edges`.
        **options: see `GraphOptions`.

    Returns:
        The graph; its `stability` says of each edge how far two halves of the images agree about it.

    Raises:
        MissingInputError: no image of the class, no labels, an option that makes no sense.
        LayerNotFoundError: a layer that the store does not have.
    """
    chosen = checked_options(options)
    label, outputs = _class(store, target, label)
    layers = _rows(store, edges, chosen.get("layers"))
    images = choose_images(store, label, chosen.get("which", "all"), chosen.get("ids"))
    question = Question(
        store,
        label,
        outputs[0] if len(outputs) == 1 else -1,
        layers,
        images.rows,
        images.half,
        chosen.get("which", "all") if chosen.get("ids") is None else "ids",
        chosen.get("hooked"),
        chosen.get("options", {}),
    )
    evidence = EDGES[edges](question)
    draft = Draft.of(question, evidence, images, chosen)
    about = ({} if chosen.get("ids") is None else {"ids": [str(name) for name in chosen["ids"] or ()]}) | {
        "model": store.model_class,
        "store": _contents(store),
        "edges": edges,
        "target": question.output,
        "label": label,
        "name": chosen.get("names", {}).get(label, str(label)),
        "which": question.which,
        "images": int(evidence.images),
        **draft.said,
        **evidence.notes,
    }
    return draft.graph(about)


def _class(store: Store, target: int | Unit | None, label: int | None) -> tuple[int, list[int]]:
    """The label that is asked about, and the outputs that stand for it."""
    if (target is None) == (label is None):
        raise MissingInputError(
            "Pass target=, an output of the model, or label=, a label of the data set; one of the two."
        )
    if label is not None:
        return label, store.outputs_of(label)
    if isinstance(target, Unit):
        if not target.is_logit:
            raise MissingInputError(
                f"Expected an output of the model as target, such as Unit.logit(3), got {target.id!r}."
            )
        target = target.channel
    outputs = store.layout(LOGITS).channels
    if not 0 <= int(target or 0) < outputs:
        raise MissingInputError(f"The model has outputs 0 to {outputs - 1}; there is no target {target}.")
    return store.label_of_logit(int(target or 0)), [int(target or 0)]


def _contents(store: Store) -> str:
    """How much a store holds, in words."""
    labels = len(np.unique(store.labels[store.labels >= 0]))
    return f"{store.size:,} images of {labels:,} class{'es' * (labels != 1)}"


def _rows(store: Store, edges: str, layers: Sequence[str] | None) -> list[str]:
    known = [layer for layer in store.layers if layer != LOGITS]
    if layers is None and edges == "influence":  # a store may have layers that were added without it
        counted = set(store.influence_layers)
        return [layer for layer in known if layer in counted]
    if layers is None:
        return known
    for layer in layers:
        if layer not in known:
            hint = did_you_mean(layer, known)
            raise LayerNotFoundError(f"The store has no layer {layer!r}.{hint} It has {known}.")
    return [layer for layer in known if layer in set(layers)]
