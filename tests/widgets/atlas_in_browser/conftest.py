"""Maps opened from their files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from map_pages import READY

from fvhooks.atlases.results import Atlas

LOCAL = ("file:", "data:", "blob:")
OWN = "willReadFrequently"  # what the browser says of the pixels that these tests read


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """`opened(atlas)` writes the map's page and opens it from its file, with no network."""
    contexts: list[Any] = []
    errors: list[str] = []

    def show(atlas: Atlas | Path, *, dark: bool = False) -> Any:
        file = atlas if isinstance(atlas, Path) else atlas.to_html(tmp_path / "atlas.html")
        context = chromium.new_context(
            viewport={"width": 1300, "height": 1100},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: OWN in message.text or errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(LOCAL) or errors.append(asked.url))
        page.goto(file.as_uri())
        page.wait_for_selector(READY)
        page.wait_for_timeout(250)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not errors
