"""What each kind of operation does to lines.

A rule is asked before its operation runs, since that may overwrite what it is given, and answers with the
labels of what it will give, or with None where it mixes channels. Operations without a rule only move values
(`moves`), or mix channels.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from torch import Tensor

from fvhooks.wiring.calls import Addition, Weighted
from fvhooks.wiring.labels import Labels, across, along, without
from fvhooks.wiring.operations import Call, bent, lifted
from fvhooks.wiring.products import negative, product, quotient

Rule = Callable[[Call], Labels | None]

_BATCH_NORM: Final = (
    "input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps",
)  # fmt: skip


def _unchanged(call: Call) -> Labels | None:
    return call.of(call.own)


def _weighted(call: Call) -> Labels | None:
    counted = call.counted
    if not isinstance(counted, Weighted):
        return None
    labels = call.of(counted.input)
    if labels is None or call.of(counted.weight) is not None:
        return None
    axis = counted.axis % counted.input.ndim
    given = along(labels, axis, counted.input.shape[axis])
    if given is None:
        return None
    outputs = len(counted.weight)
    signal = call.lines.add("weighted", outputs, parents=(given,), number=counted.call, name=call.place)
    signal.groups, signal.module = counted.groups, call.module
    return across(signal.lines, axis, counted.input.ndim)


def _addition(call: Call) -> Labels | None:
    counted = call.counted
    if not isinstance(counted, Addition):
        return None
    found = [call.of(operand) for operand in counted.operands]
    shapes = [value.ndim if isinstance(value, Tensor) else 0 for value in counted.operands]
    ndim = max(shapes)
    if found[0] is None or found[1] is None:  # a constant is a bias
        number = 0 if found[1] is None else 1
        labels = found[number]
        if labels is None:
            return None
        labels, sign = lifted(labels, ndim), counted.signs[number]
        if sign == 1.0:
            return labels
        return call.made("scaled", labels, gain=np.full(labels.numel(), sign))
    parents = [lifted(labels, ndim) for labels in found if labels is not None]
    return call.made("sum", *parents, gain=np.array(counted.signs), number=counted.number)


def _squash(call: Call) -> Labels | None:
    labels = bent(call)
    if labels is not None:
        call.lines.signals[-1].squashed = True
    return labels


def _batch_norm(call: Call) -> Labels | None:
    if len(call.args) > len(_BATCH_NORM):  # torch.batch_norm, of another signature
        return None
    given = dict(zip(_BATCH_NORM, call.args, strict=False)) | call.given
    x, variance, weight = given["input"], given["running_var"], given.get("weight")
    labels = call.of(x)
    lines = None if labels is None else along(labels, 1, x.shape[1])
    if lines is None:
        return None
    channels = across(lines, 1, x.ndim)
    if variance is None or given.get("training"):  # the image's own statistics, of each channel
        return call.made("bent", channels)
    deviation = (variance.detach().double() + given.get("eps", 1e-5)).sqrt()
    gain = (1.0 if weight is None else weight.detach().double()) / deviation
    return call.made("scaled", channels, gain=gain.cpu().numpy())


def _pooling(call: Call) -> Labels | None:
    x = call.own
    labels = call.of(x)
    digits = [int(letter) for letter in call.name if letter.isdigit()]
    axes = range(-(digits[0] if digits else x.ndim - 2), 0)
    bare = None if labels is None else without(labels, list(axes))
    return None if bare is None else call.made("bent", bare)


def _reduction(call: Call) -> Labels | None:
    x, second = call.operands
    if isinstance(second, Tensor):  # the larger of two
        return bent(call)
    labels = call.of(x)
    axes = call.given.get("dim", call.given.get("axis", second))
    if labels is None or axes is None or isinstance(axes, str):
        return None
    axes = [axis % x.ndim for axis in ([axes] if isinstance(axes, int) else list(axes))]
    bare = without(labels, axes)
    if bare is None:
        return None
    keeps = bool(call.given.get("keepdim", (*call.args, None, None, False)[2:][0] is True))
    if not keeps:
        bare = bare.reshape([size for axis, size in enumerate(bare.shape) if axis not in axes])
    found = call.made("bent", bare)
    if call.name != "sum":
        return found
    count = math.prod(x.shape[axis] for axis in axes)
    return call.made("scaled", found, gain=np.full(found.numel(), float(count)))


_KINDS: Final[dict[Rule, str]] = {
    _unchanged: """
        clone contiguous detach to float double half bfloat16 type type_as cpu cuda requires_grad
        dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout
    """,
    bent: """
        relu relu6 hardtanh leaky_relu rrelu prelu elu selu celu gelu silu mish hardswish softplus softsign
        logsigmoid threshold clamp clamp_min clamp_max clip abs square sqrt rsqrt reciprocal exp expm1 log
        log1p pow ipow rpow rdiv rtruediv tanhshrink softshrink hardshrink erf sin cos maximum minimum
        where masked_fill local_response_norm instance_norm
    """,
    _squash: "sigmoid hardsigmoid tanh",
    _weighted: "linear conv1d conv2d conv3d",
    _addition: "add radd iadd sub rsub isub subtract",
    product: "mul rmul imul multiply",
    quotient: "div truediv itruediv divide idiv",
    negative: "neg negative",
    _batch_norm: "batch_norm",
    _pooling: """
        avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d lp_pool1d lp_pool2d lp_pool3d
        max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices
        adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices interpolate upsample
    """,
    _reduction: "mean sum amax amin max min logsumexp std var",
}
RULES: Final[dict[str, Rule]] = {name: rule for rule, names in _KINDS.items() for name in names.split()}
"""The rule of each operation, by its name."""
