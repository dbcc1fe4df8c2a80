"""Every example of README.md and docs/ does what the page says.

A page's blocks run in order in one empty folder. The word after the language names a file: the block is written to
it first. What runs:

- ``python``: the block, as a script.
- ``toml``: the configuration is loaded and must be free of problems. A block without a file name is a part: it takes
  the place of the tables of the same name in saudagar.example.toml.
- ``sh``: each line. ``make`` lines are dry runs (`make -n`). In ``sh slow`` blocks the line is not run either: its
  command must exist and every option in it must be in that command's help.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from saudagar.app import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w+)(?:[ \t]+(?P<word>[\w./-]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
KNOWN = {"python", "toml", "sh", "text", "mermaid"}
BIN = Path(sys.executable).parent


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    word: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    source = page.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["word"] or "", found["text"], source.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(source)
    ]


@pytest.mark.unmeasured
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    assert source_fences(page) == 2 * len(blocks(page)), "a fence without a language, or one that never closes"
    for block in blocks(page):
        run(block, tmp_path, f"{page.name}:{block.line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


def run(block: Block, folder: Path, where: str) -> None:
    assert block.language in KNOWN, f"{where}: unknown language {block.language}"
    if block.language == "python":
        run_python(block, folder, where)
    elif block.language == "toml":
        check_toml(block, folder, where)
    elif block.language == "sh":
        for command in commands(block.text):
            run_command(command, folder, where, slow=block.word == "slow")


def source_fences(page: Path) -> int:
    return len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))


def commands(text: str) -> list[str]:
    """The lines of a block, continued lines joined, comments gone."""
    lines = (line.split(" # ")[0].strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def run_python(block: Block, folder: Path, where: str) -> None:
    file = folder / (block.word or "example.py")
    file.write_text(block.text, encoding="utf-8")
    succeed([sys.executable, "-W", "error", file.name], folder, where)


def check_toml(block: Block, folder: Path, where: str) -> None:
    text = block.text if block.word else spliced((ROOT / "saudagar.example.toml").read_text("utf-8"), block.text)
    file = folder / (block.word or "part.toml")
    file.write_text(text, encoding="utf-8")
    succeed([str(BIN / "saudagar"), "config", "check", file.name], folder, where)


def spliced(whole: str, part: str) -> str:
    """`whole` with the tables of `part` in place of those of the same name."""

    def tables(text: str) -> dict[str, str]:
        pieces = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
        return {piece.split("]", 1)[0]: piece for piece in pieces if piece.startswith("[")}

    return "\n".join({**tables(whole), **tables(part)}.values())


def run_command(command: str, folder: Path, where: str, *, slow: bool) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        succeed(["make", "-n", *words[1:]], ROOT, where)
    elif slow:
        assert words[0] == "saudagar", f"{where}: {command!r} is not a command of saudagar"
        check_words(words[1:], where)
    else:
        succeed(["bash", "-ec", command], folder, where)


def check_words(words: list[str], where: str) -> None:
    """Every command is there, and every option belongs to the command that it stands behind."""
    here, path = command_tree(), "saudagar"
    for word in words:
        if word.startswith("-"):
            known = {name for parameter in here.params for name in (*parameter.opts, *parameter.secondary_opts)}
            assert word.split("=")[0] in known, f"{where}: {path} has no {word}"
        elif word in getattr(here, "commands", {}):
            here, path = here.commands[word], f"{path} {word}"
    assert not hasattr(here, "commands"), f"{where}: {path} wants a command"


@cache
def command_tree() -> Any:
    """The root command; groups have `commands`."""
    cli._mount()
    return typer.main.get_command(cli.app)


def succeed(words: list[str], folder: Path, where: str) -> str:
    """Run to the end; its output. Anything but exit code 0 fails the test with what was printed."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, (
        f"{where}: {shlex.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def test_a_wrong_example_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nraise SystemExit(3)\n```\n\n```sh\nfalse\n```\n\n```sh\nmake no-such-target\n```\n")
    found = blocks(page)
    assert [block.language for block in found] == ["python", "sh", "sh"]
    for block in found:
        with pytest.raises(AssertionError, match=r"page: .* ended with [132]"):
            run(block, tmp_path, "page")


def test_a_part_replaces_tables_of_the_same_name() -> None:
    whole = "# head\n[desk]\nname = 'A'\n\n[risk]\nmax = 1\n"
    assert spliced(whole, "[risk]\nmax = 2\n[strategies.x]\nkind = 'y'\n") == (
        "[desk]\nname = 'A'\n\n\n[risk]\nmax = 2\n\n[strategies.x]\nkind = 'y'\n"
    )
