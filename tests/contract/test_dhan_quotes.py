"""`DhanQuotes` through the real SDK: against the simulated exchange, and against a server that breaks on purpose."""

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest
from tests.contract.conftest import IDEA, MARKET_DAY, NIFTY, RELIANCE, Market, ScriptedDay
from tests.scripted import Server

from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.dhan.quotes import CHAIN_CALLS, MOST, QUOTE_CALLS, DhanQuotes
from saudagar.brokers.governor import Governor
from saudagar.exchange.options import WithOptions
from saudagar.execution.account_ports import QuoteClient
from saudagar.market.master import Master
from saudagar.model import SECOND, Instrument, InstrumentKind, Right, Segment
from saudagar.model.errors import AuthError, BrokerError, DataError, RateLimited, RejectedByBroker

TOKEN = "CANARY-TOKEN"
EXPIRY = date(2026, 11, 23)
LOOKUP = Master(MARKET_DAY, (RELIANCE, IDEA, NIFTY))


def ask(url: str, work, *, token: str = TOKEN, lookup=None, timeout=(1.0, 0.3), **paces):
    async def main():
        settings = DhanFeedSettings(client_id="1000000001", token=token, rest_url=url, timeout=timeout)
        client: QuoteClient = DhanQuotes(settings, lookup or LOOKUP, **paces)
        await client.start()
        try:
            return await work(client)
        finally:
            await client.stop()

    return asyncio.run(main())


@pytest.fixture(scope="module")
def market():
    market = Market(WithOptions(ScriptedDay(), strikes=2))
    yield market
    market.close()


def at(market: Market, work):
    account, lookup = market.exchange.config.account, Master(MARKET_DAY, tuple(market.exchange._source.instruments))
    return ask(f"{market.base}/v2", work, token=account.dhan_token, lookup=lookup, timeout=(3.0, 7.0))


def test_quotes_of_shares_and_an_index(market):
    told = at(market, lambda client: client.quotes([RELIANCE, IDEA, NIFTY, RELIANCE]))
    assert set(told) == {RELIANCE.id, IDEA.id, NIFTY.id}
    share = told[RELIANCE.id]
    assert (share.ltp, share.bid, share.ask, share.previous_close) == (1_300_00, 1_299_90, 1_300_10, 1_290_00)
    assert (share.open, share.high, share.low, share.volume) == (1_300_00, 1_300_00, 1_300_00, 1_000)
    assert share.ts == market.exchange.core.now
    assert (share.lower_limit, share.upper_limit) == market.exchange.core.band(RELIANCE.id) == (1_032_00, 1_548_00)
    assert (told[NIFTY.id].ltp, told[NIFTY.id].bid) == (24_010_00, 0)


