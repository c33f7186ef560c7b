"""Bytes that change, objects that vanish or end too early: named by `verify`, mended by `repair`."""

import shutil
from pathlib import Path

import pytest

from fvhooks.errors import StoreError
from fvhooks.store.verification import verify_store

REPAIR = {"options": {"repair": True}}
KINDS = ["flipped", "deleted", "truncated"]


def damage(file: Path, kind: str) -> None:
    content = bytearray(file.read_bytes())
    if kind == "deleted":
        file.unlink()
    elif kind == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0x55
        file.write_bytes(content)


@pytest.fixture(scope="module")
def finished(nursery, tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("finished") / "s.zarr"
    nursery.finish(where)
    return where


@pytest.fixture(scope="module")
def half(nursery, tmp_path_factory) -> Path:
    """A store with four of five shards."""
    where = tmp_path_factory.mktemp("half") / "s.zarr"
    assert nursery.run(where, trap={"what": "kill", "match": "ledger/0/checksum/c/4"}) == -9
    return where


def copied(where: Path, folder: Path) -> Path:
    """A store of its own, with what was read for it."""
    shutil.copy(where.with_suffix(".reads"), folder / "s.reads")
    return shutil.copytree(where, folder / "s.zarr")


@pytest.mark.parametrize("kind", KINDS)
def test_shards_of_a_finished_store(nursery, finished, check, tmp_path, kind) -> None:
    where = copied(finished, tmp_path)
    for name in ("layers/1/peak/c/2/0", "layers/3/trough/c/2/0", "images/prediction/c/3"):
        damage(where / name, kind)
    with pytest.raises(StoreError, match="damaged in 3 objects.*Damaged shards: 2-3") as info:
        verify_store(str(where))
    for name in ("layers/1/peak (shard 2)", "layers/3/trough (shard 2)", "images/prediction (shard 3)"):
        assert name in str(info.value)
    nursery.finish(where, **REPAIR)
    check(where, shards=2)
    assert len(nursery.redone(where)) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_shards_of_a_half_written_store(nursery, half, check, tmp_path, kind) -> None:
    where = copied(half, tmp_path)
    damage(where / "layers/1/peak/c/0/0", kind)
    damage(where / "images/logit/c/2", kind)
    said = "half-written .1 shards are not done: 4;.*damaged in 2 objects.*Damaged shards: 0, 2"
    with pytest.raises(StoreError, match=said) as info:
        verify_store(str(where))
    assert "layers/1/peak (shard 0)" in str(info.value)
    assert "images/logit (shard 2)" in str(info.value)
    nursery.finish(where, **REPAIR)
    check(where, shards=3)  # and the one that was not entered


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_without_the_model(nursery, finished, check, tmp_path, kind) -> None:
    """Coordinates come from the data set, quantiles from peaks: no picture goes through the model."""
    where = copied(finished, tmp_path)
    for name in ("images/id/c/0", "layers/1/label/c/0", "layers/3/quantiles/c/0/0"):
        damage(where / name, kind)
    with pytest.raises(StoreError, match="images/id, layers/1/label, layers/3/quantiles"):
        verify_store(str(where))
    nursery.finish(where, **REPAIR)
    check(where, shards=0)


def test_a_statistic_of_all_images_is_not_mended(nursery, finished, tmp_path) -> None:
    where = copied(finished, tmp_path)
    damage(where / "layers/3/profile/c/0/0/0", "flipped")
    name, _ = nursery.start(where, **REPAIR)
    assert nursery.wait(name) == 1
    last = nursery.said(name).splitlines()[-1]
    assert last.startswith("fvhooks.errors.StoreError")
    assert "layers/3/profile" in last
    assert "Collect into another path" in last
