"""Handwritten digits of 8 by 8 pixels, binarised: the test set of Alpaydin and Kaynak that scikit-learn bundles."""

from dataclasses import dataclass

import numpy as np

SIDE = 8
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Pixels (n, 64) of zeros and ones, and the digit of each (n,)."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, index):
        """Some of the rows."""
        return Digits(self.pixels[index], self.labels[index])

    @property
    def one_hot(self):
        """Labels as rows of zeros and a one: (n, 10)."""
        return np.eye(CLASSES)[self.labels]


def load(rng, held_out=400):
    """Training set and held-out set, in an order of their own; a pixel is on from half of the ink on."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (an extra)

    bundled = load_digits()
    every = Digits((bundled.data >= 8).astype(float), bundled.target)
    order = rng.permutation(len(every))
    return every.take(order[held_out:]), every.take(order[:held_out])
