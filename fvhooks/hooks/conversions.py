"""What a hook point shows is not always what passes it.

TransformerLens cuts the projections of attention into heads for its hooks only (`hook_conversion`); a plain
hook, fvhooks' or Captum's, sees them whole. Names, layouts and edits are those of what is shown.
"""

from typing import Any

from torch import nn


def shown(module: nn.Module, value: Any) -> Any:  # noqa: ANN401 - modules return what they like
    """What a hook point shows of a value that passes it; for any other module the value itself."""
    conversion = getattr(module, "hook_conversion", None)
    return value if conversion is None else conversion.convert(value)


def passed(module: nn.Module, value: Any) -> Any:  # noqa: ANN401
    """The inverse of `shown`: what has to pass for a hook point to show this."""
    conversion = getattr(module, "hook_conversion", None)
    return value if conversion is None else conversion.revert(value)
