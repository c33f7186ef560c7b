"""What every result has in common: data in xarray, saving and loading, and a picture of itself.

A result finds its view by its `kind` in a registry of viewers, so that nothing below the views imports one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import xarray as xr

from fvhooks.errors import SchemaError, StoreError
from fvhooks.registries import Registry

VERSION = 1


class Viewer(Protocol):
    """How one kind of result is shown."""

    def html(self, result: Any) -> str:  # noqa: ANN401 - each viewer knows its own kind
        """A self-contained static page fragment; no network, no kernel."""
        ...

    def widget(self, result: Any) -> Any | None:  # noqa: ANN401 - an anywidget, where it is installed
        """The interactive view, or None where there is none."""
        ...


VIEWERS: Registry[Viewer] = Registry("fvhooks.widgets", "view")


@dataclass(frozen=True, eq=False)
class Result:
    """Frozen data with a way to show, save and load itself.

    Args:
        data: everything that the result holds.
    """

    data: xr.Dataset
    kind: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type["Result"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**kwargs)
        Result._kinds[cls.kind] = cls

    def save(self, path: str | Path) -> Path:
        """Write the result as a Zarr group, which plain xarray opens too; replaces what was there."""
        plain = self.data.copy()
        for name, variable in plain.variables.items():
            if variable.dtype.kind == "U":  # fixed-width text has no Zarr v3 specification
                plain[name] = plain[name].astype(object)
        plain.attrs["fvhooks"] = {"kind": self.kind, "version": VERSION}
        plain.to_zarr(Path(path), mode="w", consolidated=False, zarr_format=3)
        return Path(path)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that shows the result without a kernel and without a network."""
        title = self.kind.replace("_", " ")
        style = "body{margin:1.5rem;font-family:system-ui,sans-serif}"
        page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{style}</style>"
        Path(path).write_text(f"{page}<body>{self._repr_html_()}</body></html>", encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        return VIEWERS[self.kind].html(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        widget = VIEWERS[self.kind].widget(self)
        if widget is not None:
            shown = widget._repr_mimebundle_(**kwargs)
            live = shown[0] if isinstance(shown, tuple) else shown
            bundle |= {key: value for key, value in (live or {}).items() if key not in bundle}
        return bundle

    @classmethod
    def _from_data(cls, data: xr.Dataset) -> Self:
        return cls(data)


def load(path: str | Path, homes: Callable[[], None] | None = None) -> Result:
    """Read a result that `save` wrote.

    Args:
        path: the folder that it was written to.
        homes: imports the modules that define the kinds of results.

    Raises:
        StoreError: nothing there, or no result of fvhooks.
        SchemaError: written by a newer version.
    """
    if homes is not None:
        homes()
    try:
        data = xr.open_zarr(Path(path), consolidated=False, chunks=None).load()
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise StoreError(f"No saved result at {path}: {error}") from error
    about = data.attrs.pop("fvhooks", {})
    if about.get("kind") not in Result._kinds:
        raise StoreError(f"{path} holds no result of fvhooks but attributes {sorted(data.attrs)}.")
    if about.get("version", 0) > VERSION:
        raise SchemaError(f"{path} was saved by a newer fvhooks (version {about['version']}, this one reads {VERSION}); upgrade.")
    return Result._kinds[about["kind"]]._from_data(data)
