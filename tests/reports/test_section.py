def test_points_are_those_of_the_figure_each_once(curves_section):
    points = [row.summary.point["optimizer.lr"] for row in curves_section.points]
    exponents = [-9, -7, -5, -3, -2, -1, -9, -7, -5, -3]
    assert points == [2.0**k for k in exponents]
    best = [row.summary.point["optimizer.lr"] for row in curves_section.points if row.is_optimum]
    assert best == [2.0**-3, 2.0**-5]  # of panel main, and of what panel weak has so far


def test_trajectories_show_their_points_by_the_ranking_metric(trajectories_section):
    metrics = [row.summary.metric for row in trajectories_section.points]
    assert metrics == ["test_accuracy.best"] * 6


def test_settings_say_what_is_shared_and_what_is_varied(curves_section):
    assert curves_section.settings == (
        ("protocol", "best 3 of 5 seeds by test_accuracy.best"),
        ("main: optimizer.batch_size", "16"),
        ("main: model", "mlp"),
        ("main: grid sgd", "optimizer.lr = 2**-9, 2**-7, 2**-5, 2**-3, 2**-2, 2**-1"),
        ("weak: grid sgd", "optimizer.lr = 2**-9, 2**-7, 2**-5, 2**-3"),
    )


def test_fixed_values_are_settings_too(hostile_section):
    described = dict(hostile_section.settings)["grid reg"]
    assert described.endswith("regularizer.strength = 0.0, 2**-5, 2**-3, 2**-2, 2**-1, 1")
