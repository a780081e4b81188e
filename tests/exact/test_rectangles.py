"""How the table of f is cut into tasks, and what f is shown in one."""

import re
from itertools import islice

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.exact import _rectangles
from refgrad.exact._factors import count, factors
from refgrad.exact._rectangles import rectangles, split_for
from refgrad.objectives import Interacting

CASES = [Bernoulli(np.zeros(d)) for d in (1, 2, 3, 13, 16, 20, 24, 30, 40)]
CASES += [
    Categorical(np.zeros(s)) for s in ((1, 1), (70, 1), (1, 3), (1, 100_000), (2, 1000), (9, 3), (7, 10), (12, 6))
]


def shape(q):
    return "x".join(map(str, q.event_shape))


@pytest.mark.parametrize("q", CASES, ids=shape)
def test_every_value_of_f_belongs_to_one_task(q):
    parts = factors(q)
    split = split_for(parts)
    places = list(rectangles(parts, split))
    rows, columns = ({(part.start, part.stop) for part in side} for side in zip(*places, strict=True))
    assert len(places) == len(set(map(str, places))) == len(rows) * len(columns)
    for cuts, size in ((rows, count(parts[:split])), (columns, count(parts[split:]))):
        starts, stops = zip(*sorted(cuts), strict=True)
        assert (*starts, size) == (0, *stops)
    assert len(places) <= 2 * 2**16
    largest = max((row.stop - row.start) * (column.stop - column.start) for row, column in places)
    assert largest <= max(2**16, min(2 * count(parts) // 64, 2 * max(2**18, count(parts) // 2**16)))


@pytest.mark.parametrize("q", CASES, ids=shape)
def test_halves_are_no_longer_than_the_square_root_needs_unless_one_call_takes_one_whole(q):
    parts = factors(q)
    split, most = split_for(parts), max(1, 2**16 // q.logits.size)
    assert split <= len(parts) // 2
    assert split == len(parts) // 2 or (
        count(parts[split:]) <= most and (not split or count(parts[split - 1 :]) > most)
    )


def test_sums_that_come_back_from_large_tasks_are_short():
    parts = factors(Bernoulli(np.zeros(40)))
    (row, column), *_ = rectangles(parts, 20)
    assert row.stop + column.stop < 1.1 * 2 * 2**12


def test_there_are_not_many_more_tasks_than_their_sums_can_wait_for():
    parts = factors(Bernoulli(np.zeros(34)))
    assert len(list(islice(rectangles(parts, split_for(parts)), 2**17 + 1))) <= 2**17


@pytest.mark.parametrize("shown", [1, 5, 15, 40, 2**16])
@pytest.mark.parametrize("kept", [1, 8, 2**15])
@pytest.mark.parametrize("task", [1, 6, 2**16])
@pytest.mark.parametrize("event", [(5,), (3, 3)])
def test_however_it_is_cut_every_configuration_is_shown_once(shown, kept, task, event, monkeypatch):
    rng = np.random.default_rng(0)
    q = (Bernoulli if len(event) == 1 else Categorical)(rng.normal(size=event))
    coefficients, seen = rng.normal(size=(4, *event)), []

    def f(z):
        assert z.flags.c_contiguous
        assert z.flags.writeable
        assert z.dtype == np.float64
        assert len(z) <= max(1, _rectangles.SHOWN // q.logits.size)
        seen.extend(map(bytes, z))
        return Interacting(0.5, *coefficients)(z)

    whole = exact.value(q, f), exact.gradient(q, f)
    for name, value in (("SHOWN", shown), ("KEPT", kept), ("SMALL", task), ("LARGE", task), ("TASKS", 7)):
        monkeypatch.setattr(_rectangles, name, value)
    seen.clear()
    assert exact.value(q, f) == pytest.approx(whole[0], rel=1e-14)
    assert sorted(seen) == sorted(map(bytes, q.support()))
    np.testing.assert_allclose(exact.gradient(q, f), whole[1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("task", [12, 100])
@pytest.mark.parametrize("event", [(5,), (3, 3)])
def test_a_value_that_is_not_finite_is_named_however_it_is_cut(event, task, monkeypatch):
    """Calls of three configurations or so, two at once, in tasks of a few columns and of several such pieces."""
    q = (Bernoulli if len(event) == 1 else Categorical)(np.zeros(event))
    sizes = ("SHOWN", 3 * q.logits.size), ("KEPT", 6), ("SMALL", task), ("LARGE", task), ("TASKS", 10**6)
    for name, value in sizes:
        monkeypatch.setattr(_rectangles, name, value)
    for own in q.support():
        with pytest.raises(ValueError, match=re.escape(f"f(z) = nan at z = {own.astype(int).tolist()}") + "$"):
            exact.value(q, lambda z, own=own: np.where((z == own).reshape(len(z), -1).all(axis=1), np.nan, 0.0))
