"""Layer names and the way into what a module returns."""

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.errors import LayerNotFoundError, UnsupportedModelError
from fvhooks.hooks.addresses import Address, tensors_in

words = st.text("abcdefgh_.0123456789", min_size=1)


@given(words, st.integers(0, 50), st.lists(words, max_size=3))
def test_every_part_of_a_name_is_found(module: str, call: int, items: list[str]) -> None:
    name = module + (f"#{call}" if call else "") + "".join(f"[{item}]" for item in items)
    assert Address.parse(name) == Address(module, call, tuple(items))


@pytest.mark.parametrize("name", ["", "#1", "a#b", "a[", "a]", "a[]", "[0]", "a[0]b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(LayerNotFoundError, match="Expected a layer name such as"):
        Address.parse(name)


def test_whole_numbers_may_be_the_keys_of_a_dictionary() -> None:
    output = {0: A, 1: {7: B}}
    assert list(tensors_in(output)) == ["[0]", "[1][7]"]
    address = Address.parse("layer[1][7]")
    assert address.select(output) is B
    assert address.put(output, A) == {0: A, 1: {7: A}}
    assert output[1] == {7: B}


@dataclass
class Output:
    last: torch.Tensor
    pooled: torch.Tensor | None = None


A, B = torch.zeros(1), torch.ones(2)
NESTED = {
    "tensor": (A, {"": A}),
    "tuple with None": ((A, None, B), {"[0]": A, "[2]": B}),
    "list in a tuple": (([A, B],), {"[0][0]": A, "[0][1]": B}),
    "dictionary": (OrderedDict(out=A, aux=B), {"[out]": A, "[aux]": B}),
    "dataclass": (Output(A, B), {"[last]": A, "[pooled]": B}),
    "nothing": (None, {}),
}


@pytest.mark.parametrize(("output", "expected"), NESTED.values(), ids=NESTED)
def test_every_tensor_is_listed_and_selected_by_its_path(output, expected) -> None:
    found = tensors_in(output)
    assert list(found) == list(expected)
    for path, tensor in expected.items():
        assert found[path] is tensor
        assert Address.parse(f"layer{path}").select(output) is tensor


def test_the_only_tensor_needs_no_path() -> None:
    assert Address("layer").select((None, {"a": A})) is A


def test_several_tensors_need_one() -> None:
    with pytest.raises(UnsupportedModelError, match=r"name one of: 'enc\[0\]' \(1,\), 'enc\[1\]' \(2,\)"):
        Address("enc").select((A, B))


def test_no_tensor_at_all_is_an_error() -> None:
    with pytest.raises(UnsupportedModelError, match="'enc' returns no tensor but str"):
        Address("enc").select("text")


@pytest.mark.parametrize("name", ["enc[2]", "enc[key]", "enc[0][0][last]"])
def test_a_path_that_is_not_there_names_those_that_are(name: str) -> None:
    with pytest.raises(LayerNotFoundError, match="There: "):
        Address.parse(name).select((Output(A), B))


Z = torch.randn(2, 17, 3, 8)


def test_an_item_of_a_hook_point_is_a_head() -> None:
    address = Address.parse("blocks.0.attn.hook_z[1]")
    assert torch.equal(address.select(Z), Z[:, :, 1])
    changed = address.put(Z, torch.zeros(2, 17, 8))
    assert torch.equal(changed[:, :, [0, 2]], Z[:, :, [0, 2]])
    assert not changed[:, :, 1].any()
    assert Z[:, :, 1].any()


def test_heads_are_known_by_name() -> None:
    square = torch.randn(2, 17, 4, 4)
    assert torch.equal(Address.parse("attn.q.hook_out[3]").select(square), square[:, :, 3])


@pytest.mark.parametrize("item", ["3", "-1", "last"])
def test_a_head_that_is_not_there_is_an_error(item: str) -> None:
    with pytest.raises(LayerNotFoundError, match=rf"'attn.hook_z' has 3 heads, .* got \[{item}\]"):
        Address.parse(f"attn.hook_z[{item}]").select(Z)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("layer4", torch.zeros(2, 8, 4, 7)),
        ("layer4.hook_out", torch.zeros(2, 8, 4, 4)),
        ("layer4.hook_out", torch.zeros(2, 64, 7, 3)),
        ("blocks.0.hook_in", torch.zeros(2, 17, 24)),
        ("blocks.0.attn.hook_pattern", torch.zeros(2, 3, 17, 17)),
    ],
)
def test_other_tensors_have_no_items(name: str, tensor: torch.Tensor) -> None:
    with pytest.raises(LayerNotFoundError, match=rf"no item \[2\].* Ask for '{name}'"):
        Address.parse(f"{name}[2]").select(tensor)
