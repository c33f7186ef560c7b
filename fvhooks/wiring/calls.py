"""The calls of a forward pass that add something up, numbered as they come.

A convolution or a linear map adds up its inputs, an addition its operands. `Filter.call` and `Skip.addition`
are these numbers, so whoever reads a wiring beside the model counts with this class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor
from torch.overrides import TorchFunctionMode

WEIGHTED: Final = frozenset({"linear", "conv1d", "conv2d", "conv3d"})
ADDITIONS: Final = frozenset({"add", "radd", "iadd", "sub", "rsub", "isub", "subtract"})


def plain_name(func: Callable[..., Any]) -> str:
    """The name of an operation, however it is written.

    Examples:
        >>> import torch
        >>> [plain_name(func) for func in (torch.add, Tensor.__add__, Tensor.relu_)]
        ['add', 'add', 'relu']

    Args:
        func: a function or method of PyTorch, as a `TorchFunctionMode` is given it.
    """
    return str(getattr(func, "__name__", func)).strip("_")


@dataclass(frozen=True, eq=False)
class Weighted:
    """A convolution or linear map as it was called.

    Args:
        call: how many came before it.
        func: the function.
        input: what it was given.
        weight: its kernel or matrix.
        bias: what it adds.
        rest: further arguments by place (stride, padding, dilation, groups).
        options: further arguments by name.
    """

    call: int
    func: Callable[..., Any]
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    rest: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def groups(self) -> int:
        """How many groups of channels it keeps apart."""
        return int(self.rest[3] if len(self.rest) > 3 else self.options.get("groups", 1))

    @property
    def axis(self) -> int:
        """Which axis of its input and output is the channel, counted from the end."""
        return -1 if plain_name(self.func) == "linear" else 1 - self.weight.ndim


@dataclass(frozen=True, eq=False)
class Addition:
    """An addition or subtraction as it was called.

    Args:
        number: how many came before it.
        operands: what is added, tensors or numbers.
        signs: what each is multiplied by.
    """

    number: int
    operands: tuple[Any, Any]
    signs: tuple[float, float]


class Calls(TorchFunctionMode):
    """While it is entered, `on_weighted` and `on_addition` are told of each such call before it runs.

    Examples:
        >>> import torch
        >>> class Named(Calls):
        ...     def on_weighted(self, weighted):
        ...         print(weighted.call, tuple(weighted.weight.shape))
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 2))
        >>> with Named():
        ...     _ = net(torch.rand(1, 3, 8, 8))
        0 (4, 3, 3, 3)
        1 (2, 144)
    """

    def __init__(self) -> None:
        super().__init__()
        self.weighted = self.additions = 0

    def on_weighted(self, weighted: Weighted) -> None:
        """A convolution or linear map is about to run."""

    def on_addition(self, addition: Addition) -> None:
        """An addition is about to run."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Count, tell and run one operation."""
        self.notice(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    def notice(
        self, func: Callable[..., Any], args: tuple[Any, ...], given: Mapping[str, Any]
    ) -> Weighted | Addition | None:
        """Count one operation and tell of it."""
        name = plain_name(func)
        if name in WEIGHTED:
            weighted = _weighted(self.weighted, func, *args, **given)
            self.weighted += 1
            self.on_weighted(weighted)
            return weighted
        if name in ADDITIONS:
            addition = _addition(self.additions, name, *args, **given)
            self.additions += 1
            self.on_addition(addition)
            return addition
        return None


def _weighted(
    call: int,
    func: Callable[..., Any],
    input: Tensor,  # noqa: A002 - torch's names, since callers may use them
    weight: Tensor,
    bias: Tensor | None = None,
    *rest: Any,  # noqa: ANN401
    **options: Any,  # noqa: ANN401
) -> Weighted:
    return Weighted(call, func, input, weight, bias, rest, options)


def _addition(
    number: int,
    name: str,
    input: Any,  # noqa: A002, ANN401
    other: Any,  # noqa: ANN401
    *,
    alpha: float = 1,
    out: Any = None,  # noqa: ANN401, ARG001
) -> Addition:
    first, second = {"rsub": (-alpha, 1.0)}.get(name, (1.0, -alpha if "sub" in name else alpha))
    return Addition(number, (input, other), (float(first), float(second)))
