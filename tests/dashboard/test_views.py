"""What pages say, asked without a browser."""

import json
import os

import pytest

from sgdlab.dashboard.addresses import Place, run_address
from sgdlab.runs.layout import Layout

POINT = Place("main", "rate", {"optimizer.lr": 0.0625})


def test_the_first_page_counts_the_runs_of_each_sweep(views, text_of):
    text = text_of(views.page("/", "").children)
    assert "first" in text
    assert "9 done" in text
    assert "2 diverged" in text
    assert "2 failed" in text
    assert "1 damaged" in text
    assert "1 waiting" in text
    assert "1 run with damaged files" in text
    assert "result.json is damaged" in text


def test_the_listing_is_searched_and_filtered(views, text_of, wait_for):
    wait_for(lambda: "1 sweep " in text_of(views.listing("learning ACCURACY", "all", "as listed")))
    assert "2 sweeps" in text_of(views.listing("", "all", "as listed"))
    found = text_of(views.listing("learning ACCURACY", "all", "as listed"))
    assert "1 sweep" in found
    assert "first" in found
    assert "0 sweeps" in text_of(views.listing("", "active", "as listed"))
    assert "2 sweeps" in text_of(views.listing("", "troubled", "least done first"))


def test_the_page_of_a_sweep_has_its_claims_failures_and_settings(views, text_of):
    text = text_of(views.page("/sweep/first", "").children)
    for part in (
        "A larger learning rate helps.",
        "How it was judged",
        "above 0",
        "ValueError: too few examples",
        "best 2 of 3 seeds by test_accuracy.best",
    ):
        assert part in text


def test_failures_are_grouped_by_error(views, text_of):
    text = text_of(views.standing("/sweep/first")[1])
    assert text.count("ValueError: too few examples") == 1
    assert "2 runs" in text


def test_points_lead_to_their_runs(views):
    news = views.drawn("/sweep/first")
    (trace,) = [trace for trace in news.plots["main"]["data"] if trace["showlegend"]]
    places = [Place.from_text(text) for text in trace["meta"]["places"]]
    assert [place.point["optimizer.lr"] for place in places] == [2.0**k for k in range(-5, 0)]
    assert {place.to_text() for place in places} == {row["place"] for row in news.points}


def test_a_point_says_which_runs_were_kept_and_why(views, text_of):
    text = text_of(views.point("first", POINT))
    assert "kept: ranks 1 of 3" in text
    assert "left out" in text
    assert text.index("seed 2") < text.index("seed 1") < text.index("seed 0")  # better by seed
    assert "optimizer.lr 2**-4 → 2**-5" in text
    assert "optimizer.lr 2**-4 → 2**-3" in text


def test_a_point_that_is_not_there_says_so(views, text_of):
    for place in (Place("main", "rate", {"optimizer.lr": 9.0}), Place("other", "rate", {})):
        assert "doesn't have" in text_of(views.point("first", place))


def test_a_run_has_its_curves_configuration_and_sweeps(desk, views, text_of):
    views.page("/sweep/first", "")
    key = desk.wanted("first")[0].key
    text = text_of(views.page(run_address(key), "").children)
    for part in ("done", "asked for by", "first", "64 updates made", "optimizer.lr", "2**-5", key):
        assert part in text


def test_a_failed_run_shows_its_error_and_the_end_of_its_log(desk, views, text_of):
    row = desk.wanted("first")[11]
    text = text_of(views.page(run_address(row.key), "").children)
    assert "ValueError: too few examples" in text
    assert f"log of {row.key}" in text


def test_a_log_outside_the_store_is_not_read(desk, views, text_of):
    row = desk.wanted("first")[11]
    secret = desk.folder / "secret.txt"
    secret.write_text("do not show")
    path = desk.store.failure_path(row.key)
    for log in (secret, desk.store.root / ".." / ".." / "secret.txt"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "log": str(log)}))
        assert "do not show" not in text_of(views.page(run_address(row.key), "").children)


