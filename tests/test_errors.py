"""The error tree."""

import inspect
import re

import pytest

from fvhooks import errors
from fvhooks.errors import FVHooksError

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not FVHooksError])
def test_every_error_is_ours_and_a_builtin_that_callers_catch(kind: type[Exception]) -> None:
    assert issubclass(kind, FVHooksError)
    assert any(
        base.__module__ == "builtins" and base not in (Exception, BaseException, object)
        for base in kind.__mro__
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_is_what_is_shown(kind: type[Exception]) -> None:
    assert str(kind("Expected 3, got 4.")) == "Expected 3, got 4."


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]─ (\w+)", errors.__doc__ or "")) | {"FVHooksError"}
    assert drawn == {kind.__name__ for kind in KINDS}
