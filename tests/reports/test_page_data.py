"""What the page's tables are made of, without a browser."""

from sgdlab.reports.page_data import page_data


def test_runs_that_a_rule_for_seeds_spares_are_in_the_table_and_say_so(halved_section):
    data = page_data([halved_section])
    shown = [data["states"][place] for place in data["runs"]["state"]]
    assert shown == [run.state for run in halved_section.runs]
    assert "spared" in shown