@pytest.mark.parametrize("key", ["zz", "../../secret", "0" * 32, "a" * 300, "ab/cd"])
def test_what_is_no_run_is_not_looked_for(views, text_of, key):
    assert "Nothing here" in text_of(views.page(f"/run/{key}", "").children)


@pytest.mark.parametrize("path", ["/sweep/none", "/elsewhere", "/sweep/"])
def test_an_address_that_leads_nowhere_says_so(views, text_of, path):
    assert "Nothing here" in text_of(views.page(path, "").children)


def test_sweeps_are_compared(views, text_of):
    text = text_of(views.comparison(["first", "hostile"], "equal axes"))
    assert "A larger learning rate helps." in text
    assert "Claims" in text


def test_news_comes_when_something_has_changed_and_not_before(desk, views, wait_for, monkeypatch):
    monkeypatch.setattr("sgdlab.dashboard.snapshots._IDLE_PER_WORK", 0.0)
    made = views.page("/sweep/first", "").version
    assert views.news("/sweep/first", "", made, None) is None
    desk.publish(desk.wanted("first")[14])
    news = wait_for(lambda: views.news("/sweep/first", "", made, None))
    wait_for(lambda: "12 of 15" in (views.news("/sweep/first", "", made, None) or news).spoken)
    latest = views.news("/sweep/first", "", made, None).version
    assert views.news("/sweep/first", "", made, latest) is None
    assert views.news("/", "", made, latest) is None  # that page is on its way


def test_a_table_of_runs_takes_in_what_is_new(desk, views, wait_for, monkeypatch):
    monkeypatch.setattr("sgdlab.dashboard.snapshots._IDLE_PER_WORK", 0.0)
    first = views.runs_news("/sweep/first", None)
    assert (first.is_whole, len(first.rows)) == (True, 15)
    assert views.runs_news("/sweep/first", first.version) is None
    row = desk.wanted("first")[14]
    desk.publish(row)
    news = wait_for(lambda: views.runs_news("/sweep/first", first.version))
    assert [(found["key"], found["state"]) for found in news.rows] == [(row.key, "done")]
    assert not news.is_whole
    assert views.runs_news("/", None) is None


def test_an_empty_store_says_what_to_do(bare_desk, views_over, text_of):
    with views_over("first") as views:
        text = text_of(views.page("/", "").children)
        assert "No run is stored in" in text
        assert "sgdlab run" in text
        assert "15 waiting" in text
        assert "Runs" in text_of(views.page("/sweep/first", "").children)
    assert not bare_desk.store.root.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_read(desk, views_over, text_of, monkeypatch):
    for folder in (desk.store.root, desk.store.journals, desk.store.runs):
        folder.chmod(0o555)
    with views_over("first") as views:
        assert "9 done" in text_of(views.page("/", "").children)


def test_the_store_and_the_index_are_not_written_where_they_cannot_be(
    desk, views_over, text_of, tmp_path, monkeypatch
):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_folder))  # no index can be kept there
    before = _stamps(desk.store)
    with views_over("first") as views:
        assert "9 done" in text_of(views.page("/", "").children)
        views.page("/sweep/first", "")
        views.point("first", POINT)
    assert _stamps(desk.store) == before


def test_a_store_that_is_half_written_is_read(desk, views_over, text_of):
    rows = desk.wanted("first")
    desk.store.run_folder(rows[14].key).mkdir(parents=True)  # claimed a moment ago, by nobody yet
    (desk.store.run_folder(rows[14].key) / ".result.json-1234").write_text("{")
    with (desk.store.journals / "half.jsonl").open("w") as journal:
        journal.write('{"kind": "published", "key": "')
    with views_over("first") as views:
        text = text_of(views.page("/", "").children)
    assert "9 done" in text
    assert "1 interrupted" in text


def _stamps(store: Layout) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in store.root.rglob("*")}
