"""Rows, splits, references and segments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.store.plans import make_plan, split_of


@given(labels=st.lists(st.integers(-1, 4), min_size=1, max_size=60), size=st.integers(1, 20))
def test_segments_tile_the_labelled_rows(labels: list[int], size: int) -> None:
    plan = make_plan([str(n) for n in range(len(labels))], np.array(labels), references=3, shard_size=size)
    covered = np.zeros(len(labels), int)
    for segment in plan.segments:
        covered[segment.start : segment.stop] += 1
        assert set(plan.labels[segment.start : segment.stop]) == {plan.groups[segment.group]}
        assert segment.start // size == (segment.stop - 1) // size
    assert np.array_equal(covered, np.isin(plan.labels, plan.groups))
    by_shard = [segment for shard in range(plan.shards) for segment in plan.segments_of(shard)]
    assert by_shard == plan.segments
    assert [segment.number for segment in plan.segments] == list(range(len(plan.segments)))


@given(count=st.integers(1, 5))
def test_references_are_few_and_of_their_split(count: int) -> None:
    labels = np.arange(200) % 4
    plan = make_plan([str(n) for n in range(200)], labels, references=count, shard_size=64)
    assert (plan.split[plan.is_reference] == 0).all()
    assert np.bincount(plan.labels[plan.is_reference]).tolist() == [count] * 4


def test_references_do_not_depend_on_the_order_of_the_data() -> None:
    ids, labels = np.array([f"{n}.jpg" for n in range(100)]), np.arange(100) % 3
    order = np.random.default_rng(0).permutation(100)
    one = make_plan(ids.tolist(), labels, references=5, shard_size=10)
    other = make_plan(ids[order].tolist(), labels[order], references=5, shard_size=30)
    assert set(ids[one.index[one.is_reference]]) == set(ids[order][other.index[other.is_reference]])


def test_images_without_a_label_are_no_group_beside_others() -> None:
    assert make_plan(["a", "b"], np.array([-1, 3]), references=5, shard_size=10).groups.tolist() == [3]
    assert make_plan(["a", "b"], np.array([-1, -1]), references=5, shard_size=10).groups.tolist() == [-1]


def test_splits_are_sixty_twenty_twenty() -> None:
    shares = np.bincount(split_of([f"n{n}/{n}.jpg" for n in range(20_000)])) / 20_000
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.01)


@pytest.mark.parametrize(("images", "size"), [(10, 256), (500, 256), (50_000, 1024), (1_281_167, 4096)])
def test_shards_grow_with_the_data_up_to_a_limit(images: int, size: int) -> None:
    labels = np.zeros(images, np.int64)
    assert make_plan(["x"] * images, labels, references=1, shard_size=None).shard_size == size
