"""Text as it comes from the web, made fit to be read."""

from __future__ import annotations

from html.parser import HTMLParser

MAX_MARKUP_CHARACTERS = 5000
"""How much of a text is looked at: far more than an agent reads, and little enough to parse."""

CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")

_PARTING = """
    address article aside audio blockquote body br button canvas caption center dd details div dl dt embed
    fieldset figcaption figure footer form frame h1 h2 h3 h4 h5 h6 head header hr html iframe img input legend
    li link main menu meta nav object ol optgroup option p picture pre section select source summary table
    tbody td textarea tfoot th thead title tr ul video
"""
_JOINING = """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark math q rp rt ruby s samp
    small span strike strong sub sup svg time tt u var wbr
"""
PARTING = frozenset(_PARTING.split())
"""Elements that part words."""
JOINING = frozenset(_JOINING.split())
"""Elements within a word or between words."""
UNREAD = frozenset({"script", "style", "noscript", "template"})
"""Elements whose content nobody reads."""


def plain_text(markup: str) -> str:
    """Text without HTML's elements and entities, on one line. Other angle brackets (`list<int>`) stay."""
    reader = _Reader()
    reader.feed(markup[:MAX_MARKUP_CHARACTERS])
    reader.close()
    return one_line("".join(reader.pieces))


def one_line(text: str) -> str:
    """Text without control characters and half surrogate pairs, white space collapsed."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.translate(CONTROLS).split())


def shorten(text: str, max_characters: int) -> str:
    """Text of at most that many characters, cut after a word where one ends in the second half."""
    if len(text) <= max_characters:
        return text
    space = text.rfind(" ", max_characters // 2, max_characters)
    end = space if space != -1 else max_characters - 1  # some scripts have no spaces
    return f"{text[:end].rstrip()}…"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNREAD:
            self._unread.append(tag)
        else:
            self._pass(tag, self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in UNREAD:
            self._pass(tag, self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unread:
            self._unread.remove(tag)
        elif tag not in UNREAD:
            self._pass(tag, f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.pieces.append(data)

    def _pass(self, tag: str, written: str) -> None:
        if tag in PARTING:
            self.handle_data(" ")
        elif tag not in JOINING:
            self.handle_data(written)
