"""What a request says, and what counts as an answer to it."""

import json

import numpy as np
import pytest

from refgrad import Categorical
from refgrad.testing import Problem, standard_problems
from refgrad.testing.adapters._protocol import (
    ProtocolError,
    RefusedError,
    answer_limit,
    described,
    read_answer,
    request,
)

SHAPE = (2, 1, 3)  # n, D, K
ROWS = np.arange(6.0).reshape(SHAPE)


def written(problem, **given):
    line = request(7, json.dumps(described(problem), separators=(",", ":"), allow_nan=False), given)
    assert line.endswith(b"}\n")
    assert b" " not in line
    assert line.count(b"\n") == 1
    return line, json.loads(line)


def test_a_request_is_one_line_with_everything_in_it():
    problem = standard_problems("bernoulli")[3]
    _, asked = written(problem, n=4, seed=2**53 - 1)
    assert asked.pop("objective")["values"] == problem.f(problem.q.support()).tolist()
    assert asked == {
        "refgrad": 1,
        "id": 7,
        "n": 4,
        "seed": 2**53 - 1,
        "family": "bernoulli",
        "shape": [2],
        "logits": [1.2, -0.4],
    }


@pytest.mark.parametrize("problem", standard_problems(), ids=str)
def test_every_key_occurs_once_and_nothing_is_rounded(problem):
    noise = np.random.default_rng(0).normal(size=(2, 3, *problem.q.event_shape))
    line, asked = written(problem, n=3, draws=2, noise=noise.tolist())
    keys = [*asked, *asked["objective"]]
    assert [line.count(f'"{key}":'.encode()) for key in keys] == [1] * len(keys)
    assert (np.array(asked["logits"]) == problem.logits).all()
    assert (np.array(asked["noise"]) == noise).all()


def test_a_masked_category_is_null():
    problem = Problem(Categorical([[0.5, -np.inf, 1.0]]), lambda z: z[..., 0, 0], "masked")
    _, asked = written(problem, n=1, seed=0)
    assert asked["logits"] == [[0.5, None, 1.0]]
    assert asked["objective"]["values"] == [1.0, None, 0.0]


@pytest.mark.parametrize("rows", [ROWS, ROWS.reshape(2, 3), ROWS.ravel(), ROWS.astype(int)], ids=str)
def test_rows_come_nested_or_flat(rows):
    found = read_answer(json.dumps({"id": 7, "rows": rows.tolist()}).encode(), 7, SHAPE)
    assert found.dtype == np.float64
    assert (found == ROWS).all()


def test_what_is_not_finite_is_passed_on():
    line = b'{"id": 7, "rows": [[null, NaN, Infinity], [-Infinity, 1, 2.5]], "more": 1}\r'
    found = read_answer(line, 7, (2, 3))
    assert np.array_equal(found, [[np.nan, np.nan, np.inf], [-np.inf, 1, 2.5]], equal_nan=True)
    assert np.isnan(read_answer(b'{"id": 7, "rows": [null, null]}', 7, (2, 1))).all()


