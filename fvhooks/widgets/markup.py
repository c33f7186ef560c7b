"""HTML written from Python: every text and every attribute is escaped, so that no label can become markup."""

from base64 import b64encode
from html import escape
from typing import NewType

from fvhooks.widgets.assets import find_asset

Markup = NewType("Markup", str)
"""Text that is HTML already."""

_VOID = frozenset({"img", "input", "rect", "line"})


def tag(name: str, *children: "Markup | None", **attributes: str | float | bool | None) -> Markup:
    """One element; a trailing underscore is dropped from attribute names, others become hyphens.

    Examples:
        >>> tag("p", text("a < b"), class_="note", aria_hidden="true")
        '<p class="note" aria-hidden="true">a &lt; b</p>'

    Args:
        name: the element's name.
        children: markup; plain text goes through `text`.
        attributes: True writes the bare name, None and False leave it out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        plain = key.rstrip("_").replace("_", "-")
        words.append(plain if value is True else f'{plain}="{escape(_plain(value), quote=True)}"')
    head = f"<{' '.join(words)}>"
    if name in _VOID:
        return Markup(head.replace(">", "/>") if name in ("rect", "line") else head)
    return Markup(f"{head}{join(*children)}</{name}>")


def text(words: object) -> Markup:
    """Any text as markup that shows exactly it."""
    return Markup(escape(str(words), quote=True))


def join(*parts: Markup | None) -> Markup:
    """Markup one after the other; None is left out."""
    return Markup("".join(part for part in parts if part is not None))


def data_uri(encoded: bytes) -> str:
    """An encoded picture as an address that needs no network."""
    kind = "png" if encoded.startswith(b"\x89") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(encoded).decode()}"


def page(sheet: str, label: str, *children: Markup | None) -> Markup:
    """A view with its style sheet, which stands alone wherever it is put."""
    style = Markup(find_asset(sheet).read_text(encoding="utf-8"))
    return join(tag("style", style), tag("section", *children, class_="fvhooks", aria_label=label))


def _plain(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
