"""One estimator for each kind of claim: a number, a 95 % interval, and all that stands in their way.

Seeds are the unit: a seed has the same initial weights and the same order everywhere on the grid, so points
are compared within seeds. All finite seeds count: the best k would be other seeds at other points.
"""
