"""The brokers' real files of 2026, trimmed: everything in them is read, merged and found."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from saudagar.market.master import Conflict, Master, merge, read_dhan, read_kite, read_upstox
from saudagar.model import InstrumentId, InstrumentKind, Right, Segment

FILES = Path(__file__).resolve().parents[2] / "../shared/fixtures/masters"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason=f"the brokers' real files are not here: {FILES} is absent")
DAY = date(2026, 8, 21)


@pytest.fixture(scope="module")
def master() -> Master:
    return merge(
        [
            read_dhan((FILES / "dhan_compact_eq_idx_2026-06-29_sample.csv").read_bytes()),
            read_kite((FILES / "kite_nfo_bfo_2026-08-18_sample.csv").read_bytes()),
            read_upstox((FILES / "upstox_NSE_2026-08-21_sample.json").read_bytes()),
        ],
        DAY,
    )


def test_every_row_is_accounted_for(master: Master) -> None:
    assert master.counts == {
        Segment.NSE_EQ: 16,
        Segment.NSE_INDEX: 140,
        Segment.NSE_FNO: 483,
        Segment.BSE_EQ: 36,
        Segment.BSE_INDEX: 71,  # one of the 72 rows comes under two ids
        Segment.BSE_FNO: 114,
    }
    assert master.refused == {"dhan": {}, "kite": {"expired": 48}, "upstox": {"currency": 8, "segment": 8}}


def test_the_files_agree_but_for_a_tick_that_was_reviewed_between_their_dates(master: Master) -> None:
    assert master.conflicts == (
        Conflict(InstrumentId("BSE_INDEX:CAPINS"), "id", "dhan 846 and 99"),
        Conflict(InstrumentId("NSE_EQ:SBIN"), "tick_size", "upstox 10, dhan 5"),
    )


def test_a_share_at_two_brokers(master: Master) -> None:
    reliance = master.resolve("RELIANCE")
    assert (reliance.dhan_id, reliance.upstox_id) == ("2885", "NSE_EQ|INE002A01018")
    assert (reliance.tick_size, reliance.freeze_quantity, reliance.closing_auction) == (10, 100_000, True)
    assert master.resolve("BSE:RELIANCE").dhan_id == "500325"
    assert not master.resolve("GOLDBEES").closing_auction


def test_the_four_indices_with_the_most_derivatives(master: Master) -> None:
    names = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY")
    found = [master.resolve(name) for name in names]
    assert [(index.dhan_id, index.upstox_id) for index in found] == [
        ("13", "NSE_INDEX|Nifty 50"),
        ("25", "NSE_INDEX|Nifty Bank"),
        ("27", "NSE_INDEX|Nifty Fin Service"),
        ("442", "NSE_INDEX|NIFTY MID SELECT"),
    ]
    assert all(master.expiries(name) for name in names)


def test_contracts_at_two_brokers(master: Master) -> None:
    future = master.futures("NIFTY")[0]
    assert (future.id, future.expiry) == ("NSE_FNO:NIFTY-2026-08-25-FUT", date(2026, 8, 25))
    assert (future.kite_id, future.upstox_id, future.kite_symbol) == ("14866434", "NSE_FO|58072", "NIFTY26AUGFUT")
    assert (future.tick_size, future.lot_size, future.freeze_quantity) == (10, 65, 1755)
    assert master.by_kite(14866434) is master.by_upstox("NSE_FO|58072") is future
    both = [i for i in master if i.kind is InstrumentKind.OPTION and i.kite_id and i.upstox_id]
    assert len(both) == 173  # as many as have equal exchange tokens in the two files


def test_an_expiry_moved_by_a_holiday_and_decimal_strikes(master: Master) -> None:
    assert date(2029, 12, 24) in master.expiries("NIFTY")
    assert date(2026, 8, 18) not in master.expiries("NIFTY")
    strikes = [call.strike for call in master.contracts("NIFTY", date(2026, 8, 25), Right.CALL)]
    assert strikes == sorted(strikes)
    assert strikes


def test_dhans_derivatives_and_its_detailed_file() -> None:
    contracts = read_dhan((FILES / "dhan_compact_fno_rows_2026-06.csv").read_bytes())
    master = merge([contracts], date(2026, 6, 29))
    assert {contract.id: contract.lot_size for contract in master} == {
        "NSE_FNO:NIFTY-2026-06-30-27650-CE": 65,
        "NSE_FNO:NIFTY-2026-06-30-27650-PE": 65,
        "NSE_FNO:BANKNIFTY-2026-06-30-65400-CE": 30,
    }
    detailed = read_dhan((FILES / "dhan_detailed_31col_2026-04-15_sample.csv").read_bytes())
    assert not detailed.refused
    master = merge([detailed], date(2026, 4, 15))
    assert master.resolve("HDFCBANK").isin == "INE040A01034"
    assert master.counts == {Segment.NSE_EQ: 16, Segment.NSE_INDEX: 60}
