"""Models and data sets by a word on the command line."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fvhooks.dependencies import require
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel, attach

MODELS = "torchvision:NAME, timm:NAME, hf:NAME_OR_FOLDER or MODULE:FUNCTION"
ATTRIBUTORS = "a layer attributor of Captum's, FlowLRP, or MODULE:NAME"
DATA = "a folder with a folder a class, a .npz file with images and labels, hf:NAME:SPLIT or MODULE:FUNCTION"


def model_of(word: str, *, device: str | None = None) -> HookedModel:
    """The model that a word stands for, with its trained weights and its own preprocessing.

    Args:
        word: `torchvision:NAME` or `timm:NAME` (their default weights, which their library downloads once),
            `hf:NAME` of the hub or a local folder, or `MODULE:FUNCTION`, which is called without arguments
            and gives a `HookedModel` or (model, preprocessing).
        device: where to put it.

    Raises:
        MissingInputError: a word of another form, or that nothing is found for.
        MissingDependencyError: the library is not installed.
    """
    library, _, name = word.partition(":")
    makers: dict[str, Callable[[str], HookedModel]] = {
        "torchvision": _torchvision,
        "timm": _timm,
        "hf": _hugging_face,
    }
    if not name:
        raise MissingInputError(f"Expected a model as {MODELS}, got {word!r}.")
    hooked = makers[library](name) if library in makers else _own(word)
    if device is not None:
        hooked.model.to(device)
    return hooked


def dataset_of(word: str) -> Any:  # noqa: ANN401 - any map-style data set
    """The data set that a word stands for.

    Args:
        word: a folder with one folder a class; an `.npz` file with `images` and perhaps `labels`;
            `hf:NAME:SPLIT` of the hub or a local folder, which the library `datasets` loads; or
            `MODULE:FUNCTION`, which is called without arguments.

    Raises:
        MissingInputError: no such folder, an empty one, or a word of another form.
        MissingDependencyError: the library is not installed.
    """
    if word.startswith("hf:"):
        return _hugging_face_data(word)
    if word.endswith(".npz") and Path(word).is_file():
        return _arrays(word)
    if Path(word).is_dir():
        datasets = require("torchvision.datasets", feature="reading a folder of images", extra="models")
        try:
            return datasets.ImageFolder(word)
        except FileNotFoundError as error:
            raise MissingInputError(
                f"Expected a folder with one folder a class, each with images, got {word}: {error}"
            ) from error
    if ":" not in word:
        raise MissingInputError(f"Expected a data set as {DATA}; there is no folder {word!r}.")
    return _called(word)


def _hugging_face_data(word: str) -> Any:  # noqa: ANN401
    datasets = require("datasets", feature=word, extra="transformers")
    name, _, split = word.removeprefix("hf:").rpartition(":")
    if not name:
        raise MissingInputError(f"Expected hf:NAME:SPLIT, such as hf:cifar10:test, got {word!r}.")
    try:
        return datasets.load_dataset(name, split=split)
    except (OSError, ValueError) as error:
        raise MissingInputError(f"No data set could be loaded as {word!r}: {error}") from error


def _arrays(file: str) -> Any:  # noqa: ANN401
    with np.load(file) as arrays:
        found = dict(arrays)
    if "images" not in found:
        raise MissingInputError(f"Expected an array 'images' in {file}, got {', '.join(found) or 'nothing'}.")
    return (found["images"], found["labels"]) if "labels" in found else found["images"]


def _torchvision(name: str) -> HookedModel:
    models = require("torchvision.models", feature=f"torchvision:{name}", extra="models")
    try:
        weights = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise MissingInputError(f"torchvision has no model {name!r}: {error}") from error
    return attach(models.get_model(name, weights=weights), weights)


def _timm(name: str) -> HookedModel:
    timm = require("timm", feature=f"timm:{name}", extra="models")
    try:
        model = timm.create_model(name, pretrained=True)
    except RuntimeError as error:
        raise MissingInputError(f"timm has no trained model {name!r}: {error}") from error
    return attach(model, model.pretrained_cfg)


def _hugging_face(name: str) -> HookedModel:
    library = require("transformers", feature=f"hf:{name}", extra="transformers")
    try:
        model = library.AutoModelForImageClassification.from_pretrained(name)
    except OSError as error:
        raise MissingInputError(f"No image classifier could be loaded as {name!r}: {error}") from error
    try:
        return attach(model, library.AutoImageProcessor.from_pretrained(name))
    except OSError as error:
        raise MissingInputError(
            f"{name!r} says nothing of how its images are normalised (it has no image processor). Write a "
            "function that returns (model, fvhooks.Preprocessing(mean=…, std=…, input_shape=…)), and pass "
            "MODULE:FUNCTION."
        ) from error


def attributor_of(word: str) -> Any:  # noqa: ANN401 - an attributor in any form
    """The attributor that a word stands for.

    Args:
        word: a class of `captum.attr` or of `fvhooks.relevance`, or `MODULE:NAME` of what is one.

    Raises:
        MissingInputError: no such thing.
    """
    if ":" in word:
        return _found(word)
    for library in ("captum.attr", "fvhooks.relevance"):
        found = getattr(import_module(library), word, None)
        if found is not None:
            return found
    raise MissingInputError(f"Expected {ATTRIBUTORS}, got {word!r}. One is LayerIntegratedGradients.")


def _own(word: str) -> HookedModel:
    made = _called(word)
    if isinstance(made, HookedModel):
        return made
    model, preprocessing = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    return attach(model, preprocessing)


def _called(word: str) -> Any:  # noqa: ANN401
    """What `MODULE:FUNCTION` returns."""
    return _found(word)()


def _found(word: str) -> Any:  # noqa: ANN401
    """What `MODULE:NAME` is; modules of the working folder are found too."""
    module, _, function = word.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the module is there, something that it needs is not
        raise MissingInputError(f"There is no module {module!r}, asked for by {word!r}.") from error
    except AttributeError as error:
        raise MissingInputError(f"The module {module!r} has no {function!r}.") from error
