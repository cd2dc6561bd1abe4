"""`sgdlab figure` for a paper."""


def test_a_figure_for_a_paper_has_its_caption_beside_it(trained):
    drawn = trained.sgdlab("figure", "tiny", "--venue", "icml")
    assert drawn.returncode == 0, drawn.stderr
    folder = trained.folder / "outputs" / "figures"
    names = {path.name for path in folder.iterdir()}
    assert names == {f"tiny-laptop-icml.{suffix}" for suffix in ("png", "pdf", "svg", "caption.txt")}
    caption = (folder / "tiny-laptop-icml.caption.txt").read_text()
    assert "12 runs: 12 done, 0 diverged, 0 failed, 0 missing." in caption


def test_a_venue_that_is_not_known_is_one_message_and_nothing_is_drawn(trained):
    refused = trained.sgdlab("figure", "tiny", "--venue", "icmll")
    assert refused.returncode == 2
    assert "--venue=icmll: no venue of that name; there are aaai," in refused.stderr
    assert not (trained.folder / "outputs" / "figures").exists()
