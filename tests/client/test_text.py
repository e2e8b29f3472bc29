from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.text import one_line


@given(st.text(st.characters(codec=None)), st.integers(0, 600))
def test_any_text_becomes_one_printable_line_of_bounded_length(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= 10 * limit + 3  # an escape has ten characters at most
    line.encode("utf-8")


def test_what_prints_stays_as_it_is() -> None:
    assert one_line("Füllung – 完了") == "Füllung – 完了"
    assert one_line("a\nb\x1b[2J\udc80") == "a\\nb\\x1b[2J\\udc80"
    assert one_line("abcdef", 3) == "abc..."
