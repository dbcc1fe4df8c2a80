"""Options and arguments that several commands take, each with its help once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

DATES = ["%Y-%m-%d"]
CATALOG, MASTERS = Path("var/catalog"), Path("var/instruments")
"""Where they are by default."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON object per line: paise, UTC nanoseconds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
FROM = typer.Option("--from", formats=DATES, help="The first day, in India.")
First = Annotated[datetime | None, FROM]
Catalog = Annotated[Path, typer.Option("--directory", "-d", help="The catalog.")]
Masters = Annotated[Path, typer.Option("--masters", help="Where the instrument masters are.")]
SecretsFile = Annotated[Path | None, typer.Option("--secrets", help="A file of NAME=value lines, mode 0600.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter, like fast=5; may be given again.")
]
Symbol = Annotated[str, typer.Argument(help="RELIANCE, NSE:RELIANCE …")]
Units = Annotated[int, typer.Argument(min=1, help="Units.")]
