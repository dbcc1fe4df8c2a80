"""`saudagar account` against the simulated exchange: the commands a person types, the real SDKs, real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from saudagar.app.account import app
from saudagar.app.account.room import Room
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.model import NewOrder, OrderTerms, OrderType, PositionId, Product, Purpose, Side
from saudagar.model.errors import SaudagarError
from saudagar.storage.requests import Outcome, RequestLog

pytestmark = pytest.mark.children_unmeasured

BROKERS = ("dhan", "upstox", "kite")
BOOKS = ("funds", "orders", "positions", "holdings", "trades", "conditional list")
SHARES = 100


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    source = SyntheticSource(seed=7, instruments=3, options=2)
    account = Account(holdings={"NSE_EQ:RELIANCE": SHARES, "NSE_EQ:HDFCBANK": SHARES})
    with ExchangeProcess(ExchangeConfig(source=source, speed=5.0, account=account)) as exchange:
        yield exchange


Run = Callable[..., Result]


@pytest.fixture
def run(exchange: ExchangeProcess, tmp_path: Path) -> Run:
    def typed(broker: str, command: str, *more: str) -> Result:
        before = ["--broker", broker, "--exchange-ports", _ports(exchange), "--log", str(tmp_path / "log.jsonl")]
        done = CliRunner().invoke(app, [*before, *command.split(), *more])
        for secret in ("simulated-dhan-token", "simulated-upstox-token", "simulated-kite-token"):
            assert secret not in done.output
        return done

    return typed


def _ports(exchange: ExchangeProcess) -> str:
    ports = exchange.ports
    return f"{ports.upstox},{ports.dhan},{ports.kite},{ports.control}"


def rows(done: Result) -> list[dict[str, Any]]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def log_of(tmp_path: Path) -> RequestLog:
    return RequestLog(tmp_path / "log.jsonl", lambda: 0)


def buy(exchange: ExchangeProcess, broker: str, quantity: int) -> None:
    room = Room(broker=broker, exchange_ports=_ports(exchange))
    instrument = room.master.resolve("RELIANCE")
    order = NewOrder(
        order_id=room.new_id(),
        instrument=instrument.id,
        side=Side.BUY,
        terms=OrderTerms(quantity=quantity, order_type=OrderType.MARKET),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId(f"manual@{instrument.id}"),
    )
    room.with_desk(lambda desk: desk.submit(order))


@pytest.mark.parametrize("broker", BROKERS)
def test_every_book_is_shown_as_a_table_and_as_json(run: Run, exchange: ExchangeProcess, broker: str) -> None:
    buy(exchange, broker, 3)
    for book in BOOKS:
        shown = run(broker, book)
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.strip()
        rows(run(broker, f"{book} --json"))
    [held] = [row for row in rows(run(broker, "holdings --json")) if row["instrument"] == "NSE_EQ:HDFCBANK"]
    assert held["quantity"] == SHARES
    traded = [row for row in rows(run(broker, "trades --json")) if row["side"] == "BUY"]
    assert sum(row["quantity"] for row in traded) >= 3
    assert "RELIANCE" in run(broker, "positions").stdout


@pytest.mark.parametrize("broker", BROKERS)
def test_prices_chains_and_margins_are_asked_for(run: Run, broker: str) -> None:
    [share, index] = rows(run(broker, "quote RELIANCE NSE_INDEX:NIFTY --json"))
    assert (share["instrument"], index["instrument"]) == ("NSE_EQ:RELIANCE", "NSE_INDEX:NIFTY")
    assert min(share["ltp"], index["ltp"]) > 0
    contracts = rows(run(broker, "chain NIFTY --strikes 1 --json"))
    assert {row["right"] for row in contracts} == {"CE", "PE"}
    assert 2 <= len({row["strike"] for row in contracts}) <= 3
    assert "expiry" in run(broker, "chain NIFTY").stdout
    [margin] = rows(run(broker, "margin buy 10 RELIANCE --price 1000 --json"))
    assert 0 < margin["required"] <= 10 * 1000_00


@pytest.mark.parametrize(
    ("broker", "options", "levels"), [("dhan", "", 20), ("dhan", "--levels 200", 200), ("upstox", "", 30)]
)
def test_a_deep_book_is_streamed(run: Run, broker: str, options: str, levels: int) -> None:
    [book] = rows(run(broker, f"depth RELIANCE {options} --json"))
    assert 5 < len(book["bids"]) <= levels
    bids, asks = ([level["price"] for level in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert "bid" in run(broker, f"depth RELIANCE {options}").stdout


@pytest.mark.parametrize("broker", BROKERS)
def test_a_conditional_order_is_placed_changed_and_withdrawn(run: Run, tmp_path: Path, broker: str) -> None:
    [placed] = rows(run(broker, "conditional place single buy 2 RELIANCE --trigger 1000 --price 1000 --yes --json"))
    here = placed["broker_id"]
    assert run(broker, f"conditional modify {here} --trigger 1010 --price 1010 --yes").exit_code == 0
    [known] = [row for row in rows(run(broker, "conditional list --json")) if row["broker_id"] == here]
    assert (known["legs"][0]["trigger"], known["quantity"]) == (101_000, 2)
    assert known["legs"][0]["price"] == (0 if broker == "upstox" else 101_000), "Upstox does not tell it again"
    assert run(broker, f"conditional cancel {here} --yes").exit_code == 0
    live = [r for r in rows(run(broker, "conditional list --json")) if r["status"] in ("ACTIVE", "WORKING")]
    assert here not in {row["broker_id"] for row in live}
    kinds = [(request.kind, answer and answer.outcome) for request, answer in log_of(tmp_path).entries()]
    assert kinds == [(f"{word} conditional", Outcome.DONE) for word in ("place", "modify", "cancel")]
    assert "place conditional" in run(broker, "requests").stdout


@pytest.mark.parametrize("broker", BROKERS)
def test_a_position_is_converted(run: Run, exchange: ExchangeProcess, broker: str) -> None:
    buy(exchange, broker, 4)
    done = run(broker, "convert RELIANCE 4 --from intraday --to delivery --yes")
    assert done.exit_code == 0, done.output
    held = {row["product"]: row["quantity"] for row in rows(run(broker, "positions --json"))}
    assert held["DELIVERY"] >= 4


def test_dhans_own_switches_and_e_dis_work(run: Run, exchange: ExchangeProcess, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for command in (
        "authorities",
        "sale-pin --yes",
        f"sale-form RELIANCE 5 --no-open --out {page}",
        "exit-all --yes",
        "profit-exit --profit 5000 --loss 2500.50 --yes",
        "profit-exit --off --yes",
    ):
        done = run("dhan", command)
        assert done.exit_code == 0, (command, done.output)
    assert "<form" in page.read_text().lower()
    assert page.stat().st_mode & 0o777 == 0o600
    for command in ("ledger --from 2026-11-01 --json", "trades --from 2026-11-01 --to 2026-11-19 --json"):
        rows(run("dhan", command))


@pytest.mark.parametrize(
    ("broker", "command", "code", "words"),
    [
        ("kite", "exit-all --yes", 5, "Kite"),
        ("kite", "conditional place bracket buy 1 RELIANCE --target 2000 --stop 900 --last 1300 --yes", 5, "BRACKET"),
        ("upstox", "authorities", 5, "Upstox"),
        ("kite", "depth RELIANCE", 5, "five levels"),
        ("upstox", "depth RELIANCE --levels 20", 5, "30"),
        ("dhan", "quote NOSUCH", 3, "NOSUCH"),
        ("dhan", "conditional place single buy 1 RELIANCE --stop 900 --last 1300 --yes", 2, "no stop"),
        ("dhan", "conditional place oco sell 1 RELIANCE --target 900 --stop 950 --last 1300 --yes", 3, "above"),
        ("dhan", "conditional cancel 424242 --yes", 3, "424242"),
        ("dhan", "convert RELIANCE 999999 --from intraday --to delivery --yes", 5, "999999"),
        ("dhan", "profit-exit", 2, "--off"),
        ("dhan", "profit-exit --profit -5 --yes", 2, "positive"),
        ("dhan", "ledger --from 2026-11-20 --to 2026-11-01", 2, "after"),
        ("dhan", "convert RELIANCE 1 --from intraday --to delivery", 2, "--yes"),
        ("nobody", "funds", 2, "nobody"),
    ],
)
def test_what_cannot_be_is_said_with_its_exit_code_and_noted(
    run: Run, tmp_path: Path, broker: str, command: str, code: int, words: str
) -> None:
    done = run(broker, command)
    assert done.exit_code == code, done.output
    assert words in done.output
    assert all(answer and answer.outcome is Outcome.REFUSED for _, answer in log_of(tmp_path).entries())


def test_a_request_whose_command_died_is_told_of_by_the_next(run: Run, tmp_path: Path) -> None:
    log_of(tmp_path).ask("PDEAD", "kite", "convert", {})
    assert run("kite", "requests").exit_code == 1
    done = run("kite", "conditional cancel 1 --yes")
    assert done.exit_code == 3
    done = run("kite", "convert RELIANCE 999999 --from intraday --to delivery --yes")
    assert "PDEAD" in done.output
    assert run("kite", "requests").exit_code == 0


def test_a_log_that_cannot_be_kept_stops_the_request_before_the_wire(exchange: ExchangeProcess) -> None:
    before = ["--broker", "kite", "--exchange-ports", _ports(exchange), "--log", "/dev/full/log.jsonl"]
    done = CliRunner().invoke(app, [*before, "convert", "RELIANCE", "1", "--from", "intraday", "--to", "mtf", "--yes"])
    assert done.exit_code == 4
    assert "cannot be" in done.output


def test_an_account_of_a_configuration_is_found_by_its_name(tmp_path: Path) -> None:
    text = '[strategies.ema]\nkind = "ema_cross"\ninstruments = ["NSE:RELIANCE"]\nsize = { quantity = 1 }\n'
    text += '[desk]\nmode = "simulation"\n[orders]\nbroker = "upstox"\n[accounts.wife]\nbroker = "kite"\n'
    (tmp_path / "desk.toml").write_text(text)
    config = tmp_path / "desk.toml"
    assert Room(config=config).broker == "upstox"
    assert Room(config=config, account="wife").broker == "kite"
    for wrong in ({"config": config, "account": "son"}, {"account": "wife"}):
        with pytest.raises(SaudagarError, match=r"wife|--config"):
            Room(**wrong).broker  # noqa: B018
