"""The rows, by letter: a module for each, with a `TITLE` and the `cases` of a plan, one after the other."""

from speed.rows import check, exact_callable, exact_table, moments, sampling, startup, workers

ROWS = {
    "a": exact_table,
    "b": exact_callable,
    "c": sampling,
    "d": moments,
    "e": check,
    "f": startup,
    "g": workers,
}
