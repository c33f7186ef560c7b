"""How relevance passes one operation of a network.

Each rule leaves the operation's value as it is and gives it another backward pass: what arrives there is not
a gradient but relevance, and it is shared out among the operation's inputs.

- A weighted sum (convolution, linear) shares it by its positive products (z⁺). Inputs may be signed: a
  negative input times a negative weight is a positive product. Where there is none, the bias made the value,
  and the relevance stays there: `Flow.stranded` counts it.
- A sum of several tensors, an average and a pooling share it by absolute value.
- Activations, batch normalisation, dropout and constant factors pass it on unchanged.

Everything else runs as it is. Its gradient is a share of relevance only if the operation moves values without
changing them; `foreign` names what is neither.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.overrides import TorchFunctionMode

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.addresses import tensors_in

Share = Callable[..., tuple[Tensor, ...]]
"""From relevance and the values of an operation's inputs to the relevance of each input."""

_TINY: Final = 1e-20  # shares out evenly where everything is zero; far below float32 next to any real value


class _Shared(torch.autograd.Function):
    """A value whose backward pass shares out relevance."""

    @staticmethod
    def forward(ctx: Any, operation: Callable[[], Tensor], share: Share, *inputs: Tensor) -> Tensor:  # noqa: ANN401
        ctx.share = share
        ctx.save_for_backward(*inputs)
        return operation()

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        inputs = ctx.saved_tensors
        shares = ctx.share(relevance[0].float(), *(tensor.float() for tensor in inputs))
        return None, None, *(s.to(tensor.dtype) for s, tensor in zip(shares, inputs, strict=True))


