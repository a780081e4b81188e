"""One problem and one estimator: several runs, and what was logged on the way."""

import numpy as np

from refgrad.estimators import GumbelSoftmax, MeanSubstitution

from . import descent, judge
from .standstill import relaxed_loss


class Course:
    """Losses of all runs at the logged steps, and a judgement of the first run there.

    Parameters
    ----------
    problem : Problem
    estimator : Estimator
        In its first state.
    runs : int
    logged : (n,) ndarray of int
        Steps, from 0 to the last.
    draws : int
        Repetitions of the estimate at a logged step.
    seed : list of int
    """

    def __init__(self, problem, estimator, runs, logged, draws, seed):
        self.problem, self.estimator, self.logged, self.draws = problem, estimator, logged, draws
        rng, self.judging = np.random.default_rng(seed).spawn(2)  # judging changes no run
        self.walks = descent.walks(problem, estimator, runs, rng)
        self.looks = []  # whole ones: an interrupt leaves none in part

    @property
    def points(self):
        """Judgements of the first run."""
        return [point for point, _, _ in self.looks]

    @property
    def losses(self):
        """Exact losses of all runs: (logged so far, runs)."""
        return [losses for _, losses, _ in self.looks]

    @property
    def relaxed(self):
        """Exact relaxed loss of the first run, if there is one."""
        return [relaxed for _, _, relaxed in self.looks if relaxed is not None]

    @property
    def steps(self):
        """Logged so far."""
        return self.logged[: len(self.looks)]

    @property
    def relaxes(self):
        """Whether what is trained is another function than the loss."""
        return isinstance(self.estimator, GumbelSoftmax | MeanSubstitution)

    def advance(self, number):
        """One step of every run, after a look where it is logged."""
        if number in self.logged:
            self.looks.append(self._look(number))
        self.walks = [walk.step(self.problem.f, number) for walk in self.walks]

    def _look(self, number):
        f, logits, now = self.problem.f, descent.positions(self.walks), self.walks[0].estimator
        point = judge.point(number, logits[0], now, f, self.draws, self.judging)
        return point, self.problem.loss(logits), relaxed_loss(now, logits[0], f) if self.relaxes else None

    @property
    def excess(self):
        """Loss beyond the best, over its first value: (logged, runs), from 1 to 0."""
        best = self.problem.best
        return (np.array(self.losses) - best) / (self.problem.loss(np.zeros(self.problem.size)) - best)
