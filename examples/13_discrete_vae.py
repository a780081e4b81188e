"""A discrete VAE on handwritten digits, trained with every estimator, each judged by the oracle along its own path.

The code of an image has so few values that the ELBO, its gradient, and the bias and the variance of every estimator
are exact: derivation 13. `_vae/` has the parts: model, bound, steps, probe, audit, study, tables, figures.
"""

import argparse
import sys

import numpy as np
from _shared import command, record
from _shared.choices import Choices
from _vae import figures, tables
from _vae.control import START, of_image
from _vae.model import LARGEST, PIXELS, Bits, Symbols
from _vae.study import FULL, QUICK, Study

USUAL = [
    "Reinforce",
    "MovingAverageBaseline",
    "Nvil",
    "MuProp",
    "GumbelSoftmax(temperature=0.2)",
    "GumbelSoftmax(temperature=0.5)",
    "GumbelSoftmax(temperature=1)",
    "MeanSubstitution",
    "Rebar",
    "Relax",
]
LATENTS = {"bernoulli": 5, "categorical": 2}


def choices(code):
    """The estimators, with what they need of this problem."""
    fields = {
        "GumbelSoftmax": {"temperature": 0.5},
        "ConstantBaseline": {"baseline": START},
        "Nvil": {"features": np.zeros(PIXELS)},
        "Relax": {"control_variate": of_image(code, np.random.default_rng(0))},
    }
    return Choices(fields, USUAL)


def number(text):
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needs to be a whole number of at least 1, but is {text!r}")
    return int(text)


def parser():
    summary = "Train a discrete VAE on handwritten digits with every estimator, and judge each along its own path."
    made = command.parser(
        __file__, summary, "--code categorical --estimator Nvil --estimator Rebar", choices(Bits(1)).listed()
    )
    made.add_argument(
        "--code",
        default="bernoulli",
        choices=["bernoulli", "categorical"],
        help="bits, or choices among several (default: %(default)s)",
    )
    made.add_argument(
        "--latents", type=number, metavar="D", help="variables of the code (default: 5 bits or 2 choices)"
    )
    made.add_argument("--categories", type=number, default=8, metavar="K", help="of a choice (default: %(default)s)")
    return made


def code_of(options):
    """The code that was asked for, if all its values can be enumerated."""
    latents = options.latents or LATENTS[options.code]
    values = 2 if options.code == "bernoulli" else options.categories
    if values < 2:
        raise command.StoppedError(f"--categories needs to be at least 2, but is {values}")
    if values**latents > LARGEST:
        raise command.StoppedError(
            f"the code needs to have at most {LARGEST:,} values, to enumerate them, but --latents {latents} makes "
            f"{values**latents:,}"
        )
    return Bits(latents) if options.code == "bernoulli" else Symbols(latents, options.categories)


class Application(Study):
    """The study, and what is written of it."""

    def __init__(self, options):
        code = code_of(options)
        estimators = choices(code).chosen(options.estimator)
        names = options.estimator or USUAL
        super().__init__(
            code, list(zip(names, estimators, strict=True)), QUICK if options.quick else FULL, options.seed
        )
        self.options = options

    def report(self, partial):
        """Print the tables, draw the figures; returns the paths."""
        if not self.seen:
            return []
        printed = tables.lines(self)
        command.say("\n".join(printed))
        out = self.options.out
        paths = [figures.save(drawn, out, name, partial) for name, drawn in figures.all_of(self)]
        return [*paths, record.write(out, self.options, printed, self.results())]


def main(arguments=None):
    return command.run(parser(), Application, arguments, also=("sklearn",))


if __name__ == "__main__":
    sys.exit(main())
