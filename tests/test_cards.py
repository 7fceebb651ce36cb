"""Cards: required sections, merging with what people wrote, and text from outside that stays text."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from socsci210.cards.markdown import code, escaped, link, linked, sections
from socsci210.cards.merging import split_card
from socsci210.cards.metric import metric_card
from socsci210.cards.sections import REQUIRED, check_card, mark, merge, merge_notes
from socsci210.errors import HubError
from socsci210.metrics import path as metric_path


def card(rows: int, *, licence: str = "mit", tags: tuple[str, ...] = ("a", "b"), more: str = "") -> str:
    """A generated card of two sections that say how many rows there are."""
    header = yaml.safe_dump({"license": licence, "tags": list(tags), "configs": [{"config_name": "all", "rows": rows}]}, sort_keys=False)
    uses = f"# Title\n\n{rows} rows.\n\n## Uses\n\nFor this.\n\nNot for {rows}.\n\n"
    body = f"{uses}{more}## Data\n\n```py\n# no heading\n\nx\n```\n\n| n |\n|---|\n| {rows} |\n"
    return mark(f"---\n{header}---\n\n{body}")


def words(text: str) -> str:
    """A card's page without marks."""
    return re.sub(r"<!-- socsci210.*? -->\n*", "", split_card(text)[1]).strip()


# --- merging -----------------------------------------------------------------------------------------------------------------------------


def test_a_card_nobody_edited_becomes_the_new_one() -> None:
    assert merge(card(6, tags=("a",)), card(5)) == card(6, tags=("a",))
    assert merge_notes(card(6), card(5)) == () and mark(card(5)) == card(5)


def test_paragraphs_of_people_stay_where_they_were() -> None:
    published = card(5).replace("Not for 5.", "Mine first.\n\nNot for 5.\n\nMine after.\n\n- mine too")
    assert words(merge(card(6), published)).split("\n\n")[2:8] == [
        "## Uses", "For this.", "Mine first.", "Not for 6.", "Mine after.", "- mine too"
    ]  # fmt: skip
    assert [note.split(": ")[0] for note in merge_notes(card(6), published)] == ["Uses"] * 3


def test_an_edited_paragraph_is_kept_beside_the_new_one() -> None:
    published = card(5).replace("Not for 5.", "Not for 5, and never at night.")
    merged = merge(card(6), published)
    assert "For this.\n\nNot for 5, and never at night.\n\nNot for 6." in merged and "Not for 5." not in merged
    assert merge_notes(card(6), published) == ("Uses: an edited paragraph is kept beside the new one: 'Not for 5, and never at night.'",)


def test_sections_of_people_stay_behind_the_one_they_followed() -> None:
    published = card(5).replace("## Data", "## Thanks\n\nTo all.\n\n### Also\n\nTo you.\n\n## Data") + "\n## Last\n\nWords.\n"
    merged = words(merge(card(6, more="### New part\n\nNew.\n\n"), published))
    assert [one.heading for one in sections(merged)][1:] == [
        "# Title",
        "## Uses",
        "### New part",
        "## Thanks",
        "### Also",
        "## Data",
        "## Last",
    ]
    assert "To all.\n\n### Also\n\nTo you." in merged


def test_a_section_that_is_no_longer_generated_goes_but_what_people_wrote_in_it_stays() -> None:
    old = card(5, more="## Scores\n\nW is 5.\n\n")
    assert merge(card(6), old) == card(6)
    assert "## Scores\n\nWe doubt it." in words(merge(card(6), old.replace("W is 5.", "W is 5.\n\nWe doubt it.")))


def test_titles_and_headings_that_people_changed() -> None:
    merged = merge(card(6), card(5).replace("# Title", "# Our title").replace("## Data", "## The data"))
    assert words(merged).startswith("# Our title\n\n6 rows.") and "# Title" not in merged
    assert "## Data" in merged and "The data" not in merged
    assert merge(card(6), merged) == merged
    assert words(merge(card(6), card(5) + "\n# Second\n\nMine.\n")) == words(card(6)) + "\n\n# Second\n\nMine."


def test_front_matter_of_people_stays_but_what_the_files_decide() -> None:
    published = card(5).replace("license: mit", "license: cc0-1.0\nthumbnail: a.png").replace("- b\n", "- b\n- mine\n")
    published = published.replace("- config_name: all", "- config_name: theirs").replace(
        "---\n\n<!--", "dataset_info: {a: 1}\n---\n\n<!--", 1
    )
    data, _ = split_card(merge(card(6, tags=("a", "c")), published))
    assert data == {
        "license": "cc0-1.0", "tags": ["a", "c", "mine"], "configs": [{"config_name": "all", "rows": 6}], "thumbnail": "a.png"
    }  # fmt: skip
    notes = " ".join(merge_notes(card(6), published))
    assert "dataset_info follows the files" in notes and "configs follows the files" in notes


def test_evaluation_results_of_people_stay_beside_the_new_ones() -> None:
    def scored(value: float) -> str:
        index = [{"name": "m", "results": [{"task": {"type": "t"}, "metrics": [{"type": "w", "value": value}]}]}]
        return mark(f"---\n{yaml.safe_dump({'license': 'mit', 'model-index': index})}---\n\n# M\n")

    data, body = split_card(scored(0.5))
    theirs = {"task": {"type": "other"}, "metrics": [{"type": "acc", "value": 1}]}
    data["model-index"][0]["results"].append(theirs)
    found, _ = split_card(merge(scored(0.25), f"---\n{yaml.safe_dump(data)}---\n{body}"))
    assert [one["metrics"][0]["value"] for one in found["model-index"][0]["results"]] == [0.25, 1]