def test_the_chain_with_its_greeks_and_our_names(market):
    async def work(client):
        assert await client.expiries(NIFTY) == [EXPIRY, date(2026, 12, 1), date(2026, 12, 29)]
        chain = await client.option_chain(NIFTY, EXPIRY)
        assert (chain.underlying, chain.expiry, chain.spot) == (NIFTY.id, EXPIRY, 24_010_00)
        assert [(row.strike // 100_00, row.right) for row in chain.rows[4:6]] == [(240, Right.CALL), (240, Right.PUT)]
        assert len(chain.rows) == 10
        call = chain.rows[4]
        assert call.instrument == "NSE_FNO:NIFTY-2026-11-23-24000-CE"
        assert 0 < call.bid < call.ltp < call.ask
        assert 0.4 < call.delta < 0.7
        assert call.theta < 0 < call.gamma
        assert call.iv > 5
        assert call.open_interest > 0
        contract = next(each for each in market.exchange._source.instruments if each.id == call.instrument)
        assert (await client.quotes([contract]))[contract.id].open_interest == call.open_interest
        with pytest.raises(RejectedByBroker, match="Expiry"):
            await client.option_chain(NIFTY, date(2026, 11, 24))

    at(market, work)


def against(server: Server, work, **options):
    return ask(f"http://127.0.0.1:{server.port}/v2", work, **options)


def reply(body: object, status: int = 200):
    return lambda *_: (status, json.dumps(body).encode())


ROW = {
    "last_price": 4525.55,
    "ohlc": {"open": 4521.45, "close": 4507.85, "high": 4530, "low": 4500},
    "depth": {"buy": [{"price": 4525.5}], "sell": []},
    "volume": 7,
    "oi": 0,
    "last_trade_time": "01/01/1980 00:00:00",
}


def test_calls_are_as_large_as_dhan_takes_and_by_segment(server):
    shares = [
        Instrument(segment=Segment.NSE_EQ, symbol=f"S{n}", kind=InstrumentKind.EQUITY, tick_size=5, dhan_id=str(n))
        for n in range(1, MOST + 2)
    ]
    server.answer = reply({"data": {"NSE_EQ": {"1": ROW, "99999": ROW}, "IDX_I": {"13": ROW}}, "status": "success"})
    told = against(server, lambda client: client.quotes([NIFTY, *shares]))
    bodies = [{key: ids for key, ids in body.items() if key != "dhanClientId"} for _, _, body in server.requests]
    assert [sum(map(len, body.values())) for body in bodies] == [MOST, 2]
    assert bodies[0]["IDX_I"] == [13]
    assert bodies[0]["NSE_EQ"][:2] == [1, 2]
    assert set(told) == {NIFTY.id, shares[0].id}
    assert (told[NIFTY.id].ts, told[NIFTY.id].bid, told[NIFTY.id].ask) == (0, 4_525_50, 0)


BAD_ROWS = [
    7,
    {},
    {"last_price": 1.0},
    ROW | {"last_price": "NaN"},
    ROW | {"volume": 1.5},
    ROW | {"ohlc": {"open": -1}},
    ROW | {"oi": -3},
]


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_counted_and_left_out(server, row):
    server.answer = reply({"data": {"NSE_EQ": {"2885": row, "14366": ROW}}, "status": "success"})

    async def work(client):
        assert set(await client.quotes([RELIANCE, IDEA])) == {IDEA.id}
        assert client.refusals == {"bad quote": 1}

    against(server, work)


def test_what_has_not_traded_is_absent(server):
    idle = ROW | {"last_price": 0, "ohlc": dict.fromkeys(ROW["ohlc"], 0)}
    server.answer = reply({"data": {"NSE_EQ": {"2885": idle}}, "status": "success"})
    assert against(server, lambda client: client.quotes([RELIANCE])) == {}


BREAKS = [
    (lambda *_: None, BrokerError),
    (lambda *_: "reset", BrokerError),
    (lambda *_: (200, b""), BrokerError),
    (lambda *_: (200, b'{"data": '), BrokerError),
    (reply({"status": "success"}), BrokerError),
    (reply({"data": [1], "status": "success"}), BrokerError),
    (reply({"data": {"NSE_EQ": 7}, "status": "success"}), BrokerError),
    (reply({"data": ["soon"]}), BrokerError),
    (reply({"data": {"806": "no plan"}, "status": "failed"}, 400), RejectedByBroker),
    (reply({"data": {"807": "Access token is expired"}, "status": "failed"}, 401), AuthError),
    (reply({"data": {"805": "Too many requests"}, "status": "failed"}, 429), RateLimited),
]


@pytest.mark.parametrize(("answer", "kind"), BREAKS)
def test_every_way_a_question_can_end(server, answer, kind):
    server.answer = answer

    async def work(client):
        for question in (client.quotes([RELIANCE]), client.expiries(NIFTY), client.option_chain(NIFTY, EXPIRY)):
            with pytest.raises(BrokerError) as raised:
                await question
            assert type(raised.value) is kind
            assert TOKEN not in f"{raised.value!r} {raised.value}"

    against(server, work, timeout=(1.0, 0.15))


@pytest.mark.parametrize("data", [[], {}, {"oc": []}, {"oc": {"far": {"ce": {}}}}, {"oc": {"1": {"ce": {"oi": "x"}}}}])
def test_what_is_no_chain(server, data):
    server.answer = reply({"data": data})
    with pytest.raises(BrokerError, match="option chain"):
        against(server, lambda client: client.option_chain(NIFTY, EXPIRY))


def test_what_has_no_id_is_not_asked_for(server):
    nameless = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)
    with pytest.raises(DataError, match="no Dhan security id"):
        against(server, lambda client: client.quotes([nameless]))
    assert server.requests == []


def test_the_recorded_chain_is_read_whole(server):
    path = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest/models__option_chain__0.json"
    if not path.exists():
        pytest.skip("the recorded answers are not part of the project")
    recorded = json.loads(path.read_text())["response_body"]
    server.answer = reply(recorded)
    chain = against(server, lambda client: client.option_chain(NIFTY, date(2025, 2, 6)))
    assert chain.spot == 23_482_15
    assert len(chain.rows) == 2 * len(recorded["data"]["oc"])
    idle = chain.rows[0]
    assert (idle.strike, idle.right, idle.ltp, idle.iv, idle.delta) == (17_600_00, Right.CALL, 0, None, None)
    busy = [row for row in chain.rows if row.delta is not None]
    assert busy
    assert all(row.iv for row in busy)
    assert {row.instrument for row in chain.rows} == {""}


def test_dhans_own_pace_is_kept_where_it_is_dhan():
    """One call a second and one chain in three, on a clock of our own; nothing where the address is another."""
    live = DhanQuotes(DhanFeedSettings(client_id="1", token=TOKEN), LOOKUP)
    assert [window for window, _ in live._quote_pace._windows] == list(QUOTE_CALLS)
    assert [window for window, _ in live._chain_pace._windows] == list(CHAIN_CALLS)
    assert [(window.period // SECOND, window.most) for window in QUOTE_CALLS + CHAIN_CALLS] == [(1, 1), (3, 1)]
    other = DhanQuotes(DhanFeedSettings(client_id="1", token=TOKEN, rest_url="http://127.0.0.1:1"), LOOKUP)
    assert other._quote_pace._windows == other._chain_pace._windows == []


def test_a_pace_of_ones_own_is_kept(server):
    """The second question has no turn within its patience and is never sent."""
    server.answer = reply({"data": {}, "status": "success"})

    async def work(client):
        assert await client.quotes([RELIANCE]) == {}
        with pytest.raises(RateLimited, match="Nothing was sent"):
            await client.quotes([RELIANCE])

    against(server, work, quote_pace=Governor(QUOTE_CALLS, share=1.0, patience=0.01))
    assert len(server.requests) == 1
