"""A writer killed with −9 at a hundred random moments loses no event that `append` had acknowledged.

One process without threads forks the writers (a fork takes a millisecond, a new interpreter a third of a second),
kills each at a random moment, start-up and checkpoints included, and looks at what is left.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from saudagar.model.events import Alerted
from saudagar.storage.journal import SqliteJournal, read_journal, verify_journal

folder, kills = Path(sys.argv[1]), int(sys.argv[2])

def event(number):
    return Alerted(ts=number, level="info", message=str(number) * random.Random(number).randrange(1, 400))

def write(path, acknowledged):
    journal = SqliteJournal(path, time.time_ns)
    number = journal.last
    while True:
        batch = [event(number + step) for step in range(1, 1 + number % 5 + 1)]
        number = journal.append(batch)
        os.write(acknowledged, b"%d\\n" % number)

chance = random.Random(20261120)
found = {"kills": 0, "lost": 0, "wrong": 0, "unsound": 0, "before_first": 0, "entries": 0}
for kill in range(kills):
    path = folder / f"{kill // 20}.db"  # a new one now and then, so that opening stays quick
    if kill % 20 == 0:
        before = 0
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(path, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as pipe:
        # every other kill at a moment of the clock, the rest after so many events, however slow the machine is
        first = [pipe.readline() for _ in range(chance.randrange(1, 60) if kill % 2 else 0)]
        time.sleep(chance.uniform(0.0, 0.002 if first else 0.06))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        found["kills"] += os.WIFSIGNALED(status)
        acknowledged = [int(line) for line in (*first, *pipe.read().split())]
    found["before_first"] += not acknowledged
    if not path.exists():
        continue
    state = verify_journal(path)
    found["unsound"] += not state.sound
    found["lost"] += state.entries < max(acknowledged, default=before)
    found["entries"] += state.entries - before
    before = state.entries
    if kill % 20 == 19:
        found["wrong"] += sum(entry.event != event(entry.seq) for entry in read_journal(path))
print(json.dumps(found))
"""


@pytest.mark.unmeasured
def test_a_hundred_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLER, str(tmp_path), "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 100, found
    assert (found["lost"], found["wrong"], found["unsound"]) == (0, 0, 0), found
    assert found["entries"] > 1_000, found
    assert found["before_first"] < 90, found
