"""How hard each term of a recipe pulls at pictures."""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from fvhooks.hooks import HookedModel
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen


def term_gradients(
    hooked: HookedModel, plan: Plan, images: Float[torch.Tensor, "picture rgb y x"], owner: Sequence[int]
) -> dict[str, Float[torch.Tensor, " picture"]]:
    """The length of the gradient of each weighted term with respect to the pixels of each picture.

    A term whose gradient is a hundred times as long as another's has the say, whatever the weights look
    like. Transforms are left out, so that the answer is the same each time.

    Examples:
        >>> plan = recipe.plan(request)                                     # doctest: +SKIP
        >>> term_gradients(hooked, plan, images, [0])["RaisedChannels"]     # doctest: +SKIP
        tensor([0.0312])

    Args:
        hooked: the model.
        plan: what a recipe makes of a request.
        images: in [0, 1].
        owner: the owner of each picture in the plan's objectives.

    Returns:
        A length for each picture, by the class of the term; of several terms of a class, numbered.
    """
    leaf = images.detach().to(hooked.device).requires_grad_()
    owners = torch.tensor(list(owner))
    found: dict[str, Float[torch.Tensor, " picture"]] = {}
    with torch.enable_grad():
        seen = Seen(look(hooked, leaf, plan.layers), leaf, owners)
        for weight, term in plan.terms:
            loss = (weight * term(seen)).sum()
            (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True, materialize_grads=True)
            found[_free(type(term).__name__, found)] = gradient.flatten(1).norm(dim=1)
    return found


def _free(name: str, taken: dict[str, torch.Tensor]) -> str:
    number = 1
    while (called := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    return called
