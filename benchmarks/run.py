"""`make bench`: measures the hot paths and prints them. It asserts nothing: times belong to a machine and its load.

Each figure is told with the median and the best of its rounds. Peers run in the same run on the same data, each in an
environment of its own under ``var/bench``; without a package index they are left out, with a note.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.measure import SCRATCH, Figure, machine, table

_SECTIONS: dict[str, Callable[[bool], Iterator[Figure]]] = {}


def _section(name: str) -> Callable[[Callable[[bool], Iterator[Figure]]], Callable[[bool], Iterator[Figure]]]:
    def keep(work: Callable[[bool], Iterator[Figure]]) -> Callable[[bool], Iterator[Figure]]:
        _SECTIONS[name] = work
        return work

    return keep


@_section("research")
def _research(short: bool) -> Iterator[Figure]:
    from benchmarks.research import figures

    return figures(100_000 if short else 1_000_000, 3)


@_section("ticks")
def _ticks(short: bool) -> Iterator[Figure]:
    from benchmarks.ticks import figures

    return figures(50_000 if short else 200_000, 3)


@_section("latency")
def _latency(short: bool) -> Iterator[Figure]:
    from benchmarks.latency import figures

    return figures(10 if short else 20)


@_section("memory")
def _memory(short: bool) -> Iterator[Figure]:
    from benchmarks.house import memory

    return memory()


@_section("start")
def _start(short: bool) -> Iterator[Figure]:
    from benchmarks.house import start_up

    return start_up(3 if short else 9)


@_section("journal")
def _journal(short: bool) -> Iterator[Figure]:
    from benchmarks.house import journal

    return journal(200 if short else 2_000)


@_section("orders")
def _orders(short: bool) -> Iterator[Figure]:
    from benchmarks.house import orders

    return orders(3)


@_section("feeds")
def _feeds(short: bool) -> Iterator[Figure]:
    from benchmarks.feeds import figures

    return figures(20_000, 3 if short else 5)


@_section("backtest")
def _backtest(short: bool) -> Iterator[Figure]:
    from benchmarks.backtest import figures

    return figures(100_000 if short else 1_000_000, 3)


@_section("sweep")
def _sweep(short: bool) -> Iterator[Figure]:
    from benchmarks.sweep import figures

    return figures(50_000 if short else 250_000, 3)


@_section("portfolio")
def _portfolio(short: bool) -> Iterator[Figure]:
    from benchmarks.portfolio import figures

    return figures(10_000 if short else 100_000, 3)


@_section("cluster")
def _cluster(short: bool) -> Iterator[Figure]:
    from benchmarks.cluster import figures

    return figures(20_000 if short else 100_000, 1 if short else 3)


@_section("command")
def _command(short: bool) -> Iterator[Figure]:
    from benchmarks.command import figures

    return figures(2 if short else 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sections that were asked for, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(_SECTIONS)}; all without any")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sections if name not in _SECTIONS]:
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(_SECTIONS)}")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    begin, where = time.perf_counter(), machine()
    print(where)
    figures: list[Figure] = []
    for name in options.sections or _SECTIONS:
        some = list(_SECTIONS[name](options.short))
        figures += some
        print(table(some), flush=True)
    seconds = time.perf_counter() - begin
    print(f"\n{seconds:.0f} s; at the end: {machine()}")
    if options.json:
        told = {"machine": where, "seconds": round(seconds, 1), "figures": figures}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(told)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
