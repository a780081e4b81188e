"""Short words of a book as one-hot rows, and what a person can judge of generated ones."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz "
PLACES, KINDS = 4, len(LETTERS)
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
        """The same of random letters, of independent letters as frequent as in the book, and of the second half."""
        places = numbers(self.seen)
        alike = np.stack([rng.choice(column, size=count) for column in places.T], axis=1)
        rows = {
            "random letters": np.eye(KINDS)[rng.integers(KINDS, size=(count, PLACES))],
            "independent letters": np.eye(KINDS)[alike],
            "the held-out half": one_hot(list(rng.choice(self.held_out, size=count, replace=False))),
        }
        return {name: self.measured(spelled(z)) for name, z in rows.items()}


def load():
    """Read the book that ships with the example."""
    every = words(BOOK.read_text(encoding="ascii"))
    half = len(every) // 2
    return Book(every[:half], every[half:])
