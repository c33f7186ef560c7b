"""The layers that VITAL's authors match exist under their names, with their shapes."""

import pytest
import torchvision

import fvhooks as fv

NODES = {
    "resnet50": {
        "conv1": (64, 112, 112),
        "layer1": (256, 56, 56),
        "layer2": (512, 28, 28),
        "layer3": (1024, 14, 14),
        "layer4": (2048, 7, 7),
    },
    "densenet121": {
        "features.conv0": (64, 112, 112),
        "features.denseblock1": (256, 56, 56),
        "features.denseblock2": (512, 28, 28),
        "features.denseblock3": (1024, 14, 14),
        "features.denseblock4": (1024, 7, 7),
    },
}


@pytest.mark.parametrize("architecture", NODES)
def test_published_nodes_and_shapes(architecture: str) -> None:
    model = torchvision.models.get_model(architecture, weights=None)
    probe = fv.attach(model, input_shape=(3, 224, 224)).probe()
    assert {name: probe[name].shape for name in NODES[architecture]} == NODES[architecture]
