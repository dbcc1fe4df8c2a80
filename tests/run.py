"""What `make test` runs: every test but the soaks, branch coverage in every process, and the bars they must clear.

The tests run in three worker processes and start more of their own (exchanges, feeds, desks). All of them are measured:
coverage's settings travel in the environment and its start-up file in site-packages reads them. A process that ends
by SIGTERM or `os._exit` still writes its data; one killed with -9 cannot, so what only such a process ran shows as
not covered. So does what only tests marked `unmeasured` ran (see `tests.conftest`).

A test that fails beside the others is run once more, alone: real sockets and clocks share two cores. If it passes then,
the run is good, but its name is printed at the end: a test that fails now and then is a defect too.

Arguments are handed to pytest (`python -m tests.run tests/unit -k charges`); then the table is printed and no bar
applies. Exit code: pytest's own, else 1 when a bar was missed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import coverage

import saudagar

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(saudagar.__file__).resolve().parent
GROUND = ("model", "indicators", "market", "strategies", "portfolio", "risk", "execution", "engine")
BAR_ALL = 85.0  # percent of statements and branches
BAR_GROUND = 95.0


class Covered(NamedTuple):
    """What there is to run and what ran, statements and branches together."""

    total: int = 0
    hit: int = 0

    def plus(self, other: Covered) -> Covered:
        return Covered(self.total + other.total, self.hit + other.hit)

    @property
    def percent(self) -> float:
        return 100.0 * self.hit / self.total if self.total else 100.0


# Three workers on two cores: a test that waits for a socket or a clock leaves its core to another.
_TOGETHER = ["-n", "3", "--dist", "worksteal", "--durations=15"]
_ALONE = ["--last-failed", "--last-failed-no-failures", "none"]


def main(arguments: Sequence[str]) -> int:
    """Run, report, judge. Returns the process's exit code."""
    began = time.monotonic()
    os.chdir(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes share what one has compiled
    first: list[str] = []
    with tempfile.TemporaryDirectory(prefix="coverage-") as scratch:
        measure = _measure(Path(scratch) / "data")
        code, said = _pytest([*_TOGETHER, *arguments])
        if code == 1 and not arguments:
            first = failures(said)
            print("\n-- what failed beside others is run once more, alone --\n", flush=True)
            code, said = _pytest(_ALONE)
        measured = by_package(_files(measure, Path(scratch)))
    print("\n".join(table(measured)))
    misses = [] if arguments else missed(measured)
    if first:
        print("\nfailed beside others and were run again (no test may fail now and then):", *first, sep="\n")
    print("\n".join(misses), said[-1] if said else "", f"whole run {time.monotonic() - began:.0f} s", sep="\n")
    return code or (1 if misses else 0)


def failures(said: Sequence[str]) -> list[str]:
    """The lines of pytest's short summary that name a test which failed."""
    return [line for line in said if line.startswith(("FAILED ", "ERROR "))]


def by_package(files: Mapping[str, Covered]) -> dict[str, Covered]:
    """Coverage per package from coverage per file (paths below `saudagar/`), in the order of the names."""
    packages: dict[str, Covered] = {}
    for path, covered in sorted(files.items()):
        name = path.split("/", 1)[0] if "/" in path else "(top)"
        packages[name] = packages.get(name, Covered()).plus(covered)
    return packages


def totals(packages: Mapping[str, Covered]) -> tuple[Covered, Covered]:
    """(model to engine, everything)."""
    ground = whole = Covered()
    for name, covered in packages.items():
        whole = whole.plus(covered)
        ground = ground.plus(covered) if name in GROUND else ground
    return ground, whole


def table(packages: Mapping[str, Covered]) -> Iterator[str]:
    """The lines of the report."""
    ground, whole = totals(packages)
    rows = [*packages.items(), ("model to engine", ground), ("all", whole)]
    yield "coverage by package (statements and branches)"
    for name, covered in rows:
        yield f"  {name:<16} {covered.hit:>6} of {covered.total:>6}  {covered.percent:6.2f} %"


def missed(packages: Mapping[str, Covered]) -> list[str]:
    """One line per bar that was not cleared."""
    ground, whole = totals(packages)
    bars = (("model to engine", ground, BAR_GROUND), ("all", whole, BAR_ALL))
    return [
        f"FAILED coverage of {name}: {covered.percent:.2f} % is below {bar:.0f} %"
        for name, covered, bar in bars
        if covered.percent < bar
    ]


def _measure(data: Path) -> coverage.Coverage:
    """Coverage, with its settings put into the environment for every process that starts from here on."""
    measure = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=str(data))
    # Spawned children are fresh interpreters and need no patch of multiprocessing, which would look for the
    # settings in their working directory.
    measure.set_option("run:concurrency", ["thread"])
    measure.set_option("run:patch", ["subprocess", "_exit"])
    measure.set_option("run:sigterm", True)
    measure.set_option("run:parallel", True)
    measure.set_option("run:disable_warnings", ["module-not-measured", "no-data-collected"])  # this process runs none
    measure.start()
    measure.stop()
    return measure


def _pytest(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run pytest with its output passed on as it comes; its exit code and the lines that it wrote."""
    words = [sys.executable, "-m", "pytest", "-p", "no:pytest_cov", "-m", "not soak", "-q"]
    words += [f"--color={'yes' if sys.stdout.isatty() else 'no'}", *arguments]
    said = b""
    with subprocess.Popen(words, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        while chunk := os.read(run.stdout.fileno(), 65_536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            said += chunk
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.decode(errors="replace"))
    return run.returncode, plain.strip().splitlines()


def _files(measure: coverage.Coverage, scratch: Path) -> dict[str, Covered]:
    measure.combine([str(scratch)])
    shutil.copyfile(measure.get_data().data_filename(), ROOT / ".coverage")  # for `coverage html` afterwards
    report = scratch / "report.json"
    measure.json_report(outfile=str(report))
    return {
        Path(path).resolve().relative_to(PACKAGE).as_posix(): Covered(
            told["summary"]["num_statements"] + told["summary"]["num_branches"],
            told["summary"]["covered_lines"] + told["summary"]["covered_branches"],
        )
        for path, told in json.loads(report.read_text())["files"].items()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
