"""A check that is stopped goes on: the same bits, whole files, and no other's."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.estimators import Reinforce
from refgrad.testing import Problem, SamplerError, check_moments, check_unbiased, standard_problems, state
from testing import samplers

TOY = standard_problems("bernoulli")[0]
OTHER = standard_problems("bernoulli")[1]
LONG = {"tolerance": 0.03, "max_samples": 400_000, "causes": False}


class Stop(Exception):  # noqa: N818
    pass


def stopping(after):
    """A sampler that ends the process, as it were, at its call number `after`."""
    count = []

    def sampler(problem, n, rng):
        count.append(n)
        if len(count) > after:
            raise Stop
        return samplers.reinforce(problem, n, rng)

    sampler.__name__ = samplers.reinforce.__name__
    return sampler


def interrupted(path, after, problem=TOY, **options):
    with pytest.raises(SamplerError):
        check_unbiased(stopping(after), problem, state=path, **LONG | options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


@pytest.mark.parametrize("stops", [[4], [3, 5, 20], [10, 11, 12]])
def test_the_same_bits(path, stops, monkeypatch):
    whole = check_unbiased(samplers.reinforce, TOY, **LONG)
    for after in stops:
        interrupted(path, after)
    assert check_unbiased(samplers.reinforce, TOY, state=path, **LONG).to_dict() == whole.to_dict()


def test_what_was_done_is_not_done_again(path):
    check_unbiased(samplers.reinforce, TOY, state=path, **LONG)
    calls = []

    def counted(problem, n, rng):
        calls.append(n)
        return samplers.reinforce(problem, n, rng)

    counted.__name__ = samplers.reinforce.__name__
    again = check_unbiased(counted, TOY, state=path, **LONG)
    assert again.to_dict() == check_unbiased(samplers.reinforce, TOY, **LONG).to_dict()
    assert calls[:3] == [1024, 1024, 1024]
    assert sum(calls[3:]) < 0.2 * again.n  # what lies beyond the last look of the schedule


def test_more_samples_later(path):
    options = LONG | {"max_samples": 60_000}
    assert check_unbiased(samplers.reinforce, TOY, state=path, **options).outcome == "undecided"
    gone_on = check_unbiased(samplers.reinforce, TOY, state=path, **LONG)
    assert gone_on.to_dict() == check_unbiased(samplers.reinforce, TOY, **LONG).to_dict()


def test_several_problems_in_one_file(path):
    for after in (5, 9):
        for problem in (TOY, OTHER):
            interrupted(path, after, problem)
    assert set(json.loads(path.read_text())["checks"]) == {str(TOY), str(OTHER)}
    for problem in (TOY, OTHER):
        whole = check_unbiased(samplers.reinforce, problem, **LONG)
        assert check_unbiased(samplers.reinforce, problem, state=path, **LONG).to_dict() == whole.to_dict()


def test_second_moments(path):
    options = {"max_samples": 100_000, "causes": False}
    whole = check_moments(samplers.reinforce, TOY, Reinforce(), **options)
    for _ in range(2):
        with pytest.raises(SamplerError):
            check_moments(stopping(12), TOY, Reinforce(), state=path, **options)
    assert check_moments(samplers.reinforce, TOY, Reinforce(), state=path, **options).to_dict() == whole.to_dict()


def test_killed_at_any_moment(path, tmp_path):
    """By a signal that nobody can catch, in the middle of whatever it does."""
    code = textwrap.dedent(
        f"""
        import json, sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from testing import samplers
        from refgrad.testing import check_unbiased, standard_problems
        def reinforce(problem, n, rng):
            time.sleep(float(sys.argv[2]))
            return samplers.reinforce(problem, n, rng)
        options = dict(tolerance=0.03, max_samples=400_000, causes=False)
        verdict = check_unbiased(reinforce, standard_problems("bernoulli")[0], state=sys.argv[1], **options)
        print(json.dumps(verdict.to_dict()))
        """
    )
    command = [sys.executable, "-c", code, str(path)]
    rng, kills = np.random.default_rng(0), 0
    while kills < 6:
        process = subprocess.Popen([*command, "0.05"], stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        while not path.exists() and process.poll() is None and time.monotonic() - began < 60:
            time.sleep(0.01)
        time.sleep(0.1 * rng.random())
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.communicate()
        kills += 1
    assert kills
    gone_on = subprocess.run([*command, "0"], stdout=subprocess.PIPE, text=True, check=True).stdout
    whole = check_unbiased(samplers.reinforce, TOY, **LONG)
    assert json.loads(gone_on) == json.loads(json.dumps(whole.to_dict()))


class TestDamage:
    @pytest.fixture
    def good(self, path):
        interrupted(path, 8)
        return path.read_text()

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda text: "", "is damaged, or no state of a check"),
            (lambda text: text[: len(text) // 2], "is damaged, or no state of a check"),
            (lambda text: text.replace('"calls": ', '"calls": 1'), "is damaged: its checksum does not fit"),
            (lambda text: text.replace("0x1.", "0x2.", 1), "is damaged: its checksum does not fit"),
            (lambda text: "{}", "is damaged, or no state of a check"),
            (lambda text: "[1]", "is damaged, or no state of a check"),
            (lambda text: text.replace("refgrad-state", "other"), "needs to be refgrad-state version 1, but is other"),
            (lambda text: text.replace('"version": 1', '"version": 2'), "needs to be refgrad-state version 1, but is"),
        ],
    )
    def test_is_refused(self, path, good, damage, message):
        damaged = damage(good)
        assert damaged != good
        path.write_text(damaged)
        with pytest.raises(ValueError, match=message):
            check_unbiased(samplers.reinforce, TOY, state=path, **LONG)
        assert path.read_text() == damaged

    def test_a_pickle_is_refused(self, path):
        class Bomb:
            def __reduce__(self):
                return os.system, ("exit 1",)

        path.write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ValueError, match="is damaged, or no state of a check"):
            check_unbiased(samplers.reinforce, TOY, state=path, **LONG)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"seed": 1}, "its seed is 0, here it is 1"),
            ({"alpha": 1e-6}, "its alpha is 1e-09, here it is 1e-06"),
            ({"tolerance": 0.1}, "its tolerance is 0.03, here it is 0.1"),
            ({"loss": True}, "its loss is False, here it is True"),
            ({"estimator": Reinforce()}, r"its estimator is None, here it is Reinforce\(\)"),
        ],
    )
    def test_the_state_of_another_check_is_refused(self, path, good, options, message):
        with pytest.raises(ValueError, match=message):
            check_unbiased(samplers.reinforce, TOY, state=path, **LONG | options)
        assert path.read_text() == good

    @pytest.mark.usefixtures("good")
    def test_another_sampler_is_refused(self, path):
        with pytest.raises(ValueError, match="its sampler is reinforce, here it is wrong_sign"):
            check_unbiased(samplers.wrong_sign, TOY, state=path, **LONG)

        def changed(problem, n, rng):
            return 1.001 * samplers.reinforce(problem, n, rng)

        changed.__name__ = "reinforce"
        with pytest.raises(ValueError, match=r"its (covariance|pilot of the sampler) is"):
            check_unbiased(changed, TOY, state=path, **LONG)

    @pytest.mark.usefixtures("good")
    def test_another_problem_of_that_name_is_refused(self, path):
        with pytest.raises(ValueError, match="its logits is"):
            check_unbiased(samplers.reinforce, Problem(Bernoulli([0.1]), TOY.f, TOY.name), state=path, **LONG)


def test_nothing_is_left_beside(path, tmp_path):
    check_unbiased(samplers.reinforce, TOY, state=path, **LONG)
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        check_unbiased(samplers.reinforce, TOY, state=tmp_path / "nowhere" / "state.json", **LONG)


def test_a_mutant_that_rounds_the_sums_is_seen(path, monkeypatch):
    whole = check_unbiased(samplers.reinforce, TOY, **LONG)
    interrupted(path, 12)
    true = state.Saved.restore

    def rounded(self, begun):
        calls, sums, looks = true(self, begun)
        return calls, replace(sums, evidence=replace(sums.evidence, total=np.float32(sums.evidence.total))), looks

    monkeypatch.setattr(state.Saved, "restore", rounded)
    assert check_unbiased(samplers.reinforce, TOY, state=path, **LONG).to_dict() != whole.to_dict()


def test_more_samples_give_the_history_of_one_check(path):
    options = {"tolerance": 0.01, "causes": False}
    for most in (2**15 + 2**11, 2**18 + 2**15 + 2**11, 400_000):  # the second ends between two looks of the schedule
        found = check_unbiased(samplers.reinforce, TOY, state=path, max_samples=most, **options)
    whole = check_unbiased(samplers.reinforce, TOY, max_samples=400_000, **options)
    assert found.n == whole.n == 400_000 - 2**11
    assert found.history == whole.history


def test_a_sampler_with_a_state_of_its_own_is_not_gone_on_from(path):
    class Average:
        baseline = 0.0

        def __call__(self, problem, n, rng):
            z = samplers.draw(problem, n, rng)
            values, baseline = problem.f(z), self.baseline
            self.baseline = 0.9 * baseline + 0.1 * values.mean()
            return samplers.times(problem, values - baseline, problem.q.score(z))

    check_unbiased(Average(), OTHER, state=path, **LONG | {"max_samples": 30_000})
    with pytest.raises(ValueError, match="the sampler gives other rows in a call that is made again"):
        check_unbiased(Average(), OTHER, state=path, **LONG)
