"""Short words of a book as one-hot rows, and what a person can judge of generated ones."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz "
PLACES, KINDS = 4, len(LETTERS)
SAMPLES = 20  # of each yardstick
BOOK = Path(__file__).with_name("alice.txt")


def words(text):
    """Words of at most four letters in their order, padded with blanks; what has an apostrophe inside is left out."""
    found = re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
    return [word.ljust(PLACES) for word in found if "'" not in word and len(word) <= PLACES]


def numbers(some):
    """Numbers of the letters: (n, 4)."""
    return np.array([[LETTERS.index(letter) for letter in word] for word in some]).reshape(-1, PLACES)


def one_hot(some):
    """Rows of zeros and a one: (n, 4, 27)."""
    return np.eye(KINDS)[numbers(some)]


def spelled(z):
    """Words of one-hot rows (n, 4, 27), with their blanks."""
    return ["".join(LETTERS[at] for at in row) for row in np.argmax(z, axis=-1)]


def bigrams(some):
    """Share of each pair of neighbours, where a word begins and where it ends included: (27, 27)."""
    places = numbers(some)
    edge = np.full((len(places), 1), KINDS - 1)
    around = np.concatenate([edge, places, edge], axis=1)
    counts = np.zeros((KINDS, KINDS))
    np.add.at(counts, (around[:, :-1].ravel(), around[:, 1:].ravel()), 1)
    counts[-1, -1] = 0  # blanks after the end
    return counts / max(counts.sum(), 1)


def distance(one, other):
    """Total variation of two tables of shares: 0 for equal ones, 1 for tables with nothing in common."""
    return float(np.abs(one - other).sum() / 2)


@dataclass(frozen=True)
class Book:
    """The first half of the words to learn from, and the second, which no network sees."""

    seen: list
    held_out: list

    def drawn(self, count, rng):
        """One-hot rows of words to learn from, as frequent as they are there: (count, 4, 27)."""
        return self._rows[rng.integers(len(self.seen), size=count)]

    @cached_property
    def _rows(self):
        return one_hot(self.seen)

    def measured(self, some):
        """What words are worth.

        Returns
        -------
        dict
            `share` that are words of the book, number of `distinct` ones among them, of `new` ones that the second half
            alone has, and the `distance` of the bigrams to those of the first half. Eq. 15.5 and 15.6.
        """
        seen = set(self.seen)
        every = seen.union(self.held_out)
        real = [word for word in some if word in every]
        return {
            "share": len(real) / len(some),
            "distinct": len(set(real)),
            "new": len(set(real) - seen),
            "distance": distance(bigrams(some), bigrams(self.seen)),
        }

    def yardsticks(self, count, rng):
        """The same, as means, of random letters, of independent ones as frequent as in the book, and of both halves."""
        return {
            name: {key: np.mean([one[key] for one in every]) for key in every[0]}
            for name, every in self._many(count, rng).items()
        }

    def _many(self, count, rng):
        """Measures of the yardsticks, each of so many samples that a mean says more than one of them."""
        places = numbers(self.seen).T

        def letters(rows):
            return ["".join(LETTERS[at] for at in row) for row in rows]

        draws = {
            "random letters": lambda: letters(rng.integers(KINDS, size=(count, PLACES))),
            "independent letters": lambda: letters(np.stack([rng.choice(at, size=count) for at in places], axis=1)),
            "the held-out half": lambda: list(rng.choice(self.held_out, size=count, replace=False)),
            "the half to learn from": lambda: list(rng.choice(self.seen, size=count, replace=False)),
        }
        return {name: [self.measured(draw()) for _ in range(SAMPLES)] for name, draw in draws.items()}


def load():
    """Read the book that ships with the example."""
    every = words(BOOK.read_text(encoding="ascii"))
    half = len(every) // 2
    return Book(every[:half], every[half:])
