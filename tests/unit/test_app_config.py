"""A configuration is read whole, or every mistake in it is named: line, value, what is allowed, the nearest key."""

import datetime as dt
from pathlib import Path

import pytest

from saudagar.app.config import DeskConfig, Mode, load, parse
from saudagar.app.errors import ConfigProblems
from saudagar.model import MINUTE, SECOND, InstrumentId, OrderType, Product, SizeBy, TradeSide
from saudagar.strategies.ema_cross import EmaCross

TOKEN = {"SAUDAGAR_UPSTOX_TOKEN": "x"}  # what the default mode, paper, needs
SIMULATED = '\n[desk]\nmode = "simulation"'
ROOT = Path(__file__).resolve().parents[2]
STRATEGY = """
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = { quantity = 10 }
"""


def read(text: str, environ: dict[str, str] | None = None, path: Path = Path("desk.toml")) -> DeskConfig:
    return parse(text, path, TOKEN if environ is None else environ)


def problems(text: str, environ: dict[str, str] | None = None, path: Path = Path("desk.toml")) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        read(text, environ, path)
    return list(caught.value.problems)


# Right files --------------------------------------------------------------------------------------------------------


def test_a_strategy_alone_is_a_desk_with_safe_defaults() -> None:
    config = read(STRATEGY)
    assert (config.desk.name, config.desk.mode, config.desk.capital) == ("DEMO", Mode.PAPER, 1_000_000_00)
    assert (config.orders.entry_type, config.orders.product) == (OrderType.LIMIT, Product.INTRADAY)
    assert (config.orders.protection_ppm, config.orders.chase) == (5_000, 5 * SECOND)
    assert config.session.square_off == dt.time(15, 10)
    assert (config.data.broker, config.charges_plan("ema")) == ("upstox", "dhan")
    ema = config.strategies["ema"]
    assert ema.strategy == EmaCross()
    assert (ema.interval, ema.side, ema.instruments) == (MINUTE, TradeSide.BOTH, ("NSE:RELIANCE",))
    assert ema.size.sizing().by is SizeBy.QUANTITY
    assert config.names == ("NSE:RELIANCE",)


def test_each_strategy_bears_the_charges_of_the_broker_that_takes_its_orders() -> None:
    text = STRATEGY + 'account = "other"\n' + STRATEGY.replace("[strategies.ema]", "[strategies.own]")
    text += '[orders]\nbroker = "upstox"\n[accounts.other]\nbroker = "kite"\n[desk]\nmode = "simulation"\n'
    plans = read(text)
    assert [plans.charges_plan(name) for name in ("ema", "own", "manual")] == ["kite", "upstox", "upstox"]
    told = read(text + '[charges]\nplan = "dhan"\n')
    assert [told.charges_plan(name) for name in ("ema", "own", "manual")] == ["dhan"] * 3


def test_values_arrive_in_the_units_of_the_desk() -> None:
    config = read(
        STRATEGY.replace('kind = "ema_cross"', 'kind = "ema_cross"\ninterval = "2h"\nparams = {fast = 5, slow = 8}')
        + "[risk]\nday_loss = 1250.55\nmax_order_value = 1_00_000\nprice_band_percent = 1.25\nstale_seconds = 2.5\n"
        + "[session]\nsquare_off = 15:05:30\n[simulation]\ndate = '2026-11-19'\n"
    )
    assert config.risk.day_loss == 1250_55
    assert config.session.square_off == dt.time(15, 5, 30)
    assert config.simulation.date == dt.date(2026, 11, 19)
    assert config.strategies["ema"].interval == 120 * MINUTE
    assert config.strategies["ema"].strategy == EmaCross(fast=5, slow=8)
    limits = config.risk.limits(frozenset({InstrumentId("NSE_EQ:RELIANCE")}), config.desk.capital)
    assert (limits.day_loss, limits.max_order_value) == (1250_55, 1_00_000_00)
    assert (limits.price_band_ppm, limits.stale, limits.orders_per_second) == (12_500, 2_500_000_000, 8)
    assert limits.allowed == {"NSE_EQ:RELIANCE"}
    assert limits.leverage_percent == 0  # a desk counts its cash where it is told to


