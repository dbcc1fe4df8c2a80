"""``saudagar desk accept``: the command, its socket, the running desk and paper behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.contract.suite.desk import Desk
from tests.contract.suite.market import DAY, PRICE, RELIANCE
from tests.contract.suite.stage import PaperStage
from typer.testing import CliRunner

from saudagar.app import desk_commands
from saudagar.app.accept import TRADE_BOOK, Accepting, explained
from saudagar.app.control import ControlServer
from saudagar.brokers.router import Router
from saudagar.model import (
    AccountTrade,
    BrokerOrderId,
    BrokerPosition,
    OrderType,
    Product,
    Protection,
    Side,
    StrategyId,
)
from saudagar.model import events as ev
from saudagar.model.errors import BrokerError, DataError, SaudagarError, UnknownInstrument

Command = Callable[..., Awaitable[Result]]


def resolve(name: str) -> Any:
    if name not in ("NSE:RELIANCE", RELIANCE.id):
        raise UnknownInstrument(f"no instrument {name!r}.")
    return RELIANCE.id


def at_a_desk(folder: Path, play: Callable[[Desk, Command], Awaitable[None]], *, routed: bool = False) -> None:
    """Have `play` done at a desk on paper that listens in `folder`."""
    stage = PaperStage()

    async def command(*words: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, desk_commands.app, ["accept", *words, "--directory", str(folder)]
        )

    async def main() -> None:
        desk = Desk(stage)
        running = asyncio.create_task(desk.runner.run(desk.engine.start(DAY, stage.core.now)))
        broker: Any = Router({"": stage.client}, {}, "") if routed else stage.client
        async with ControlServer(folder, desk.runner, broker, resolve):
            await desk.step(PRICE)
            await play(desk, command)
        desk.runner.stop()
        await running

    stage.run(main())
    stage.close()


@pytest.mark.parametrize("routed", [False, True], ids=["one account", "several accounts"])
def test_first_it_is_shown_and_then_booked(tmp_path: Path, routed: bool) -> None:
    async def play(desk: Desk, command: Command) -> None:
        desk.long("ema", 7, Protection())
        for _ in range(2):
            await desk.step(PRICE)
        await desk.stage.place(desk.stage.order(OrderType.MARKET, side=Side.SELL, quantity=7))
        await desk.compare()
        shown = await command("NSE:RELIANCE")
        assert shown.exit_code == 0, shown.output
        assert shown.output.splitlines() == [
            "NSE_EQ:RELIANCE: the desk held +7, the broker holds nothing.",
            "Would be booked:",
            "  ema          -7 at ₹1,299.90 (the broker's trade book), -₹1.40 before charges",
            "Nothing was changed. Book it with --yes.",
        ]
        assert not desk.engine.state.trades
        booked = await command("NSE:RELIANCE", "--yes")
        assert "Booked:" in booked.output
        (trade,) = desk.engine.state.trades
        assert trade.gross == -140
        again = await command("NSE:RELIANCE", "--yes")
        assert isinstance(again.exception, SaudagarError)
        assert "there is nothing to accept" in str(again.exception)

    at_a_desk(tmp_path, play, routed=routed)


def test_a_price_may_be_named_and_the_answer_be_json(tmp_path: Path) -> None:
    async def play(desk: Desk, command: Command) -> None:
        await desk.stage.place(desk.stage.order(OrderType.MARKET, side=Side.SELL, quantity=4))
        await desk.compare()
        told = json.loads((await command("NSE:RELIANCE", "--price", "1250.50", "--yes", "--json")).output)
        assert told == {
            "instrument": RELIANCE.id,
            "ours": 0,
            "theirs": -4,
            "booked": True,
            "bookings": [
                {"strategy": "hand", "quantity": -4, "price": 125050, "profit": 0, "source": "the price named"}
            ],
        }
        for price in ("0", "-5", "cheap"):
            assert isinstance((await command("NSE:RELIANCE", "--price", price)).exception, DataError)
        unknown = await command("NSE:NOSUCH")
        assert "no instrument 'NSE:NOSUCH'" in str(unknown.exception)

    at_a_desk(tmp_path, play)


def test_what_todays_master_does_not_know_is_named_by_its_id_and_needs_a_price(tmp_path: Path) -> None:
    name = "NSE_FNO:NIFTY-2026-11-17-24000-CE"

    async def play(desk: Desk, command: Command) -> None:
        state, core = desk.engine.state, desk.engine._core
        state.apply(ev.PositionAdopted(ts=desk.engine.now, position=f"ema@{name}", quantity=65, price=120_00))
        core.strange.add(name)
        await desk.compare()
        without = await command(name, "--yes")
        assert "nobody knows a price" in str(without.exception)
        assert "--price" in str(without.exception)
        assert (await command(name, "--price", "0.05", "--yes")).exit_code == 0
        assert state.positions[f"ema@{name}"].quantity == 0

    at_a_desk(tmp_path, play)


def test_without_a_desk_there_is_nothing_to_compare(tmp_path: Path) -> None:
    done = CliRunner().invoke(desk_commands.app, ["accept", "NSE:RELIANCE", "--directory", str(tmp_path)])
    assert "no desk runs" in str(done.exception)


def test_a_broker_that_does_not_tell_its_trades_leaves_the_last_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(desk: Desk, command: Command) -> None:
        async def trades() -> list[AccountTrade]:
            raise BrokerError("the trade book is closed.")

        await desk.stage.place(desk.stage.order(OrderType.MARKET, side=Side.BUY, quantity=2))
        await desk.compare()
        monkeypatch.setattr(desk.stage.client.account, "trades", trades)
        shown = await command("NSE:RELIANCE")
        assert "+2 at ₹1,300.00 (the last price)" in shown.output

    at_a_desk(tmp_path, play)


class Other:
    """A second account, which holds `units` and has seen no trade."""

    def __init__(self, stage: Any, units: int) -> None:
        self.capabilities, self.account, self._units = stage.client.capabilities, self, units

    async def positions(self) -> list[BrokerPosition]:
        return [BrokerPosition(instrument=RELIANCE.id, product=Product.INTRADAY, quantity=self._units)]

    async def trades(self) -> list[AccountTrade]:
        return []


@pytest.mark.parametrize(
    ("held", "told"), [(5, [("ema", -7)]), (4, "differ in 2 accounts"), (-2, "differ in 2 accounts")]
)
def test_an_account_answers_for_its_own_strategies(tmp_path: Path, held: int, told: Any) -> None:
    """Strategy b trades in another account, where nobody has sold anything."""

    async def play(desk: Desk, command: Command) -> None:
        desk.long("ema", 7, Protection())
        for _ in range(2):
            await desk.step(PRICE)
        state, core = desk.engine.state, desk.engine._core
        state.apply(ev.PositionAdopted(ts=desk.engine.now, position=f"b@{RELIANCE.id}", quantity=5, price=PRICE))
        await desk.stage.place(desk.stage.order(OrderType.MARKET, side=Side.SELL, quantity=7))
        core.broker_holds[RELIANCE.id] = held
        accounts: Any = {"one": desk.stage.client, "two": Other(desk.stage, held)}
        router: Any = Router(accounts, {StrategyId("b"): "two"}, "one")
        accepting = Accepting(desk.runner, router, resolve)
        if isinstance(told, str):
            with pytest.raises(SaudagarError, match=told):
                await accepting.accept("NSE:RELIANCE", 0, yes=True)
            return
        shown = await accepting.accept("NSE:RELIANCE", 0, yes=False)
        assert shown.bookings == (await accepting.accept("NSE:RELIANCE", 0, yes=True)).bookings
        assert [(row.strategy, row.quantity) for row in shown.bookings] == told
        assert [position.quantity for position in state.positions.values()] == [0, 5]

    at_a_desk(tmp_path, play)


def test_what_was_traded_in_an_account_without_the_strategy_is_not_its_own(tmp_path: Path) -> None:
    async def play(desk: Desk, command: Command) -> None:
        desk.long("ema", 7, Protection())
        for _ in range(2):
            await desk.step(PRICE)
        desk.engine._core.broker_holds[RELIANCE.id] = 4
        accounts: Any = {"one": desk.stage.client, "two": Other(desk.stage, -3)}
        router: Any = Router(accounts, {}, "one")
        with pytest.raises(SaudagarError, match="more was traded in an account by hand"):
            await Accepting(desk.runner, router, resolve).accept("NSE:RELIANCE", 0, yes=True)

    at_a_desk(tmp_path, play)


def test_what_makes_an_adapter_stumble_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk, command: Command) -> None:
        async def positions() -> list[Any]:
            raise ValueError("an odd row")

        monkeypatch.setattr(desk.stage.client, "positions", positions)
        told = await command("NSE:RELIANCE")
        assert "ValueError: an odd row" in str(told.exception)

    at_a_desk(tmp_path, play)


def trade(quantity: int, price: int) -> AccountTrade:
    return AccountTrade(
        trade_id="1",
        broker_id=BrokerOrderId("B"),
        symbol="RELIANCE",
        side=Side.of(quantity),
        product=Product.INTRADAY,
        quantity=abs(quantity),
        price=price,
        ts=1,
    )


@pytest.mark.parametrize(
    ("trades", "change", "found"),
    [
        ([(50, 10), (-150, 11)], -100, [(50, 10), (-150, 11)]),  # all of it
        ([(-40, 10), (-60, 11), (-50, 12)], -100, [(-50, 11), (-50, 12)]),  # the newest of more
        ([(-40, 10)], -100, [(-40, 10)]),  # a part, the rest is somebody else's guess
        ([(40, 10)], -100, []),  # the other way
        ([], -100, []),
    ],
)
def test_the_trades_that_explain_a_difference(
    trades: list[tuple[int, int]], change: int, found: list[tuple[int, int]]
) -> None:
    parts = explained([trade(*each) for each in trades], change)
    assert [(part.quantity, part.price) for part in parts] == found
    assert {part.source for part in parts} <= {TRADE_BOOK}