@dataclass
class Flow(TorchFunctionMode):
    """While it is entered, operations on tensors that need a gradient follow the rules of this module.

    Args:
        images: how many images the pass has.
        more: rules of operations beside this module's own.
        stranded: relevance that no input of an operation took, `(image,)` for each operation.
        callers: which function each node of the autograd graph came from, for errors.
    """

    images: int
    more: Mapping[Callable[..., Any], "Rule"] = field(default_factory=dict)
    stranded: list[Tensor] = field(default_factory=list)
    callers: dict[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one operation under its rule, or as it is."""
        rule = self.more.get(func) or _RULES.get(func)
        if rule is None:
            return self.plain(func, args, kwargs or {})
        args, given = _in_places(args, kwargs or {})
        return rule(Call(self, func, args, given))

    def plain(self, func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run an operation as it is, and remember its name."""
        output = func(*args, **given)
        for tensor in tensors_in(output).values():
            if tensor.grad_fn is not None:
                self.callers.setdefault(tensor.grad_fn, getattr(func, "__name__", str(func)))
        return output

    def strand(self, lost: Tensor) -> None:
        """Count relevance `(row, ...)` that no input took; rows may be images or their positions."""
        if len(lost) % self.images:
            raise UnsupportedModelError(
                f"Relevance of {self.images} images reached an operation on {len(lost)} rows: whose it is "
                "cannot be told. Attribute image by image, or use LayerGradientXActivation."
            )
        self.stranded.append(lost.reshape(self.images, -1).sum(1))

    def foreign(self, target: Tensor, ends: Iterable[Tensor]) -> list[str]:
        """The operations from some tensors to a target that neither have a rule nor only move values."""
        found: set[str] = set()
        goals = {tensor.grad_fn for tensor in ends}
        on_the_way = _leading_to(target.grad_fn, goals)
        seen: set[Any] = set()
        ahead: list[tuple[Any, str]] = [(target.grad_fn, "")]
        while ahead:
            node, caller = ahead.pop()
            if node not in on_the_way or node in goals or node in seen:
                continue
            seen.add(node)
            kind = node.name().rsplit("::", 1)[-1].split("Backward")[0]
            caller = self.callers.get(node, "" if kind == _Shared.__name__ else caller)
            if kind not in _MOVES:
                found.add(caller or kind)
            ahead += [(before, caller) for before, _ in node.next_functions]
        return sorted(found)


@dataclass(frozen=True)
class Call:
    """One call of an operation that has a rule."""

    flow: Flow
    func: Callable[..., Any]
    args: tuple[Any, ...]
    given: dict[str, Any]

    @property
    def moving(self) -> list[Tensor]:
        """Every tensor in the call that relevance can flow to."""
        return [tensor for tensor in tensors_in([*self.args, self.given]).values() if tensor.requires_grad]

    def plain(self) -> Any:  # noqa: ANN401
        """The operation as it is."""
        return self.flow.plain(self.func, self.args, self.given)

    def shared(self, share: Share, *inputs: Tensor) -> Any:  # noqa: ANN401
        """The operation's value with a rule for its way back; as it is where the rule misses an input."""
        if not inputs or {id(tensor) for tensor in self.moving} != {id(tensor) for tensor in inputs}:
            return self.plain()
        return _Shared.apply(self._on_a_copy, share, *inputs)

    def _on_a_copy(self) -> Tensor:
        first = self.args[0].clone() if isinstance(self.args[0], Tensor) else self.args[0]
        return self.func(first, *self.args[1:], **self.given)  # type: ignore[no-any-return]


Rule = Callable[[Call], Any]


def _in_places(args: tuple[Any, ...], given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The first two arguments by place, also where they came by name."""
    rest = dict(given)
    for place, name in enumerate(("input", "other")):
        if name in rest and len(args) == place:
            args = (*args, rest.pop(name))
    return args, rest


def _leading_to(start: Any, goals: set[Any]) -> set[Any]:  # noqa: ANN401 - nodes of an autograd graph
    """The nodes from a start on from which a goal can be reached, goals included."""
    followers: dict[Any, list[Any]] = {}
    ahead, seen = [start], {start}
    while ahead:
        node = ahead.pop()
        for before, _ in [] if node is None or node in goals else node.next_functions:
            followers.setdefault(before, []).append(node)
            if before is not None and before not in seen:
                seen.add(before)
                ahead.append(before)
    reached = goals & seen
    ahead = list(reached)
    while ahead:
        for node in followers.get(ahead.pop(), []):
            if node not in reached:
                reached.add(node)
                ahead.append(node)
    return reached


def _flows(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Tensor) and value.requires_grad


def _unchanged(call: Call) -> Any:  # noqa: ANN401
    return call.shared(lambda relevance, _: (relevance,), *filter(_flows, call.args[:1]))


def _factor(call: Call) -> Any:  # noqa: ANN401
    """A product with something constant; which factor of a gate earned the product is an open question."""
    share: Share = lambda relevance, x: (relevance.sum_to_size(x.shape),)  # noqa: E731
    moving = [value for value in call.args[:2] if _flows(value)]
    return call.shared(share, *moving) if len(moving) == 1 else call.plain()


def _quotient(call: Call) -> Any:  # noqa: ANN401
    return call.plain() if any(map(_flows, call.args[1:2])) else _factor(call)


def _addition(call: Call) -> Any:  # noqa: ANN401
    scale = abs(float(call.given.get("alpha", 1)))

    def share(relevance: Tensor, *terms: Tensor) -> tuple[Tensor, ...]:
        sizes = [term.abs() * (scale if number else 1) + _TINY for number, term in enumerate(terms)]
        whole = sum(sizes[1:], sizes[0])
        return tuple((relevance * (size / whole)).sum_to_size(size.shape) for size in sizes)

    terms = [value for value in call.args[:2] if _flows(value)]
    if len(terms) == 2 and terms[0] is terms[1]:  # one tensor added to itself takes all, by both ways
        return call.shared(lambda relevance, _: (relevance,), terms[0])
    return call.shared(share, *terms)


def _average(call: Call) -> Any:  # noqa: ANN401
    def share(relevance: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            size = (x.abs() + _TINY).requires_grad_()
            whole = call.func(size, *call.args[1:], **call.given)
        (back,) = torch.autograd.grad(whole, size, relevance / whole.detach())
        return (size.detach() * back,)

    return call.shared(share, *filter(_flows, call.args[:1]))


def _weighted(call: Call) -> Any:  # noqa: ANN401
    x, weight, _bias, rest, options = _of_weighted(*call.args, **call.given)

    def share(relevance: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        signs = [(x.clamp(min=0), weight.float().clamp(min=0))]
        if bool((x < 0).any()):
            signs.append((x.clamp(max=0), weight.float().clamp(max=0)))
        with torch.enable_grad():
            parts = [part.requires_grad_() for part, _ in signs]
            products = [
                call.func(part, w, None, *rest, **options) for part, (_, w) in zip(parts, signs, strict=True)
            ]
            whole = sum(products[1:], products[0])
        taken = whole.detach() > _TINY
        call.flow.strand((relevance * ~taken).flatten(1).sum(1))
        ratio = torch.where(taken, relevance / whole.detach().clamp(min=_TINY), 0.0)
        back = torch.autograd.grad(whole, parts, ratio)
        shares = [part.detach() * b for part, b in zip(parts, back, strict=True)]
        return (sum(shares[1:], shares[0]),)

    return call.shared(share, *filter(_flows, [x]))


def _of_weighted(
    input: Tensor,  # noqa: A002 - torch's names, since callers may use them
    weight: Tensor,
    bias: Tensor | None = None,
    *rest: Any,  # noqa: ANN401
    **options: Any,  # noqa: ANN401
) -> tuple[Tensor, Tensor, Tensor | None, tuple[Any, ...], dict[str, Any]]:
    return input, weight, bias, rest, options


_KINDS: Final[dict[Rule, tuple[Callable[..., Any], ...]]] = {
    _weighted: (
        F.linear, torch.conv1d, torch.conv2d, torch.conv3d,
        torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
    ),
    _addition: (
        torch.add, torch.sub, Tensor.add, Tensor.add_, Tensor.sub, Tensor.sub_,
        Tensor.__add__, Tensor.__radd__, Tensor.__iadd__, Tensor.__sub__, Tensor.__rsub__, Tensor.__isub__,
    ),
    _average: (
        torch.mean, torch.sum, Tensor.mean, Tensor.sum, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d,
        F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d,
    ),
    _unchanged: (
        torch.relu, torch.relu_, torch.tanh, Tensor.relu, Tensor.relu_, Tensor.tanh,
        F.relu, F.relu_, F.relu6, F.hardtanh, F.leaky_relu, F.elu, F.selu, F.celu, F.tanh,
        F.batch_norm, F.local_response_norm,
        F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout,
    ),
    _quotient: (torch.div, Tensor.div, Tensor.div_, Tensor.__truediv__, Tensor.__itruediv__),
    _factor: (
        torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__,
    ),
}  # fmt: skip
_RULES: Final[dict[Callable[..., Any], Rule]] = {
    func: rule for rule, every in _KINDS.items() for func in every
}

_MOVES: Final = frozenset({
    _Shared.__name__, "AccumulateGrad", "Alias", "AdaptiveMaxPool1D", "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D", "Amax", "AsStrided", "Cat", "Clone", "ConstantPadNd", "Expand", "Flip",
    "Gather", "Index", "IndexSelect", "Max", "MaxPool1D", "MaxPool2DWithIndices",
    "MaxPool3DWithIndices", "Permute", "PixelShuffle", "PixelUnshuffle",
    "ReflectionPad1D", "ReflectionPad2D", "Repeat", "ReplicationPad2D", "ReshapeAlias", "Roll", "Select",
    "Slice", "Split", "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy", "Transpose", "Unbind",
    "Unfold", "UnsafeView", "Unsqueeze", "UpsampleNearest2D", "View",
})  # fmt: skip
"""Nodes of an autograd graph whose gradient carries each value's relevance along unchanged."""