def test_a_leverage_makes_entries_need_cash() -> None:
    config = read(STRATEGY + "[desk]\ncapital = 250000\n[risk]\nleverage = 2.5\n")
    limits = config.risk.limits(frozenset(), config.desk.capital)
    assert (limits.capital, limits.leverage_percent) == (250_000_00, 250)


def test_the_example_is_complete_and_right() -> None:
    config = load(ROOT / "saudagar.example.toml", {})
    assert set(config.strategies) == {"ema", "breakout"}
    defaults = read(STRATEGY)
    for section in ("desk", "data", "orders", "simulation", "risk", "session", "charges", "instruments"):
        given = set(getattr(config, section).model_fields_set)
        assert given | {"faults"} >= set(type(getattr(config, section)).model_fields), section
        shown = getattr(config, section).model_dump() | ({"mode": Mode.PAPER} if section == "desk" else {})
        assert shown == getattr(defaults, section).model_dump(), section


def test_the_example_with_its_faults_switched_on_is_right_too() -> None:
    text = (ROOT / "saudagar.example.toml").read_text().replace("# faults", "faults")
    assert read(text).simulation.faults["rules"][0]["kind"] == "drop_after_accept"


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ticks.csv").touch()
    config = read(STRATEGY + '[simulation]\nticks = ["ticks.csv"]\n', path=tmp_path / "desk.toml")
    assert config.directory == tmp_path / "var" / "desk"
    assert config.source("master.csv") == str(tmp_path / "master.csv")
    assert config.source("https://example.org/x.csv") == "https://example.org/x.csv"
    assert config.path("/abs") == Path("/abs")


def test_a_strategy_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from pydantic import Field\nfrom saudagar.strategies import Strategy\n"
        "class Mine(Strategy):\n    bars: int = Field(5, ge=2)\n"
    )
    text = STRATEGY.replace("ema_cross", "mine.py:Mine")
    config = read(text + "params = {bars = 7}\n", path=tmp_path / "desk.toml")
    assert config.strategies["ema"].strategy.model_dump() == {"bars": 7}
    (problem,) = problems(text + "params = {bars = 1}\n", path=tmp_path / "desk.toml")
    assert problem.endswith("desk.toml:6: strategies.ema.params.bars = 1: expected 2 or more.")


def test_the_digest_follows_every_setting_and_no_secret() -> None:
    same = {read(STRATEGY).digest(), read("# a comment\n" + STRATEGY, TOKEN | {"SAUDAGAR_DHAN_TOKEN": "x"}).digest()}
    assert len(same) == 1
    assert len(same.pop()) == 12
    changes = ["[risk]\nday_loss = 1\n", "[simulation]\nseed = 8\n", "[session]\nsquare_off = '15:09'\n"]
    others = [STRATEGY + change for change in changes]
    others += [STRATEGY.replace("10", "11"), STRATEGY.replace(".ema", ".emb"), STRATEGY + "params = {fast = 8}\n"]
    assert len({read(text).digest() for text in [STRATEGY, *others]}) == 7


def test_daily_bars_enter_from_the_opening_on_unless_told_otherwise() -> None:
    daily = STRATEGY + 'interval = "1d"\n'
    assert read(STRATEGY).session.no_entry_before == dt.time(9, 16)
    assert read(daily).session.no_entry_before is None
    assert read(STRATEGY + '[session]\nno_entry_before = ""\n').session.no_entry_before is None
    assert read(daily + '[session]\nno_entry_before = "09:15"\n').session.no_entry_before == dt.time(9, 15)
    (problem,) = problems(daily + '[session]\nno_entry_before = "09:16"\n')
    assert "desk.toml:8: session.no_entry_before" in problem
    assert "ema trades daily bars: its entries in NSE:RELIANCE come with the session's first price" in problem
    (problem,) = problems(daily.replace("NSE:RELIANCE", "MCX:GOLD") + '[session]\nno_entry_before = "09:15"\n')
    assert "MCX:GOLD" in problem  # it opens at 09:00


