"""Data sets by a word."""

import numpy as np
import pytest
from PIL import Image

from fvhooks.datasets.sources import Source
from fvhooks.errors import MissingInputError
from fvhooks.hooks import Preprocessing
from fvhooks.specifiers import dataset_of


def test_a_file_of_arrays(tmp_path) -> None:
    images = np.arange(4 * 3 * 8 * 8, dtype=np.uint8).reshape(4, 3, 8, 8)
    np.savez(tmp_path / "both.npz", images=images, labels=[0, 1, 1, 0])
    np.savez(tmp_path / "one.npz", images=images)
    np.savez(tmp_path / "none.npz", data=images)
    source = Source(dataset_of(str(tmp_path / "both.npz")), Preprocessing())
    assert source.labels().tolist() == [0, 1, 1, 0]
    assert source.read(2).numpy().tolist() == images[2].tolist()
    assert Source(dataset_of(str(tmp_path / "one.npz")), Preprocessing()).labels().tolist() == [-1] * 4
    with pytest.raises(MissingInputError, match="array 'images' in .*none.npz, got data"):
        dataset_of(str(tmp_path / "none.npz"))


def test_a_data_set_of_hugging_face(tmp_path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for name in ("cat", "owl"):
        (tmp_path / "data" / "test" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "data" / "test" / name / "a.png")
    source = Source(dataset_of(f"hf:{tmp_path / 'data'}:test"), Preprocessing())
    assert source.labels().tolist() == [0, 1]
    with pytest.raises(MissingInputError, match="No data set could be loaded as 'hf:.*:nosplit'"):
        dataset_of(f"hf:{tmp_path / 'data'}:nosplit")
    with pytest.raises(MissingInputError, match="Expected hf:NAME:SPLIT"):
        dataset_of("hf:cifar10")
