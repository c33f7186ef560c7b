"""HTML written from Python."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from fvhooks.widgets.markup import data_uri, tag, text

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words += data


@given(words, words)
def test_any_text_and_attribute_is_read_back_as_it_was(inside: str, title: str) -> None:
    read = Reader(tag("p", text(inside), title=title))
    assert read.tags == [("p", [("title", title)])]
    assert read.words == inside


def test_true_is_a_bare_name_and_false_is_none() -> None:
    assert tag("input", type="checkbox", checked=True, disabled=False) == '<input type="checkbox" checked>'


def test_a_data_uri_says_what_kind_of_picture_it_is() -> None:
    assert data_uri(b"\x89PNG").startswith("data:image/png;base64,")
    assert data_uri(b"\xff\xd8\xff").startswith("data:image/jpeg;base64,")
