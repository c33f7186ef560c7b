"""A store in words, a half-written one too."""

from pathlib import Path
from typing import Any

from fvhooks.store import schema
from fvhooks.store.contents import some
from fvhooks.store.ledgers import array_of, shards_to_do


def describe_store(path: str | Path) -> str:
    """What is in a store and what is still missing, a line a fact; it is not read, only looked at.

    Args:
        path: the folder or URL.

    Raises:
        StoreError: no store of fvhooks is there.
    """
    where = schema.normalised(path)
    root = schema.open_root(where)
    about = schema.about(root)
    lines = [f"store    {where}, {_state(root, about)}", f"images   {about['data']['images']:,}"]
    lines += [f"model    {_short(about['model'])}", f"settings {_short(about['settings'])}"]
    lines += [
        f"layer    {name}: {array_of(root, f'{schema.layer_path(name)}/peak').shape[1]:,} channels"
        for name in about["layers"]
    ]
    if Path(where).is_dir():
        size = sum(file.stat().st_size for file in Path(where).rglob("*") if file.is_file())
        lines.append(f"on disk  {size / 1e6:,.1f} MB")
    return "\n".join(lines)


def _state(root: Any, about: dict[str, Any]) -> str:  # noqa: ANN401 - a zarr group
    state = about["state"]
    if state in (schema.FOLDED, schema.COMPLETE):
        return "complete"
    if state == schema.CREATING:
        return "half-written: no shard is done"
    missing = shards_to_do(root)
    return f"half-written: {len(missing)} shards are not done ({some(missing)})"


def _short(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:40]}" for name, value in facts.items() if value is not None)