# Mistakes -----------------------------------------------------------------------------------------------------------

ONE_MISTAKE = [
    # the file after a right strategy, line of the mistake, what the message must say
    ('[desk]\nname = "demo"', 7, 'desk.name = "demo": expected 1 to 4 of A–Z and 0–9'),
    ('[desk]\nname = "ABCDE"', 7, 'desk.name = "ABCDE": expected 1 to 4'),
    ('[desk]\nname = "AB\\n"', 7, "expected 1 to 4"),
    ("[desk]\nname = 5", 7, 'desk.name = 5: expected text in "quotes"'),
    ('[desk]\nmode = "lief"', 7, """expected 'simulation', 'paper' or 'live'. Did you mean "live"?"""),
    ('[desk]\ncapital = "1000"', 7, "capital = \"1000\": expected an amount in rupees, such as 2000"),
    ("[desk]\ncapital = nan", 7, "desk.capital = nan: expected an amount in rupees"),
    ("[desk]\ncapital = true", 7, "desk.capital = true: expected an amount"),
    ("[desk]\ncapital = -5", 7, "desk.capital = -5: expected more than 0"),
    ("[desk]\nday_loss = 5", 7, "desk.day_loss = 5: there is no such key. It belongs in [risk]."),
    ("[desk]\n\n# c\ncapitall = 5", 9, "there is no such key. Did you mean capital?"),
    ("[desk]\nzzz = 5", 7, "Known here: capital, directory, keep_awake, mode, name."),
    ("[dsk]\nname = 'A'", 6, "dsk: there is no such key. Did you mean desk?"),
    ('[data]\nbroker = "icici"', 7, "data.broker = \"icici\": expected 'upstox', 'dhan' or 'kite'"),
    ("[data]\ndepth = 1", 7, "data.depth = 1: expected true or false"),
    ('[orders]\nentry = "limit"', 7, "expected 'LIMIT' or 'MARKET'. Did you mean \"LIMIT\"?"),
    ("[orders]\nprotection_percent = 50", 7, "expected 5 or less"),
    ("[orders]\nprotection_percent = inf", 7, "expected a finite number"),
    ("[orders]\nchase_seconds = 0", 7, "expected more than 0"),
    ("[risk]\norders_per_second = 11", 7, "expected 10 or less"),
    ("[risk]\nmax_open_positions = 1.5", 7, "max_open_positions = 1.5: expected a whole number"),
    ("[risk]\nleverage = 0.001", 7, "risk.leverage = 0.001: expected 0, for no such rule, or 0.01 and more"),
    ("[risk]\nleverage = 101", 7, "expected 100 or less"),
    ("[risk]\nleverage = -1", 7, "expected 0 or more"),
    ("[risk]\nleverage = nan", 7, "expected a finite number"),
    ('[risk]\nmax_trades = "3"', 7, 'max_trades = "3": expected a whole number'),
    ('[risk]\nallowed = [\n"NSE:RELIANCE",\n"nse:tcs"]', 9, 'risk.allowed[1] = "nse:tcs": expected an instrument as'),
    ('[risk]\nallowed = "NSE:RELIANCE"', 7, "expected a list in [brackets]"),
    ('[risk]\nallowed = ["NSE:TCS"]', 4, 'instruments[0] = "NSE:RELIANCE": risk.allowed does not hold it'),
    ('[session]\nsquare_off = "3pm"', 7, 'a time of day in India, "HH:MM" or "HH:MM:SS", such as "15:10"'),
    ('[session]\nsquare_off = "24:00"', 7, "a time of day"),
    ('[session]\nsquare_off = ""', 7, 'product = "INTRADAY" needs a time: only "DELIVERY" and "MARGIN" are kept'),
    ('[session]\nsquare_off = "14:59"', 7, "expected a time after no_entry_after (15:00)"),
    ('[session]\nno_entry_after = "09:15"', 7, "expected a time after no_entry_before (09:16)"),
    ("[simulation]\ndate = 2026-11-21" + SIMULATED, 7, "simulation.date = 2026-11-21: NSE does not trade on that day"),
    ("[simulation]\ndate = 1999-01-04" + SIMULATED, 7, "1999"),
    ("[simulation]\ndate = 'soon'", 7, "expected a date such as 2026-11-20"),
    ("[simulation]\ndate = 12", 7, "expected a date such as 2026-11-20"),
    ("[simulation]\nsymbols = 0", 7, "expected 1 or more"),
    ("[simulation]\nspeed = -1", 7, "expected 0 or more"),
    ('[simulation]\nticks = ["no.csv"]' + SIMULATED, 7, 'simulation.ticks[0] = "no.csv": there is no such file'),
    ('[simulation]\nfaults = {rules = [{kind = "dely"}]}', 7, "rules[0].kind`; a rule's kind is one of delay, drop_b"),
    ('[simulation]\nin_process = true\nfaults = {seed = 1}', 8, "simulation.faults: faults happen on the wire"),
    ('[charges]\nplan = "zerodha"', 7, "expected 'broker', 'dhan', 'upstox' or 'kite'. Did you mean \"kite\"?"),
    ('[orders]\nproduct = "CNC"', 7, 'Did you mean "DELIVERY"?'),
    ('[simulation]\nstart = "10:00"\nend = "09:30"' + SIMULATED, 8, "expected a time after start (10:00)"),
    ("[charges]\nplan = 'dhan'\nplan = 'kite'", 8, "this is no TOML: Cannot overwrite a value"),
    ("[charges\n", 6, "this is no TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), ONE_MISTAKE)
def test_one_mistake_gives_one_line_that_says_it_all(text: str, line: int, message: str) -> None:
    (problem,) = problems(STRATEGY.rstrip() + "\n" + text)
    assert problem.startswith(f"desk.toml:{line}: ")
    assert message in problem


STRATEGY_MISTAKES = [
    ("kind", '"ema_cros"', 3, "there is no strategy 'ema_cros'. Did you mean 'ema_cross'?"),
    ("kind", '"no.py:X"', 3, "does not exist"),
    ("kind", "4", 3, 'expected text in "quotes"'),
    ("kind", '""', 3, "expected some text"),
    ("instruments", "[]", 4, "expected at least 1"),
    ("instruments", '["RELIANCE"]', 4, "expected an instrument as \"EXCHANGE:SYMBOL\""),
    ("instruments", '["NSE:A", "NSE:A"]', 4, "expected each instrument once; NSE:A"),
    ("size", "{}", 5, "give exactly one of risk, value, quantity, lots; got none"),
    ("size", "{ risk = 1, lots = 1 }", 5, "got risk, lots"),
    ("size", "{ risk = 2000 }", 5, "sizing by risk needs a stop"),
    ("size", "{ value = -1 }", 5, "strategies.ema.size.value = -1: expected more than 0"),
    ("size", "{ value = 2000001 }\n[risk]\nleverage = 2", 5, "above desk.capital times risk.leverage (₹20,00,000.00)"),
    ("size", "{ quantty = 1 }", 5, "quantty = 1: there is no such key. Did you mean quantity?"),
    ("size", "5", 5, "expected a table"),
    ("account", '"famly"\n[accounts.family]\nbroker = "kite"\n[risk]\nday_los = 5', 6, 'Did you mean "family"?'),
    ("interval", '"90m90"', 6, 'interval = "90m90": expected an interval from "1s" to "1d"'),
    ("interval", '"2d"', 6, "expected an interval"),
    ("interval", '"0m"', 6, "expected an interval"),
    ("side", '"LONG"', 6, "expected 'BOTH', 'BUY' or 'SELL'"),
    ("params", "{ fast = 1 }", 6, "strategies.ema.params.fast = 1: expected 2 or more"),
    ("params", '{ fast = "9" }', 6, 'params.fast = "9": expected a whole number'),
    ("params", "{ fas = 9 }", 6, "params.fas = 9: there is no such key. Did you mean fast?"),
    ("params", "[]", 6, "expected a table"),
    ("exits", '{ stop = "1 percent" }', 6, 'exits.stop = "1 percent": write a percentage "1%"'),
    ("exits", '{ stop = "0%" }', 6, 'exits.stop = "0%": expected more than 0'),
    ("exits", '{ stop = "60%" }', 6, "is no protection"),
    ("exits", "{ max_minutes = 9999 }", 6, "expected 1440 or less"),
    ("exit", '{ stop = "1%" }', 6, "strategies.ema.exit: there is no such key. Did you mean exits?"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "line", "message"), STRATEGY_MISTAKES)
def test_mistakes_in_a_strategy(key: str, value: str, line: int, message: str) -> None:
    lines = STRATEGY.splitlines()
    places = [number for number, text in enumerate(lines) if text.startswith(f"{key} =")]
    lines[places[0] if places else len(lines) :] = [
        f"{key} = {value}",
        *(lines[places[0] + 1 :] if places else []),
    ]
    (problem,) = [one for one in problems("\n".join(lines)) if f":{line}: " in one]
    assert message in problem


def test_every_mistake_of_a_file_comes_at_once_in_its_order() -> None:
    found = problems(
        """[desk]
name = "demo"
[risk]
day_los = 5
stale_seconds = 0
[session]
square_off = "14:00"
[strategies.a]
kind = "ema_cross"
params = {slow = 1}
[strategies.B]
kind = "volume_brakout"
instruments = ["NSE:INFY"]
size = {risk = 2000}
[strategies.c]
kind = "ema_cross"
instruments = ["NSE:INFY"]
size = {risk = 2000}
[secret]
file = "x"
"""
    )
    assert [int(problem.split(":")[1]) for problem in found] == [2, 4, 5, 7, 8, 8, 10, 11, 12, 18, 19]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "strategies: there is none; a desk needs at least one [strategies.NAME]"),
        ("strategies = 5", "desk.toml:1: strategies = 5: expected tables"),
        ("[strategies]\nkind = 'ema_cross'", "strategies.kind = \"ema_cross\": expected a table [strategies.NAME]"),
        ("[strategies]\nfoo = 1", "strategies.foo = 1: expected a table"),
        ("risk = 5\n" + STRATEGY, "desk.toml:1: risk = 5: expected a table"),
        ("[[risk]]\n" + STRATEGY, "desk.toml:1: risk = [{}]: expected a table"),
        (STRATEGY.replace(".ema", ".manual"), "strategies.manual: expected a name of up to 20"),
        (STRATEGY.replace(".ema", '."a b"'), 'strategies."a b": expected a name of up to 20'),
        ("a = " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_tables_in_the_wrong_shape(text: str, message: str) -> None:
    (problem,) = problems(text)
    assert message in problem


def test_selling_short_needs_a_product_that_can() -> None:
    delivery = '[orders]\nproduct = "DELIVERY"\n'
    (problem,) = problems(STRATEGY + delivery)
    assert "BOTH would sell short" in problem
    assert read(STRATEGY + 'side = "BUY"\n' + delivery).orders.product is Product.DELIVERY


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match="1 mistake in"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"\xe9 = 1")
    for name, reason in (("none.toml", "No such file"), ("latin.toml", "no UTF-8"), (".", "Is a directory")):
        with pytest.raises(ConfigProblems) as caught:
            load(tmp_path / name, {})
        assert reason in caught.value.problems[0]
