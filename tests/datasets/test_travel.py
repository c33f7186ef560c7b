"""What can be sent to other processes, and what is said of the rest."""

import threading

import pytest
import torch
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.datasets.sources import Source
from fvhooks.datasets.travel import bytes_to_send
from fvhooks.errors import MissingInputError

KNOWN = fv.Preprocessing(input_shape=(3, 8, 8))


class Held:
    def __init__(self, thing):
        self.thing = thing

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return torch.zeros(3, 8, 8)


def test_an_open_file_and_a_lock_cannot_be_sent(tmp_path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with (tmp_path / "f").open("rb") as file:
        for thing in (file, threading.Lock(), (number for number in range(3))):
            with pytest.raises(
                MissingInputError, match="got a Held that cannot: .* open them in __getitem__"
            ):
                bytes_to_send(Source(Held(thing), KNOWN))


def test_functions_without_a_name_can_be_sent() -> None:
    assert bytes_to_send(Source(Held(lambda image: image), KNOWN)) > 0


def test_the_size_is_that_of_what_is_held() -> None:
    images = torch.zeros(1000, 3, 8, 8, dtype=torch.uint8)
    size = bytes_to_send(Source(TensorDataset(images), KNOWN))
    assert images.numel() < size < images.numel() + 50_000
