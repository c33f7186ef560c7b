"""Pictures while they form: as static HTML, and live in Jupyter.

What a browser sends to a widget waits until the cell has ended. So the view's button asks the
notebook for its interrupt, which does not wait and stops the work; where a notebook lets no widget
ask, the view says how to interrupt instead.
"""

import math
import time
from functools import cache
from typing import Any

import numpy as np

from fvhooks.dependencies import require
from fvhooks.images import as_bytes
from fvhooks.results import INLINE_BYTES, LIVE_BYTES, VIEWERS
from fvhooks.synthesis.running.progress import Forming
from fvhooks.widgets.assets import find_asset
from fvhooks.widgets.encodings import Packer, encode
from fvhooks.widgets.markup import Markup, data_uri, page, tag, text

_SIDE = 112
_EVERY = 0.5  # seconds between two updates: encoding and sending must not slow the work down


class FormingViewer:
    """Shows `Forming`."""

    def html(self, result: Forming, budget: int | None = None) -> str:
        """The pictures as they are, each named below; at most as many as fit into the budget."""
        encoded = _encoded(result, INLINE_BYTES if budget is None else budget)
        figures = [
            _figure(part, unit, seed)
            for part, unit, seed in zip(encoded, result.units, result.seeds, strict=False)
        ]
        said = tag("p", text(describe(result)), class_="fvh-subtitle")
        return page("forming.css", "Pictures as they form", said, tag("div", *figures, class_="fvh-grid"))

    def widget(self, result: Forming) -> Any:  # noqa: ANN401 - an anywidget
        """The live view; `follow` keeps it up to date.

        Raises:
            MissingDependencyError: anywidget is not installed.
        """
        return _widget_class()(result)


VIEWERS.register("forming")(FormingViewer())


def describe(forming: Forming) -> str:
    """How far the work has come.

    Examples:
        >>> import torch
        >>> describe(Forming(["3:7"], [0], torch.zeros(1, 3, 2, 2), 20, 160, 1, 4))
        'step 20 of 160, batch 1 of 4'
    """
    batch = f", batch {forming.batch} of {forming.batches}" if forming.batches > 1 else ""
    return f"step {forming.step} of {forming.steps}{batch}"


@cache
def _widget_class() -> type[Any]:
    anywidget = require("anywidget", feature="the live view", extra="jupyter")
    traitlets = require("traitlets", feature="the live view", extra="jupyter")

    class FormingWidget(anywidget.AnyWidget):  # type: ignore[misc]
        """Pictures in the browser while they form."""

        _esm = find_asset("forming.js")
        _css = find_asset("forming.css")
        names = traitlets.List(traitlets.Unicode()).tag(sync=True)
        spans = traitlets.List().tag(sync=True)
        pixelated = traitlets.Bool().tag(sync=True)
        said = traitlets.Unicode().tag(sync=True)
        share = traitlets.Float().tag(sync=True)
        finished = traitlets.Bool().tag(sync=True)
        blobs = traitlets.Bytes().tag(sync=True)

        def __init__(self, forming: Forming) -> None:
            self._last = -math.inf
            super().__init__(**_state(forming, ended=False))

        def follow(self, forming: Forming) -> None:
            """Show pictures, not more often than the browser can use."""
            whole = forming.step == forming.steps and forming.batch == forming.batches
            ended = whole or forming.stopping
            if ended or time.monotonic() - self._last >= _EVERY:
                with self.hold_sync():
                    for name, value in _state(forming, ended=ended).items():
                        setattr(self, name, value)
                self._last = time.monotonic()

    return FormingWidget


def _state(forming: Forming, *, ended: bool) -> dict[str, Any]:
    packer = Packer()
    spans = [packer.add(part) for part in _encoded(forming, LIVE_BYTES)]
    done = (forming.batch - 1 + forming.step / forming.steps) / forming.batches
    how = "stopped at " if forming.stopping else "finished: " if ended else ""
    return {
        "names": [f"{unit}, seed {seed}" for unit, seed in zip(forming.units, forming.seeds, strict=True)],
        "spans": spans,
        "pixelated": max(forming.images.shape[-2:]) <= _SIDE // 2,
        "said": f"{how}{describe(forming)}",
        "share": done,
        "finished": ended,
        "blobs": packer.packed,
    }


def _encoded(forming: Forming, budget: int) -> list[bytes]:
    pictures = as_bytes(forming.images.detach().clamp(0, 1).float().cpu().numpy())
    found: list[bytes] = []
    for picture in pictures:
        part = encode(np.asarray(picture), _SIDE)
        budget -= len(part)
        if budget < 0:
            break
        found.append(part)
    return found


def _figure(encoded: bytes, unit: str, seed: int) -> Markup:
    name = f"{unit}, seed {seed}"
    image = tag("img", src=data_uri(encoded), alt=name)
    return tag("figure", image, tag("figcaption", text(name)))
