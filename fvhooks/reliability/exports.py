"""An audit report as plain data, for JSON."""

from typing import Any

import numpy as np
import xarray as xr

_NUMBERS = ("value", "low", "high", "limit", "p_value", "p_adjusted", "null_count", "false_alarms")
_WORDS = ("verdict", "verdict_alone", "reason", "origin")
_TOLD = {*_NUMBERS, *_WORDS, "control_value", "family", "question", "family_verdict", "picture"}
_TOLD |= {"activation", "picture_checksum"}


def as_json(data: xr.Dataset) -> dict[str, Any]:
    """A report's data as dictionaries, lists, words and numbers; what is not finite becomes null.

    Args:
        data: of an `AuditReport`.
    """
    checks = [str(name) for name in data["check"].values]
    asked = {
        name: {key: str(data[key].sel(check=name).item()) for key in ("family", "question")}
        for name in checks
    }
    details = {
        str(name): {"dims": list(map(str, array.dims)), "values": plain(array.values)}
        for name, array in data.data_vars.items()
        if name not in _TOLD
    }
    coordinates = {
        str(name): plain(array.values)
        for name, array in data.coords.items()
        if name not in ("unit", "layer", "channel", "check")
    }
    return {
        **plain(dict(data.attrs)),
        "checks": asked,
        "units": [_unit(data.isel(unit=place), checks) for place in range(data.sizes["unit"])],
        "details": details,
        "coordinates": coordinates,
    }


def _unit(data: xr.Dataset, checks: list[str]) -> dict[str, Any]:
    pictures = [
        {"seed": int(seed), "checksum": int(checksum), "activation": plain(activation)}
        for seed, checksum, activation in zip(
            data["seed"].values, data["picture_checksum"].values, data["activation"].values, strict=True
        )
    ]
    kinds = zip(data["kind"].values, data["family_verdict"].values, strict=True)
    return {
        "unit": str(data["unit"].item()),
        "layer": str(data["layer"].item()),
        "channel": int(data["channel"]),
        "verdicts": {str(kind): str(said) for kind, said in kinds},
        "pictures": pictures,
        "checks": {name: _check(data.sel(check=name)) for name in checks},
    }


def _check(line: xr.Dataset) -> dict[str, Any]:
    controls = zip(line["control"].values, line["control_value"].values, strict=True)
    return {
        **{name: str(line[name].item()) for name in _WORDS},
        **{name: plain(line[name].item()) for name in _NUMBERS},
        "controls": {str(name): plain(value) for name, value in controls},
    }


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - whatever xarray holds, one return a kind
    """The same value in words, numbers, lists and dictionaries.

    Examples:
        >>> plain({"a": np.array([1.5, np.nan])})
        {'a': [1.5, None]}
    """
    match value:
        case dict():
            return {str(key): plain(part) for key, part in value.items()}
        case np.ndarray():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(part) for part in value]
        case np.generic():
            return plain(value.item())
        case float():
            return value if np.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