def test_whole_numbers_of_any_size_are_numbers():
    assert read_answer(b'{"id": 7, "rows": [1%s]}' % (b"0" * 30), 7, (1, 1)) == 1e30


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"", r"needs to answer in JSON, but wrote '' \(Expecting value"),
        (b"hello, world", r"needs to answer in JSON, but wrote 'hello, world' \(Expecting value"),
        (b'{"id": 7, "rows": [[1, 2', r"needs to answer in JSON, but wrote '\{\"id\": 7, \"rows\": \[\[1, 2' \("),
        (b"\xff\xfe", r"needs to answer in JSON, but wrote '\ufffd\ufffd' \("),
        (b"[" * 100_000, r"needs to answer in JSON, but wrote '\[+' and 99,920 bytes more \("),
        (b"[1, 2]", r"needs to answer with an object, but wrote '\[1, 2\]'"),
        (b'{"id": 8, "rows": []}', r'needs to answer with "id": 7, but wrote \'\{"id": 8, "rows": \[\]\}\''),
        (b'{"rows": []}', r'needs to answer with "id": 7, but wrote'),
        (b'{"id": 7.0, "rows": []}', r'needs to answer with "id": 7, but wrote'),
        (b'{"id": 7, "error": null}', r'needs to answer with "rows" or "error", but wrote'),
        (b'{"id": 7, "rows": [1], "rows": [2]}', r"""with every key once, but wrote '"rows"' again"""),
        (b'{"id": 8, "id": 7, "rows": []}', r"""with every key once, but wrote '"id"' again"""),
        ('{"id": 7}\n'.encode("utf-16-be")[:-1], r"but wrote .* \(zero bytes: is it UTF-16\? UTF-8 is needed\) \("),
        (
            b'{"id": 7, "error": "caf\xe9"}',
            r"needs to answer in JSON, but wrote .* \('utf-8' codec can't decode byte 0xe9",
        ),
        (b'{"id": 7, "rows": [1%s]}' % (b"0" * 400), "numbers of double precision, but one is larger: int too large"),
        (b'{"id": 7, "rows": [1%s, 0.5]}' % (b"0" * 400), "numbers of double precision, but one is larger: int too"),
        (b'{"id": 7, "rows": [true, 1, 1, 1, 1, 1]}', "needs to answer with numbers, but has 'true' among its rows"),
        (
            b'{"id": 7, "rows": [0.5, 1, 1, 1, 1, false]}',
            "needs to answer with numbers, but has 'false' among its rows",
        ),
        (b'{"id": 7, "row": []}', r'needs to answer with "rows" or "error", but wrote \'\{"id": 7, "row": \[\]\}\''),
        (b'{"id": 7, "rows": [1, 2]}', r"with 2 rows of 3, nested as \[2, 1, 3\] or flat, but their shape is \(2,\)"),
        (b'{"id": 7, "rows": [[1, 2], [3, 4], [5, 6]]}', r"or flat, but their shape is \(3, 2\)"),
        (b'{"id": 7, "rows": [[1, 2, 3]]}', r"or flat, but their shape is \(1, 3\)"),
        (b'{"id": 7, "rows": []}', r"or flat, but their shape is \(0,\)"),
        (b'{"id": 7, "rows": null}', r"or flat, but their shape is \(\)"),
        (b'{"id": 7, "rows": [[1, 2, 3], [4, 5]]}', r"or flat, but they are not alike: "),
        (
            b'{"id": 7, "rows": [[1, 2, 3], [4, 5, "6"]]}',
            r"needs to answer with numbers, but has '\"6\"' among its rows",
        ),
        (b'{"id": 7, "rows": [[1, 2, null], [4, 5, "6"]]}', r"needs to answer with numbers, but has '\"6\"' among its"),
        (
            b'{"id": 7, "rows": [[true, true, true], [true, true, true]]}',
            r"needs to answer with numbers, but has 'true' am",
        ),
        (b'{"id": 7, "rows": {"0": 1}}', r"needs to answer with numbers, but has '\{\"0\": 1\}' among its rows"),
        (b'{"id": 7, "rows": "1, 2"}', r"needs to answer with numbers, but has '\"1, 2\"' among its rows"),
    ],
)
def test_what_is_no_answer(line, text):
    with pytest.raises(ProtocolError, match=text):
        read_answer(line, 7, SHAPE)


def test_a_mistake_far_behind_is_shown():
    line = b'{"id": 7, "rows": [' + b"0.125, " * 1000 + b"nan]}"
    with pytest.raises(ProtocolError, match=r"at byte 6,979 of it '.*0.125, nan\]\}' \(Expecting value"):
        read_answer(line, 7, SHAPE)


def test_the_number_of_the_first_request_is_no_other_zero():
    for number in (b"false", b"0.0", b"-0.0", b'"0"', b"null"):
        with pytest.raises(ProtocolError, match='needs to answer with "id": 0, but wrote'):
            read_answer(b'{"id": %s, "rows": [1]}' % number, 0, (1, 1))
    assert read_answer(b'{"id": 0, "rows": [1]}', 0, (1, 1)) == 1


def test_an_error_that_is_null_is_none_and_booleans_elsewhere_do_not_matter():
    assert read_answer(b'{"id": 7, "error": null, "rows": [2, null], "exact": true}', 7, (2, 1))[0] == 2


def test_an_error_is_fit_for_a_terminal_and_a_file():
    with pytest.raises(RefusedError) as caught:
        read_answer(rb'{"id": 7, "error": "\ud800 \u001b[2J \u0007 caf\u00e9"}', 7, SHAPE)
    assert str(caught.value) == r"\ud800 \x1b[2J \x07 café"


def test_an_error_is_said_and_cut():
    with pytest.raises(RefusedError, match=r"^only bernoulli$"):
        read_answer(b'{"id": 7, "error": "only bernoulli"}', 7, SHAPE)
    with pytest.raises(RefusedError) as caught:
        read_answer(json.dumps({"id": 7, "error": "x" * 10_000}).encode(), 7, SHAPE)
    assert len(str(caught.value)) == 2000


def test_an_answer_has_room_for_numbers_written_at_length():
    longest = json.dumps({"id": 7, "rows": np.full((1000, 4), -2.2250738585072014e-308).tolist()}, indent=8)
    assert len(longest) < answer_limit((1000, 4)) < 10 * len(longest)
