"""Hard attention on handwritten digits: which patches to look at, when every look has a price.

A network sees the whole digit and decides, patch by patch, what is shown; a classifier sees that alone. Derivation 14.
`_attention/` has the parts: `glimpse` (what is seen, and f), `learner` (one step), `judge` (how good a mask is),
`flips` (a gradient with hardly any noise), `oracle` (exact gradients, bias, variance), `study` (all runs), `tables`,
`figures`.
"""

import argparse
import math
import sys

import numpy as np
from _attention import figures, tables
from _attention.learner import PIXELS
from _attention.study import FULL, QUICK, Study
from _shared import command, record
from _shared.choices import Choices

USUAL = ["Reinforce", "Nvil", "MuProp", "Rebar", "GumbelSoftmax(temperature=0.5)", "MeanSubstitution"]
BLACK_BOX = ["Reinforce", "MovingAverageBaseline", "Nvil", "Relax"]  # need no gradient of f
PRICES = {"likelihood": [0.05, 0.1, 0.2], "accuracy": [0.01, 0.02, 0.05]}
MOST = 1_000_000
NO_GRADIENT = "with --reward accuracy f is 1 or 0 less the price, and has none"


def choices(reward):
    """The estimators, with what they need of this problem."""
    fields = {
        "GumbelSoftmax": {"temperature": 0.5},
        "ConstantBaseline": {"baseline": {"likelihood": -1.0, "accuracy": 0.5}[reward]},
        "Nvil": {"features": np.zeros(PIXELS)},
    }
    return Choices(fields, USUAL if reward == "likelihood" else BLACK_BOX)


def price(text):
    """A number from 0 to `MOST`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"a price needs to be a number from 0 to {MOST:,}, but is {text!r}")
    return number


def parser():
    summary = "Learn which patches of a digit to look at, with every estimator; judge the masks, and ask the oracle."
    made = command.parser(
        __file__, summary, "--price 0.1 --estimator Nvil --estimator Rebar", choices("likelihood").listed()
    )
    made.add_argument(
        "--reward",
        default="likelihood",
        choices=["likelihood", "accuracy"],
        help="log-probability of the digit, or 1 where it is the likeliest: no gradient (default: %(default)s)",
    )
    made.add_argument(
        "--price", action="append", type=price, metavar="P",
        help="of one patch, in units of the reward; may be given more than once (default: three; quick one)",
    )  # fmt: skip
    return made


class Application:
    """The study, and what is written of it."""

    def __init__(self, options):
        why = NO_GRADIENT if options.reward == "accuracy" else None
        estimators = choices(options.reward).chosen(options.estimator, why)
        usual = PRICES[options.reward][1:2] if options.quick else PRICES[options.reward]
        prices, sizes = sorted(set(options.price or usual)), QUICK if options.quick else FULL
        self.options = options
        self.study = Study(estimators, prices, options.reward, sizes, options.seed)

    @property
    def at(self):
        """How far it came."""
        return self.study.at

    def train(self):
        """The long work."""
        self.study.train()

    def report(self, partial):
        """Tables to the terminal, figures and numbers to the folder."""
        if not self.study.seen:
            return []
        printed = tables.lines(self.study)
        command.say("\n".join(printed))
        paths = [figures.save(made, self.options.out, name, partial) for name, made in figures.all_of(self.study)]
        return [*paths, record.write(self.options.out, self.options, printed, self.study.results())]


def main(arguments=None):
    return command.run(parser(), Application, arguments, also=("sklearn",))


if __name__ == "__main__":
    sys.exit(main())
