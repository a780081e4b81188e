"""A GAN for text: a recurrent generator spells words of up to four letters, a discriminator compares them with a book.

Derivation 15. The letters are discrete, so the gradient that the discriminator sends to the generator is estimated:
NVIL, MuProp, Gumbel-Softmax and REBAR, or any other by `--estimator`. What the generated words are worth is drawn over
the steps, as is what the discriminator makes of relaxed words; at the end every estimator meets the oracle.

    words.py     the words of the book, and what generated ones are worth
    model.py     the generator, the discriminator, and f
    training.py  one step of the game; a look at it
    oracle.py    the trained pair: 531,441 words enumerated; two letters a place, exact moments
    study.py     all of it in order, and the tables
    figures.py   the figures
"""

import sys

import numpy as np
from _shared import command
from _shared.choices import Choices
from _text import model
from _text.study import Study

from refgrad.estimators import Adam, OneHiddenLayer

CHOICES = Choices(
    {
        "ConstantBaseline": {"baseline": -0.5},
        "GumbelSoftmax": {"temperature": 0.5},
        "Nvil": {
            "features": np.zeros(model.INPUTS),  # the x of each word, from the first step on
            "baseline": OneHiddenLayer(units=16),
            "optimizer": Adam(rate=0.01),
        },
    },
    usual=["Nvil", "MuProp", "GumbelSoftmax", "Rebar"],
)


def main(arguments=None):
    made = command.parser(
        __file__,
        "Train a GAN that spells short words of a book, with several gradient estimators, and compare them.",
        '--estimator "GumbelSoftmax(temperature=1.0)" --estimator Reinforce',
        CHOICES.listed(),
    )
    return command.run(made, lambda options: Study(options, CHOICES.chosen(options.estimator)), arguments)


if __name__ == "__main__":
    sys.exit(main())
