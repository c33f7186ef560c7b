"""Influence in a store: exact counts, the same however they were come by."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Subset

import fvhooks as fv
from fvhooks.collecting import ballots
from fvhooks.store.plans import halves_of, split_of


def residual() -> nn.Module:
    """Of a class that goes to workers itself: they cannot import the tests."""

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 10, 3, padding=1)
            self.norm, self.outer = nn.BatchNorm2d(10), nn.Conv2d(10, 8, 1)
            self.low, self.relu, self.high = nn.ReLU(), nn.ReLU(), nn.ReLU()
            self.head = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            low = self.low(self.stem(x))
            high = self.high(self.outer(self.relu(self.norm(self.inner(low)))) + low)
            return self.head(high.mean((2, 3)))

    return Residual()


LAYERS = ["low", "high"]


@pytest.fixture(scope="module")
def model() -> fv.HookedModel:
    torch.manual_seed(7)
    net = residual().eval()
    with torch.no_grad():
        net.norm.weight.copy_(torch.randn(10))
        net.norm.running_var.uniform_(0.5, 2)
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))


def counted(model, data, where, **options) -> fv.Store:
    given = {"layers": LAYERS, "influence": {"votes": 3}, "shard_size": 20, "batch_size": 8}
    return fv.collect(model, data, where, show_progress=False, **(given | options))


def arrays(values, where) -> dict[str, np.ndarray]:
    return {name: found for name, found in values(where).items() if name.startswith("influence")}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if first[name].tobytes() != second[name].tobytes()] == []


@pytest.fixture(scope="module")
def whole(model, data, tmp_path_factory):
    where = tmp_path_factory.mktemp("influence") / "s.zarr"
    return counted(model, data, where)


def slow(model, data, store, label: int, part: int) -> np.ndarray:
    """Votes (candidate, channel) of "high", image by image: ten hidden channels, then the skip."""
    net, votes = model.model, np.zeros((11, 8), int)
    table = store.images_table
    ids = [str(name) for name in table.id.values]
    for row, (split, half) in enumerate(zip(split_of(ids), halves_of(ids), strict=True)):
        image, own = data[int(table["index"].values[row])]
        if split == 2 or int(own) != label:
            continue
        with torch.no_grad():
            x = model.normalize(image[None])
            low = net.low(net.stem(x))
            hidden = net.relu(net.norm(net.inner(low)))
            maps = hidden[0][:, None] * net.outer.weight[:, :, 0, 0].T[:, :, None, None]
            strength = torch.cat([maps.amax((2, 3)), low.amax((2, 3))]).numpy()
            if 2 * int(half) + (int(net(x).argmax()) != label) != part:
                continue
        named = np.argsort(-strength, axis=0, kind="stable")[:3]
        votes[named, np.arange(8)] += 1
    return votes


@pytest.mark.parametrize("label", range(4))
def test_votes_are_those_of_a_slow_loop(model, data, whole, label) -> None:
    found = whole.node_votes(whole.node_of("high"), label)
    low = whole.node_of("low")
    for part in range(4):
        dense = np.zeros((11, 8), int)
        for j, slot in np.ndindex(found.node.shape):
            if found.node[j, slot] >= 0:
                is_skip = found.node[j, slot] == low
                assert not is_skip or found.channel[j, slot] == j
                dense[10 if is_skip else found.channel[j, slot], j] += found.votes[j, slot, part]
        np.testing.assert_array_equal(dense, slow(model, data, whole, label, part))


def test_every_channel_casts_all_its_votes(whole, data) -> None:
    table = whole.images_table
    voting = table.split.values != "report"
    for label in range(4):
        images = whole.influence_images(label)
        assert images.sum() == (voting & (table.label.values == label)).sum()
        right = (table.prediction.values == label) & (table.label.values == label) & voting
        assert images[[0, 2]].sum() == right.sum()
        for number in whole.vote_space.counted:
            votes = whole.node_votes(number, label)
            together = votes.votes.sum(1) + votes.remainder
            assert (together == 3 * images).all()
            assert (votes.votes <= images).all()
        active = whole.activation_counts("high", label)
        assert (active.sum(0) == images).all()  # ceil(0.1 × 8) = 1 channel an image
        peaks = whole["high"].peak.values[voting & (table.label.values == label)]
        np.testing.assert_array_equal(active.sum(1), np.bincount(peaks.argmax(1), minlength=8))


def test_few_sources_are_kept_and_the_rest_counted(model, data, whole, tmp_path) -> None:
    store = counted(model, data, tmp_path / "s.zarr", influence={"votes": 3, "width": 2})
    for label in range(4):
        few, all_ = (s.node_votes(s.node_of("high"), label) for s in (store, whole))
        np.testing.assert_array_equal(few.votes, all_.votes[:, :2])
        np.testing.assert_array_equal(few.remainder, all_.votes[:, 2:].sum(1))
        totals = all_.votes.sum(2)
        assert (np.diff(totals, axis=1) <= 0).all()


def test_only_inputs_that_raise_a_channel(model, data, tmp_path) -> None:
    net = model.model
    said = {"votes": 3, "positive_only": True}
    store = counted(model, data, tmp_path / "s.zarr", influence=said)
    inhibited = (net.outer.weight[:, :, 0, 0] <= 0).numpy()
    hidden = next(n for n, node in enumerate(store.wiring.nodes) if not node.kept)
    for label in range(4):
        votes = store.node_votes(store.node_of("high"), label)
        j, slot = np.nonzero(votes.node == hidden)
        assert not inhibited[j, votes.channel[j, slot]].any()
        assert (votes.votes.sum(1) + votes.remainder <= 3 * store.influence_images(label)).all()


def test_added_later_or_with_other_batches_it_is_the_same(model, data, whole, values, tmp_path) -> None:
    counted(model, data, tmp_path / "s.zarr", influence=False)
    with pytest.raises(fv.errors.MissingInputError, match=r"has no influence\. Call .*influence=True"):
        fv.open_store(tmp_path / "s.zarr").influence("high", 0)
    later = counted(model, data, tmp_path / "s.zarr", batch_size=5)
    same(arrays(values, tmp_path / "s.zarr"), arrays(values, whole.path))
    later.verify()
    with_tops = counted(model, data, tmp_path / "t.zarr", keep="top", relevance="prediction")
    same(arrays(values, with_tops.path), arrays(values, whole.path))


def test_further_layers_are_counted_with_the_others(model, data, tmp_path, values) -> None:
    counted(model, data, tmp_path / "a.zarr")
    more = counted(model, data, tmp_path / "a.zarr", layers=["relu"])
    once = counted(model, data, tmp_path / "b.zarr", layers=["low", "relu", "high"])
    assert more.wiring.layers == ["low", "relu", "high"]
    same(arrays(values, more.path), arrays(values, once.path))
    more.verify()


def test_images_that_are_added_add_up(model, data, tmp_path, values) -> None:
    """Of channels that all fit, the counts are those of one pass."""
    ids = [f"{n:03d}" for n in range(90)]
    half = Subset(data, range(50))
    counted(model, half, tmp_path / "a.zarr", ids=ids[:50])
    grown = counted(model, data, tmp_path / "a.zarr", ids=ids, influence=False)
    once = counted(model, data, tmp_path / "b.zarr", ids=ids)
    same(arrays(values, grown.path), arrays(values, once.path))
    grown.verify()
    counted(model, half, tmp_path / "c.zarr", ids=ids[:50], influence={"votes": 3, "width": 1})
    few = counted(model, data, tmp_path / "c.zarr", ids=ids, influence={"votes": 3, "width": 1})
    for label in range(4):
        votes = few.node_votes(few.node_of("high"), label)
        assert ((votes.votes.sum(1) + votes.remainder) == 3 * few.influence_images(label)).all()


def test_stopped_and_damaged_it_goes_on(model, data, whole, values, tmp_path, monkeypatch) -> None:
    where, written = tmp_path / "s.zarr", []
    write = ballots.Ballot._write

    def stopping(ballot, segment) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(segment)
        write(ballot, segment)

    monkeypatch.setattr(ballots.Ballot, "_write", stopping)
    with pytest.raises(KeyboardInterrupt):
        counted(model, data, where)
    monkeypatch.undo()
    heads = where / "partials" / "0" / "influence" / "head" / "c"
    for file in (heads / "0").iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
    store = counted(model, data, where)
    same(arrays(values, where), arrays(values, whole.path))
    store.verify()
    [name] = [f"{key}/votes" for n, key in store.vote_space.keys().items() if n == store.node_of("high")]
    file = next((where / "influence" / name / "c").rglob("0"))
    while file.is_dir():
        file = next(iter(file.iterdir()))
    file.unlink()
    with pytest.raises(fv.errors.StoreError, match=r"influence/.*high/votes"):
        store.verify()


def test_workers_count_the_same(model, data, whole, values, tmp_path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = counted(model, data, tmp_path / "s.zarr", client=client, threads=1)
    same(arrays(values, found.path), arrays(values, whole.path))


def test_channels_permuted_permute_the_votes(model, data, whole, tmp_path) -> None:
    order = torch.randperm(10)
    other = residual().eval()
    other.load_state_dict(model.model.state_dict())
    with torch.no_grad():
        for part in (other.inner.weight, other.inner.bias, *other.norm.state_dict().values()):
            if part.ndim:
                part.copy_(part[order].clone())
        other.outer.weight.copy_(other.outer.weight[:, order].clone())
    hooked = fv.attach(other, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))
    store = counted(hooked, data, tmp_path / "s.zarr")
    hidden = next(n for n, node in enumerate(store.wiring.nodes) if not node.kept)
    for label in range(4):
        first, second = (s.node_votes(hidden, label) for s in (whole, store))
        np.testing.assert_array_equal(first.votes[order].sum(2), second.votes.sum(2))


def test_a_transformer_is_refused_before_anything_is_made(tmp_path, data) -> None:
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.act = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Identity()
            self.head = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.relu(self.conv(x)).flatten(2).transpose(1, 2)
            mixed = self.act(torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens)
            return self.head(mixed.mean(1))

    hooked = fv.attach(Mixing(), mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))
    with pytest.raises(fv.errors.UnsupportedModelError, match=r"on the way to 'act' is .*edges='relevance'"):
        counted(hooked, data, tmp_path / "s.zarr", layers=["relu", "act"])
    assert not (tmp_path / "s.zarr").exists()


def test_what_makes_no_sense_is_refused(model, data, whole, tmp_path) -> None:
    with pytest.raises(fv.errors.MissingInputError, match="Expected influence=True, or some of votes"):
        counted(model, data, tmp_path / "s.zarr", influence={"vote": 3})
    with pytest.raises(fv.errors.MissingInputError, match="1 or more"):
        counted(model, data, tmp_path / "s.zarr", influence={"votes": 0})
    with pytest.raises(fv.errors.StoreError, match="counts influence by"):
        counted(model, data, whole.path, influence=True)
    with pytest.raises(fv.errors.MissingInputError, match="has no label 9"):
        whole.influence("high", 9)
    with pytest.raises(
        fv.errors.LayerNotFoundError, match="no influence for layer 'hig'.*Did you mean 'high'"
    ):
        whole.influence("hig", 0)