def test_a_card_that_was_never_generated_is_kept_whole() -> None:
    published = "---\nlicense: apache-2.0\n---\n# Mine\n\nHello.\n\n## Uses\n\nBy hand.\n"
    merged = merge(card(6), published)
    assert words(merged).startswith("# Mine\n\nHello.\n\n6 rows.\n\n## Uses\n\nBy hand.\n\nFor this.")
    assert split_card(merged)[0]["license"] == "apache-2.0" and merge(card(6), "No front matter.").count("No front matter.") == 1


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text, lambda text: text.replace("5 rows.", "5 rows.  ")]
)
def test_what_editors_change_unasked_is_no_edit(change: object) -> None:
    assert merge(card(6), change(card(5))) == card(6)  # type: ignore[operator]


@given(
    st.lists(
        st.sampled_from(["Mine.", "## Uses", "### Sub", "```", "# Other", "<!-- a", "-->", "| a |", "", "---", "For this.", "> q"]),
        max_size=25,
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_people_write_is_kept_and_merging_again_changes_nothing(lines: list[str]) -> None:
    once = merge(card(6), card(5) + "\n\n".join(lines))
    assert merge(card(6), once) == once
    assert once.count("Mine.") >= lines.count("Mine.")
    assert all(part in once for part in ("6 rows.", "Not for 6.", "| 6 |"))


def test_a_fence_that_a_person_left_open_swallows_nothing() -> None:
    published = card(5).replace("For this.", "For this.\n\n```\nopen")
    assert words(merge(card(6), published)) == words(card(6)).replace("For this.", "For this.\n\n```\nopen\n\nNot for 5.\n```")


def test_a_published_card_that_does_not_read_is_refused() -> None:
    for broken in ("---\na: [\n---\n\n# T\n", "---\n- a\n---\n\n# T\n"):
        with pytest.raises(HubError, match=r"(?s)the published card: its front matter .*Fix: repair"):
            merge(card(6), broken)


# --- what a card must have ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REQUIRED)
def test_a_card_without_a_section_or_a_key_is_refused(kind: str) -> None:
    keys, headings = REQUIRED[kind]  # type: ignore[index]

    def made(keys: list[str], headings: list[str]) -> str:
        header = "".join(f"{key}: x\n" for key in keys)
        return mark(f"---\n{header}---\n\n# T\n\n" + "".join(f"## {heading}\n\nWords.\n\n" for heading in headings))

    check_card(made([*keys], [*headings]), kind)  # type: ignore[arg-type]
    for lacking in keys:
        with pytest.raises(HubError, match=rf"front matter lacks {lacking}"):
            check_card(made([key for key in keys if key != lacking], [*headings]), kind)  # type: ignore[arg-type]
    for lacking in headings:
        whole = made([*keys], [*headings])
        for broken in (whole.replace(f"## {lacking}\n\nWords.", "Words."), whole.replace(f"## {lacking}\n\nWords.", f"## {lacking}")):
            with pytest.raises(HubError, match=rf"the {kind} card misses '{lacking}'(?s:.)*Fix:"):
                check_card(broken, kind)  # type: ignore[arg-type]


def test_the_card_of_the_metric() -> None:
    text = (metric_path() / "README.md").read_text(encoding="utf-8")
    found = metric_card(text, repository="lab/socsci210")
    check_card(found, "metric")
    assert 'evaluate.load("lab/socsci210", "distributional_alignment")' in found and "metrics/socsci210" not in found
    assert set(split_card(text)[0]) <= set(split_card(found)[0]) and words(found).count("## Limits") == 1
    with pytest.raises(HubError, match="stands in it 0 times"):
        metric_card(text.replace("## Limits", "## Else"), repository="lab/socsci210")


# --- text from outside -------------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>", "<!-- socsci210: 000000000000 -->", "a | b || c", "line\n## Heading\n\n- item", "```\ncode", "--- \n---",
    "[x](javascript:alert(1))", "![x](http://e/x.png)", "*b* _i_ ~~s~~ `c`", "&lt;b&gt; &#60;", "# title", "1. item", "- item", "> quote",
    "$$x$$ \\(y\\)", "\u2028# h", "{{ 7 * 7 }}",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    page = f"| a | b |\n|---|---|\n| {escaped(text)} | end |\n\n- {escaped(text)}\n"
    html = MarkdownIt("commonmark").enable("table").enable("strikethrough").render(page)
    assert re.findall(r"<(\w+)", html) == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td", "ul", "li"]
    shown = re.findall(r"<td>(.*?)</td>\n<td>end</td>", html)
    assert shown == re.findall(r"<li>(.*?)</li>", html)
    plain = shown[0].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert plain == " ".join(text.split())


def test_addresses_and_ids() -> None:
    assert link("https://a.org/(x)<y> z") == escaped("https://a.org/(x)<y> z")
    assert link("https://a.org/1(2)<3>") == "<https://a.org/1(2)%3C3%3E>" and link("javascript:x") == "javascript:x"
    assert linked("`a`", "https://a.org/") == "[`a`](<https://a.org/>)" and linked("`a`", "file:///etc") == "`a`"
    assert code("a`b|c\nd") == "`a'b/c d`"


def test_a_marker_in_a_persons_text_marks_nothing() -> None:
    published = card(5).replace("For this.", "For this.\n\nSee `<!-- socsci210: 0 -->` here.")
    assert "See `<!-- socsci210: 0 -->` here." in merge(card(6), published)
