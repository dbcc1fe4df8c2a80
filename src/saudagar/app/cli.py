"""The command line. Each command lives beside what it does; here they are only gathered.

Nothing heavy is imported before a command needs it: ``saudagar --help`` answers at once.
"""

from __future__ import annotations

import io
import sys

import typer

from saudagar import __version__

EXIT_CODES = """
Exit codes: 0 done · 1 something failed · 2 the command line or the configuration is wrong · 3 data cannot be used ·
4 the journal cannot be written or does not verify · 5 the broker · 70 a defect of saudagar · 130 interrupted
"""

app = typer.Typer(
    name="saudagar",
    help="One trading desk for Indian markets." + "\n\n" + EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"saudagar {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def _mount() -> None:
    from saudagar.app.account import app as account_app
    from saudagar.app.brokers_commands import app as brokers_app
    from saudagar.app.config_check import app as config_app
    from saudagar.app.data import app as data_app
    from saudagar.app.desk_commands import app as desk_app
    from saudagar.app.doctor import doctor
    from saudagar.app.instruments import app as instruments_app
    from saudagar.app.journal import app as journal_app
    from saudagar.app.login import login
    from saudagar.app.research_commands import backtest, compare, sweep
    from saudagar.app.run_commands import demo, exchange, run
    from saudagar.app.strategy_commands import app as strategy_app

    app.command()(demo)
    app.command()(run)
    app.command()(exchange)
    app.command()(backtest)
    app.command()(compare)
    app.command()(sweep)
    app.command()(login)
    app.command()(doctor)
    app.add_typer(account_app, name="account")
    app.add_typer(desk_app, name="desk")
    app.add_typer(config_app, name="config")
    app.add_typer(journal_app, name="journal")
    app.add_typer(instruments_app, name="instruments")
    app.add_typer(data_app, name="data")
    app.add_typer(brokers_app, name="brokers")
    app.add_typer(strategy_app, name="strategy")


def main() -> None:
    """Entry point of the ``saudagar`` command."""
    from saudagar.app.errors import as_ours, tell

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ₹ shows ? and the command goes on
    try:
        _mount()
        app(prog_name="saudagar")
    except KeyboardInterrupt:  # while modules were still being read: what comes later ends in order
        sys.exit(130)
    except Exception as error:
        from_us = not isinstance(error, OSError)  # or standard output itself may be what is full
        sys.exit(tell(as_ours(error), json=from_us and "--json" in sys.argv))
