"""The toy of REBAR and RELAX: make E (z - t)**2 small, one noisy estimate a step, and look at the variance on the way.

Derivation 12. z is one bit, and the best is always 0; the closer t is to 1/2, the smaller the gradient under the same
noise. A fourth problem has two bits that interact. Every loss and every line of variance is exact; the points on the
lines are sampled.
"""

import sys

import numpy as np
from _shared import command, drawing, record
from _shared.choices import Choices
from _toy import figures, judge, problems
from _toy.course import Course

from refgrad.estimators import Adam

CHOICES = Choices(
    {
        "ConstantBaseline": {"baseline": 0.25},
        "GumbelSoftmax": {"temperature": 0.5},
        "Nvil": {"features": [1.0]},
        "Rebar": {"optimizer": Adam(rate=0.02)},
        "Relax": {"optimizer": Adam(rate=0.02)},
    },
    [
        "Reinforce",
        "MovingAverageBaseline",
        "MuProp",
        "GumbelSoftmax",
        "GumbelSoftmax(temperature=0.05)",
        "Rebar",
        "Relax",
    ],
)
HEAD = ["estimator", "runs", "excess", "+-", "bias/g", "sd/g", "last sd", "sampled", "largest z", "agrees"]


class Study:
    """Every estimator on every problem."""

    def __init__(self, options):
        self.options, self.estimators = options, CHOICES.chosen(options.estimator)
        self.steps, parts, draws = (40, 2, 2_000) if options.quick else (1_200, 12, 4_000)
        logged = np.unique(
            [0, *((10, 25, 50) if not options.quick else ()), *np.linspace(0, self.steps, parts + 1).astype(int)]
        )
        self.done = (0, 0)
        self.groups = [
            [
                Course(problem, estimator, self.runs(estimator), logged, draws, [options.seed, i, j])
                for j, estimator in enumerate(self.estimators)
            ]
            for i, problem in enumerate(problems.every())
        ]

    def runs(self, estimator):
        """Fewer of what learns: each run has a state of its own."""
        alone, together = (2, 8) if self.options.quick else (5, 40)
        return alone if hasattr(estimator, "update") else together

    @property
    def at(self):
        """How far it came."""
        number, step = self.done
        courses = [course for group in self.groups for course in group]
        course = courses[min(number, len(courses) - 1)]
        return f"after {step:,} of {self.steps:,} steps of {course.estimator!r} on {course.problem.name}"

    def train(self):
        """One estimator after another, all runs of it side by side."""
        courses = [course for group in self.groups for course in group]
        for number, course in enumerate(courses):
            for step in command.bar(range(self.steps + 1), f"{course.problem.name}, {type(course.estimator).__name__}"):
                self.done = (number, step)
                course.advance(step)

    def table(self, courses):
        """Rows of one problem: where the runs end, what the estimate is at the start, sampled against exact."""
        rows = []
        for course in courses:
            if course.points:
                excess, first, last = course.excess[-1], course.points[0], course.points[-1]
                z = [p.z for p in course.points if np.isfinite(p.z)]
                rows.append(
                    [
                        figures.label(course, courses),
                        len(excess),
                        f"{excess.mean():.3f}",
                        f"{excess.std(ddof=1) / np.sqrt(len(excess)):.3f}",
                        f"{first.bias / first.gradient:.2f}" if not course.estimator.claims.unbiased else "0",
                        f"{np.sqrt(first.exact) / first.gradient:.1f}",
                        f"{np.sqrt(last.exact):.2e}",
                        f"{np.sqrt(max(last.sampled, 0.0)):.2e}",
                        f"{max(z, key=abs):+.1f}" if z else "-",
                        ("yes" if judge.together(course.points) < judge.LIMIT else "NO") if z else "-",
                    ]
                )
        return record.table(HEAD, rows)

    def report(self, partial):
        """Figures of the problems that were begun, a table of each, results.json."""
        begun = [[c for c in group if c.points] for group in self.groups]
        begun = [group for group in begun if group]
        if not begun:
            return []
        printed = []
        for group in begun:
            printed += [f"{group[0].problem.name}, {group[0].steps[-1]:,} steps", *self.table(group), ""]
        points = [p for group in begun for c in group for p in c.points if np.isfinite(p.z)]
        if points:
            largest = max(abs(p.z) for p in points)
            printed += [
                f"{len(points)} variances, sampled against exact: largest |z| {largest:.1f}",
                "a row says NO with probability at most 1e-9, if the exact numbers are right",
            ]
        command.say("\n".join(printed))
        folder, toys, rest = self.options.out, begun[: len(problems.TARGETS)], begun[len(problems.TARGETS) :]
        drawn = {
            "12_loss": figures.stacked(toys, figures.draw_loss),
            "12_variance": figures.stacked(toys, figures.draw_variance),
        }
        if rest:
            drawn["12_interacting"] = figures.both(rest[0])
        temperatures = np.geomspace(0.002, 20, 7 if self.options.quick else 33)
        drawn["12_mismatch"] = figures.mismatch(toys[0], temperatures)
        paths = [drawing.save(figure, folder, name, partial) for name, figure in drawn.items()]
        return [*paths, record.write(folder, self.options, printed, self.results(begun))]

    @staticmethod
    def results(groups):
        """Everything that was drawn."""
        return {
            group[0].problem.name: {
                figures.label(c, group): {
                    "step": c.steps,
                    "loss": np.mean(c.losses, axis=1),
                    "loss quartiles": np.quantile(c.losses, (0.25, 0.75), axis=1),
                    "relaxed loss": c.relaxed,
                    "variance": [p.exact for p in c.points],
                    "sampled variance": [p.sampled for p in c.points],
                    "standard error": [p.error for p in c.points],
                    "bias": [p.bias for p in c.points],
                    "gradient": [p.gradient for p in c.points],
                }
                for c in group
            }
            for group in groups
        }


def main(arguments=None):
    summary = "Loss and variance on the toy of REBAR and RELAX, and on two bits that interact, sampled and exact."
    parser = command.parser(__file__, summary, "--estimator Rebar --estimator Reinforce --seed 1", CHOICES.listed())
    return command.run(parser, Study, arguments)


if __name__ == "__main__":
    sys.exit(main())
