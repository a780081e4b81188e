"""When a check calls, and when it looks."""

from collections.abc import Iterator

FIRST = 2**6  # rows at the first look
LARGE, LATE = 2**13, 2**14  # rows of two calls that are compared, and rows before them
EARLIEST = LATE + 2 * LARGE  # samples before "right", if there are as many: a small bias has a chance to show
ROWS = 2**15  # most rows asked for in one call


def calls(available: int) -> Iterator[tuple[int, bool, bool]]:
    """Size of each call, whether a look follows, and whether it is not cut short by what is available.

    Looks are at 64 rows, then whenever a quarter has been added (rounded down to a power of two), after each of two
    equal large calls, and at the end. Sizes are powers of two, and few: code that is compiled for each size is not
    compiled often.
    """
    done, goal, large = 0, FIRST, 2
    while done < available:
        size = min(ROWS, goal - done)
        cut = min(size, available - done)
        done += cut
        yield cut, done in (goal, available), cut == size
        if done == goal:
            pair, large = done >= LATE and large > 0, large - (done >= LATE)
            goal += LARGE if pair else 2 ** ((done // 4).bit_length() - 1)
