"""Points within reach, row by row."""

from itertools import product

import numpy as np
import pytest

from refgrad.exact._reach import rows_within

GRIDS = [np.array([-2.0, -0.5, 0.5, 1.5]), np.array([-1.0, 0.0, 1.0]), np.array([-3.0, -0.25, 0.25, 0.75, 2.0])]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("grids", [GRIDS[:1], GRIDS[:2], GRIDS], ids=len)
def test_the_points_of_each_grid_within_reach_in_any_part(grids, axes):
    reach = 2.5
    weights = [1 + own**2 for own in grids]
    within, products = [], []
    for nodes, own in zip(grids, weights, strict=True):
        for place in product(range(len(nodes)), repeat=axes):
            if np.abs(nodes[list(place)]).sum() <= reach:
                within.append(nodes[list(place)])
                products.append(own[list(place)].prod())
    rows = rows_within(grids, axes, reach)
    assert rows.ends[-1] == len(within)
    for index in (np.arange(len(within)), np.arange(1, len(within)), np.array([len(within) - 1, 0])):
        points, found = rows.points(index, np.concatenate(grids), np.concatenate(weights))
        np.testing.assert_array_equal(points, np.array(within)[index])
        np.testing.assert_allclose(found, np.array(products)[index], rtol=1e-15)
