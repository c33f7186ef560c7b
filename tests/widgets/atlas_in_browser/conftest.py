"""Maps opened from their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from map_pages import READY

from fvhooks.atlases.results import Atlas


@pytest.fixture
def opened(opened_file: Any, tmp_path: Path) -> Callable[..., Any]:
    """`opened(atlas)` writes the map's page and opens it from its file, with no network."""

    def show(atlas: Atlas | Path, *, dark: bool = False) -> Any:
        file = atlas if isinstance(atlas, Path) else atlas.to_html(tmp_path / "atlas.html")
        page = opened_file(file, READY, dark=dark, height=1100)
        page.wait_for_timeout(250)
        return page

    return show
