"""The script that trains sparse autoencoders, on a trained network: its latents as a layer."""

from importlib import import_module
from pathlib import Path

import pytest

import fvhooks as fv

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.real
def test_an_autoencoder_by_the_script(shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = import_module("train_sae")
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    rows = script.activations(hooked, shared.cifar10("train")[0][:400], "layer2")
    coder = script.train(rows, 200)
    images, labels = shared.cifar10("test")
    found = script.measured(hooked, coder, "layer2", images[:100], labels[:100])
    assert float(found["unexplained_held_out"]) < 0.2
    assert float(found["agreement_rebuilt"]) > 0.8
    with_sae = hooked.with_sae("layer2", coder)
    latents = with_sae.read(images[:4], ["layer2/sae"])["layer2/sae"]
    assert latents.shape == (4, 384, 16, 16)
    assert int((latents > 0).sum(1).max()) <= 16
