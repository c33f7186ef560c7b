"""What every result has in common: data in xarray, saving and loading, and a picture of itself.

A result finds its view by its `kind` in a registry of viewers, so that nothing below the views imports one.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import xarray as xr

from fvhooks.errors import SchemaError, StoreError
from fvhooks.registries import Registry

VERSION = 1
INLINE_BYTES = 1_000_000
"""How many bytes of encoded pictures a result may put into a notebook's output."""
LIVE_BYTES = 660_000
"""How many bytes a live view may know: written into a notebook they grow by a third, and its script and
styles, 80 kB at most, are written beside them; together that is less than 1 MB."""

_STYLE = ":root{color-scheme:light dark}body{margin:1.5rem;font-family:system-ui,sans-serif}"


class Viewer(Protocol):
    """How one kind of result is shown."""

    def html(self, result: Any, budget: int | None = None) -> str:  # noqa: ANN401 - each viewer knows its own kind
        """A self-contained static page fragment; no network, no kernel.

        Args:
            result: what to show.
            budget: how many bytes its pictures may take; None: all that they need.
        """
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

    @cached_property
    def widget(self) -> Any | None:  # noqa: ANN401 - an anywidget, where it is installed
        """The interactive view, made once, so that clicks can be read from it; None where there is none."""
        return VIEWERS[self.kind].widget(self)

    def save(self, path: str | Path) -> Path:
        """Write the result as a Zarr group, which plain xarray opens too; replaces a result that was there.

        Raises:
            StoreError: something else lies at `path`; it is left alone.
        """
        _check_replaceable(Path(path))
        plain = self.data.copy()
        for name, variable in plain.variables.items():
            if variable.dtype.kind == "U":  # fixed-width text has no Zarr v3 specification
                plain[name] = plain[name].astype(object)
        plain.attrs["fvhooks"] = {"kind": self.kind, "version": VERSION, "home": type(self).__module__}
        plain.to_zarr(Path(path), mode="w", consolidated=False, zarr_format=3)
        return Path(path)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that shows the result without a kernel and without a network."""
        title = self.kind.replace("_", " ")
        viewport = "<meta name='viewport' content='width=device-width'>"
        head = f"<meta charset='utf-8'>{viewport}<title>{title}</title><style>{_STYLE}</style>"
        body = VIEWERS[self.kind].html(self)
        page = f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"
        Path(path).write_text(page, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        return VIEWERS[self.kind].html(self, INLINE_BYTES)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.widget is not None:
            shown = self.widget._repr_mimebundle_(**kwargs)
            live = shown[0] if isinstance(shown, tuple) else shown
            bundle |= {key: value for key, value in (live or {}).items() if key not in bundle}
        return bundle

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size in self.data.sizes.items())
        return f"{type(self).__name__}({sizes})"

    @classmethod
    def _from_data(cls, data: xr.Dataset) -> Self:
        return cls(data)


def load(path: str | Path) -> Result:
    """Read a result that `save` wrote.

    Examples:
        >>> import fvhooks as fv
        >>> fv.load("nowhere.zarr")
        Traceback (most recent call last):
        ...
        fvhooks.errors.StoreError: No saved result at nowhere.zarr: there is no such folder.

    Args:
        path: the folder that it was written to.

    Raises:
        StoreError: nothing there, or no result of fvhooks.
        SchemaError: written by a newer version.
    """
    if not Path(path).exists():
        raise StoreError(f"No saved result at {path}: there is no such folder.")
    try:
        data = xr.open_zarr(Path(path), consolidated=False, chunks=None).load()
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(f"No saved result can be read at {path}: {error}") from error
    about = data.attrs.pop("fvhooks", None)
    if not isinstance(about, dict) or "kind" not in about:
        raise StoreError(
            f"{path} holds no saved result; a statistics store is opened with fvhooks.open_store."
        )
    if about.get("version", 0) > VERSION:
        newer = f"{path} was saved by a newer fvhooks (version {about['version']}, this one reads {VERSION})"
        raise SchemaError(f"{newer}; upgrade fvhooks to read it.")
    return _class_of(path, about)._from_data(_with_plain_text(data))


def _with_plain_text(data: xr.Dataset) -> xr.Dataset:
    """Text as objects, as it was when it was saved; NumPy's own text can hardly be compared or cast."""
    for name, variable in data.variables.items():
        if variable.dtype.kind == "T":
            data[name] = data[name].astype(object)
    return data


def _class_of(path: str | Path, about: dict[str, Any]) -> type[Result]:
    home = str(about.get("home", ""))
    if about["kind"] not in Result._kinds and home.startswith(
        "fvhooks."
    ):  # nothing else is imported for a file
        try:
            import_module(home)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"{path} holds a result of {home!r}, which this fvhooks does not have."
            ) from error
    if about["kind"] not in Result._kinds:
        known = ", ".join(sorted(Result._kinds))
        advice = f"import {home or 'the module that defines it'} first"
        raise StoreError(f"{path} holds a result of kind {about['kind']!r}, known are {known}; {advice}.")
    return Result._kinds[about["kind"]]


def _check_replaceable(path: Path) -> None:
    """Writing over a folder deletes what is in it, so only an earlier result may be there."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        load(path)
    except StoreError as error:
        fact = f"{path} exists and holds no saved result, so it is not replaced"
        raise StoreError(f"{fact}; remove it or name another folder.") from error
