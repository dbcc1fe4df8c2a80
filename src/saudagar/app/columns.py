"""Tables of plain text that are never cut: what a terminal has no room for goes on in further lines of the same row."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence


def terminal_room() -> int:
    """Columns of the terminal; 0 where there is none and COLUMNS does not say: as wide as it takes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 0


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], room: int) -> Iterator[str]:
    """`titles` over `rows`, columns with `right` to the right; with a `room`, no line is longer unless one cell is."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        line = ""
        for cell, width, to_the_right in zip(row, widths, right, strict=True):
            if room and line.strip() and len(line) + width > room:
                yield line.rstrip()
                line = "  "
            line += (cell.rjust(width) if to_the_right else cell.ljust(width)) + "  "
        yield line.rstrip()


def wrapped(title: str, text: str, room: int, *, indent: int) -> list[str]:
    """`title` and `text` behind `indent` blanks, the text going on under itself; with a `room`, no line is longer."""
    first = " " * indent + title
    if not room:
        return [f"{first}{text}"]
    under = " " * min(len(first), room // 2)  # a long title must not push the text out
    return textwrap.wrap(
        text, room, initial_indent=first, subsequent_indent=under, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]
