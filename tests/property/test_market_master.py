"""Any set of instruments, written in the three brokers' formats, comes back whole; torn files never lie."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.market.master import contract_symbol, merge, read_dhan, read_kite, read_upstox
from saudagar.model import InstrumentId, Right
from saudagar.model.errors import DataError
from saudagar.storage.master import load_latest, save

pytestmark = pytest.mark.unmeasured

DAY = date(2026, 11, 20)
DHAN = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_TRADING_SYMBOL,SEM_LOT_UNITS,"
    "SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES"
)
KITE = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)


class Contract(NamedTuple):
    underlying: str
    expiry: date
    strike: int  # paise; 0 for a future
    right: Right | None
    tick: int  # paise
    lot: int

    @property
    def kind(self) -> str:
        return self.right.value if self.right else "FUT"


underlyings = st.sampled_from(["NIFTY", "BANKNIFTY", "BAJAJ-AUTO", "M&M", "360ONE"])
expiries = st.integers(0, 900).map(lambda days: DAY + timedelta(days))
ticks, lots = st.sampled_from([1, 5, 10, 20, 100]), st.integers(1, 200_000)
strikes = st.one_of(st.integers(1, 2_000).map(lambda s: s * 5_000), st.integers(1, 20_000_000))
options = st.builds(Contract, underlyings, expiries, strikes, st.sampled_from(Right), ticks, lots)
futures = st.builds(Contract, underlyings, expiries, st.just(0), st.none(), ticks, lots)
tables = st.lists(st.one_of(options, futures), min_size=1, max_size=30, unique_by=lambda c: c[:4])


def dhan(table: list[Contract]) -> bytes:
    lines = [
        f"NSE,D,{40_000 + n},{'OPTSTK' if c.right else 'FUTSTK'},{c.underlying}-{c.expiry:%b%Y}-"
        f"{f'{c.strike / 100:g}-{c.right.value}' if c.right else 'FUT'},{c.lot}.0,x,{c.expiry} 14:30:00,"
        f"{f'{c.strike / 100:.5f}' if c.right else '-0.01000'},{c.right.value if c.right else 'XX'},{c.tick}.0000,X,"
        for n, c in enumerate(table)
    ]
    return "\n".join([DHAN, *lines, ""]).encode()


def kite(table: list[Contract]) -> bytes:
    lines = [
        f"{(40_000 + n) * 256 + 2},{40_000 + n},K{n},{c.underlying},0.0,{c.expiry},{c.strike / 100},{c.tick / 100},"
        f"{c.lot},{c.kind},NFO-{'OPT' if c.right else 'FUT'},NFO"
        for n, c in enumerate(table)
    ]
    return "\n".join([KITE, *lines, ""]).encode()


def upstox(table: list[Contract]) -> bytes:
    midnight = date(1970, 1, 1)
    objects = [
        {
            "segment": "NSE_FO",
            "instrument_type": c.kind,
            "instrument_key": f"NSE_FO|{40_000 + n}",
            "exchange_token": str(40_000 + n),
            "trading_symbol": f"U {n}",
            "underlying_symbol": c.underlying,
            "expiry": ((c.expiry - midnight).days + 1) * 86_400_000 - 1000 - 19_800_000,
            "strike_price": c.strike / 100,
            "tick_size": float(c.tick),
            "lot_size": c.lot,
            "freeze_quantity": float(c.lot * 20),
            "qty_multiplier": 1.0,
        }
        for n, c in enumerate(table)
    ]
    return gzip.compress(json.dumps(objects).encode(), 1)


@given(tables)
def test_three_files_of_one_market_are_one_table(table: list[Contract]) -> None:
    master = merge([read_kite(kite(table)), read_dhan(dhan(table)), read_upstox(upstox(table))], DAY)
    assert master.refused == {"upstox": {}, "dhan": {}, "kite": {}}
    assert master.conflicts == ()
    assert len(master) == len(table)
    for n, c in enumerate(table):
        symbol = contract_symbol(c.underlying, c.expiry, c.strike, c.right)
        found = master.get(InstrumentId(f"NSE_FNO:{symbol}"))
        assert found.underlying == c.underlying
        assert (found.expiry, found.strike, found.right) == (c.expiry, c.strike, c.right)
        assert (found.tick_size, found.lot_size, found.freeze_quantity) == (c.tick, c.lot, c.lot * 20)
        assert master.by_dhan("NSE_FNO", str(40_000 + n)) is found
        assert master.by_upstox(f"NSE_FO|{40_000 + n}") is found
        assert master.by_kite((40_000 + n) * 256 + 2) is found
        assert master.resolve(found.id) is master.resolve(symbol) is found
        if c.right:
            assert found in master.contracts(c.underlying, c.expiry, c.right)
            assert c.expiry in master.expiries(c.underlying)


@given(tables, st.data())
def test_one_wrong_number_in_one_file_marks_that_contract_and_no_other(
    table: list[Contract], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(table) - 1))
    wrong = list(table)
    wrong[at] = table[at]._replace(lot=table[at].lot + 1)
    read, write = data.draw(st.sampled_from([(read_dhan, dhan), (read_kite, kite)]))
    master = merge([read_upstox(upstox(table)), read(write(wrong))], DAY)
    ((found,), fields) = ({c.instrument for c in master.conflicts}, [c.field for c in master.conflicts])
    assert found.endswith(contract_symbol(*table[at][:4]))
    assert fields == ["lot_size"]


@given(tables, st.data())
def test_a_file_cut_anywhere_gives_true_rows_or_an_error(table: list[Contract], data: st.DataObject) -> None:
    read, write = data.draw(st.sampled_from([(read_dhan, dhan), (read_kite, kite), (read_upstox, upstox)]))
    whole = write(table)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        rows = read(cut).rows
    except DataError:
        return
    assert rows == read(whole).rows[: len(rows)]


@given(tables, st.data())
def test_garbled_bytes_never_crash_a_reader(table: list[Contract], data: st.DataObject) -> None:
    read, write = data.draw(st.sampled_from([(read_dhan, dhan), (read_kite, kite), (read_upstox, upstox)]))
    garbled = bytearray(write(table))
    for place in data.draw(st.lists(st.integers(0, len(garbled) - 1), min_size=1, max_size=5)):
        garbled[place] = data.draw(st.integers(0, 255))
    try:
        reading = read(bytes(garbled))
        merge([reading], DAY)
    except DataError:
        return
    assert all(row.tick_size > 0 and row.lot_size > 0 for row in reading.rows)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_error_and_nothing_worse(noise: bytes) -> None:
    for read in (read_dhan, read_kite, read_upstox):
        for data in (noise, DHAN.encode() + b"\n" + noise, KITE.encode() + b"\n" + noise, b"\x1f\x8b" + noise):
            try:
                read(data)
            except DataError:
                continue
            raise AssertionError(f"{read.__name__} took {data!r} for a file")


@given(tables)
@settings(max_examples=20)
def test_what_is_saved_is_what_is_loaded(table: list[Contract]) -> None:
    master = merge([read_kite(kite(table)), read_upstox(upstox(table))], DAY)
    with TemporaryDirectory() as folder:
        save(master, Path(folder))
        again = load_latest(Path(folder))
    assert list(again) == list(master)
    assert (again.day, again.conflicts, again.refused) == (master.day, master.conflicts, master.refused)
