"""Attach, probe, read and trunk on trained networks of four families and real images."""

from dataclasses import replace

import pytest
import torch
from captum.attr import LayerGradientXActivation

import fvhooks as fv
from fvhooks.units import Layout

pytestmark = pytest.mark.real

NETWORKS = {  # name: (side of the image, layer in the middle, its layout, what never fires)
    "cifar10_resnet20": (32, "layer2", Layout("map", 32, (16, 16)), ()),
    "imagenet_googlenet": (224, "inception_4c", Layout("map", 512, (14, 14)), ()),
    "imagenet_squeezenet1_1": (224, "features.9", Layout("map", 384, (13, 13)), ()),
    "cifar10_vit": (32, "transformer.layers.3", Layout("tokens", 128, (8, 8), prefix=1), ("out_proj",)),
    "imagenet_vit_tiny": (224, "vit.layers.7", Layout("tokens", 192, (14, 14), prefix=1), ()),
}


@pytest.fixture(scope="module")
def real(shared, request):
    """name -> (model, hooked, four real images, their labels); each network is loaded once."""
    known = {}

    def load(name):
        if name not in known:
            model, mean, std = shared.load(name)
            side = NETWORKS[name][0]
            known[name] = model, fv.attach(model, mean=mean, std=std, input_shape=(3, side, side))
        return *known[name], *_images(shared, NETWORKS[name][0])

    return load


def _images(shared, side: int):
    if side == 32:
        images, labels = shared.cifar10("test")
        return images[:4], labels[:4]
    from torchvision.transforms import CenterCrop, Compose, PILToTensor

    dataset = shared.imagenet_sample(Compose([CenterCrop(side), PILToTensor()]))
    pairs = [dataset[index] for index in (1, 207, 508, 963)]
    return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])


@pytest.fixture(params=NETWORKS)
def case(request, real):
    return request.param, *real(request.param)


def test_logits_are_the_models_own_and_right(case) -> None:
    _, model, hooked, images, labels = case
    with torch.no_grad():
        output = model(hooked.normalize(images))
    logits = hooked.read(images, ["logits"])["logits"]
    assert torch.equal(logits, getattr(output, "logits", output))
    assert (logits.argmax(1) == labels).sum() >= 2


def test_every_listed_layer_can_be_read_and_has_the_shape_that_the_probe_saw(case) -> None:
    _, _, hooked, images, _ = case
    probe = hooked.probe()
    read = hooked.read(images, hooked.layers)
    assert list(read) == hooked.layers
    assert {name: tuple(t.shape[1:]) for name, t in read.items()} == {n: i.shape for n, i in probe.items()}


def test_layouts_and_silent_modules(case) -> None:
    name, _, hooked, _, _ = case
    _, layer, layout, silent = NETWORKS[name]
    assert hooked.layout(layer) == layout
    assert (
        all(quiet.endswith(silent) for quiet in hooked.probe().silent)
        if silent
        else not hooked.probe().silent
    )


def test_reading_leaves_the_model_alone(case, untouched) -> None:
    name, model, hooked, images, _ = case
    with untouched(model):
        hooked.read(images, [NETWORKS[name][1]])


def test_an_early_stop_reads_the_same_as_the_whole_pass(case) -> None:
    name, _, hooked, images, _ = case
    layer = NETWORKS[name][1]
    with torch.no_grad():
        whole = hooked.read(images, [layer, "logits"])[layer]
        assert torch.equal(hooked.read(images, [layer])[layer], whole)


def test_pixels_get_gradients(case) -> None:
    name, _, hooked, images, _ = case
    x = (images[:1] / 255).requires_grad_()
    (gradient,) = torch.autograd.grad(hooked.read(x, [NETWORKS[name][1]])[NETWORKS[name][1]].sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_captum_explains_an_inner_channel(case) -> None:
    name, model, hooked, images, _ = case
    layer = NETWORKS[name][1]
    trunk = hooked.trunk(layer)
    first = next(n for n, i in hooked.probe().items() if i.layout and i.layout.kind == "map")
    found = LayerGradientXActivation(trunk, dict(model.named_modules())[first]).attribute(
        images[:2] / 255, target=3
    )
    assert found.shape[1:] == hooked.probe()[first].shape
    assert torch.isfinite(found).all()
    assert found.abs().max() > 0


def test_nothing_behind_the_layer_runs(real, monkeypatch) -> None:
    model, hooked, images, _ = real("cifar10_resnet20")
    monkeypatch.setattr(model.layer3[0], "forward", lambda _x: pytest.fail("ran past the layer"))
    hooked.read(images, ["layer2"])
    with pytest.raises(pytest.fail.Exception):
        hooked.read(images, ["layer3"])


def test_convolutions_before_an_in_place_relu_are_read_as_produced(real) -> None:
    model, _, images, _ = real("imagenet_squeezenet1_1")
    fresh = fv.attach(model, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    with torch.no_grad():
        expected = model.features[0](fresh.normalize(images))
        for _ in range(2):
            assert torch.equal(fresh.read(images, ["features.0", "logits"])["features.0"], expected)
    assert expected.min() < 0


def test_hugging_face_processors_say_the_models_preprocessing(real, shared) -> None:
    from transformers import ViTImageProcessor

    model, hooked, _, _ = real("imagenet_vit_tiny")
    processor = ViTImageProcessor(
        image_mean=[0.5] * 3, image_std=[0.5] * 3, size={"height": 224, "width": 224}
    )
    expected = replace(hooked.preprocessing, resize=(224, 224), crop="squash")
    assert fv.attach(model, processor).preprocessing == expected
