"""Which options have an effect on which kind of map; the others are refused, not ignored."""

from fvhooks.atlases.options import AtlasOptions
from fvhooks.errors import MissingInputError

_ALL = frozenset({"names", "layout", "shape", "cells", "side", "seed", "title"})
_OF_STORE = _ALL | {"split"}

CALLS = {
    "unit": "fv.atlas(store, unit=…)",
    "layer": "fv.atlas(store, layer=…)",
    "images": "fv.atlas(store, images=True)",
    "activations": "fv.atlas(store, layer=…, activations=True)",
    "features": "fv.atlas(features=…)",
}
"""How each kind of map is asked for, by its name."""

TAKES: dict[str, frozenset[str]] = {
    "unit": _OF_STORE
    | {"hooked", "ids", "embedding", "top", "random", "negatives", "weight", "radial", "stability"},
    "layer": _OF_STORE | {"hooked", "embedding", "by", "radial", "stability"},
    "images": _OF_STORE | {"ids", "embedding", "radial", "stability"},
    "activations": _OF_STORE | {"hooked", "ids", "recipe", "steps", "least"},
    "features": _ALL | {"ids", "scores", "items", "labels", "weight", "radial", "stability"},
}
"""The options that each kind of map takes."""

_INSTEAD = {
    ("layer", "ids"): "ids choose images, and this is a map of units; split= limits its images. ",
    ("images", "hooked"): "The images are shown whole and nothing is said to activate them. ",
}
_ONE = "Pass one of them."
_BY_IMAGES = "An embedding is of images: leave by out, or pass by='images'."


def check_taken(form: str, options: AtlasOptions, *, layer: str | None) -> None:
    """Refuse what would have no effect on a kind of map.

    Args:
        form: which kind, as in `TAKES`.
        options: those that were given.
        layer: what the map was told beside them.

    Raises:
        MissingInputError: an option that this kind does not take, or that another one makes useless.
    """
    given = [name for name, value in options.items() if value is not None]
    for name in given:
        if name in TAKES[form]:
            continue
        others = [CALLS[kind] for kind, taken in TAKES.items() if name in taken]
        why, there = _INSTEAD.get((form, name), ""), " and ".join(others)
        raise MissingInputError(
            f"{name}= has no effect on {CALLS[form]}. {why}Leave it out; it belongs to {there}."
        )
    _check_together(form, options, layer)


def _check_together(form: str, options: AtlasOptions, layer: str | None) -> None:
    """Options of which one makes another useless."""
    embedded, by = options.get("embedding") is not None, options.get("by", "images")
    drawn = form == "activations" and options.get("cells") is not None
    useless = [
        ("embedding", form == "layer" and embedded and by != "images", f"with by={by!r}", _BY_IMAGES),
        ("layer", form == "images" and embedded and layer is not None, "with embedding=", _ONE),
        ("recipe", drawn, "with cells=", "No picture is made then: pass one of them."),
        ("steps", drawn, "with cells=", "No picture is made then: pass one of them."),
        ("weight", form == "features" and options.get("scores") is None, "without scores=", "Pass scores=."),
    ]
    for name, holds, where, advice in useless:
        if holds and (name == "layer" or options.get(name) is not None):
            raise MissingInputError(f"{name}= has no effect on {CALLS[form]} {where}. {advice}")
