"""The supervision of stream children, with small children of our own instead of SDKs."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.child import HEADER, Kind
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkState

QUICK = Watch(silence=0, stale=0, connect=5, back_off=0.02, longest=0.1)


@pytest.fixture
def children(tmp_path, monkeypatch):
    """Write a child module; it is importable in child processes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def write(name: str, body: str) -> str:
        head = "import os, sys, time\nfrom saudagar.brokers.child import Kind\n"
        (tmp_path / f"{name}.py").write_text(
            head + "def run(settings, outlet, ended):\n" + textwrap.indent(body, "    ")
        )
        return name

    return write


class Desk:
    """Collects what a stream says, and waits for it."""

    def __init__(self, module: str, settings: bytes = b"{}", watch: Watch = QUICK, secrets: tuple[str, ...] = ()):
        self.data: list[bytes] = []
        self.links: list[tuple[LinkState, str]] = []
        self.stream = Stream(
            "test",
            module,
            settings,
            on_data=self.data.append,
            on_status=lambda s: self.links.append((s.state, s.detail)),
            watch=watch,
            secrets=secrets,
        )

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)

    async def __aenter__(self):
        await self.stream.start()
        return self

    async def __aexit__(self, *_):
        await self.stream.stop()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")


def test_data_of_any_size_arrives_whole_and_in_order(children):
    module = children(
        "sizes",
        "outlet.status('UP')\nfor n in [0, 1, 5, 70000, 3000000, 2]: outlet.send(Kind.DATA, b'x' * n)\nended.wait()",
    )

    async def main():
        async with Desk(module) as desk:
            await desk.until(lambda: len(desk.data) == 6)
            assert [len(body) for body in desk.data] == [0, 1, 5, 70_000, 3_000_000, 2]
            assert [state for state, _ in desk.links] == [LinkState.UP]
            pid = desk.stream.pid
        assert gone(pid)

    asyncio.run(main())


def test_a_connection_that_ends_is_made_again_by_a_new_process(children):
    module = children("short", "outlet.status('UP')\noutlet.send(Kind.DATA, str(os.getpid()).encode())")

    async def main():
        async with Desk(module) as desk:
            await desk.until(lambda: len(desk.data) >= 4)
            assert len(set(desk.data)) == len(desk.data)
            assert [state for state, _ in desk.links[:4]] == [LinkState.UP, LinkState.DOWN] * 2

    asyncio.run(main())


def test_a_child_that_crashes_says_why_without_the_secret(children):
    module = children("crash", "raise ValueError('no good: ' + settings.decode())")

    async def main():
        async with Desk(module, b'"TOPSECRET"', secrets=("TOPSECRET",)) as desk:
            assert desk.links[0][0] is LinkState.DOWN
            assert "ValueError: no good" in desk.links[0][1]
            assert "TOPSECRET" not in str(desk.links)
            await desk.until(lambda: desk.stream.restarts >= 2)
            assert len(desk.links) == 1  # told once, not at every attempt

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["subprocess.Popen", "os.pipe"])
def test_a_machine_that_has_no_process_to_give_is_asked_again(children, monkeypatch, missing):
    """Else the link would be dead for the day, and nobody told."""
    module = children("late", "outlet.status('UP')\nended.wait()")
    give, tries = {"subprocess.Popen": subprocess.Popen, "os.pipe": os.pipe}[missing], []

    def refuse(*arguments, **options):
        tries.append(1)
        if len(tries) <= 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return give(*arguments, **options)

    async def main():
        monkeypatch.setattr(f"saudagar.brokers.supervisor.{missing}", refuse)
        async with Desk(module) as desk:
            assert desk.links[0] == (LinkState.DOWN, "cannot be started: Resource temporarily unavailable")
            await desk.until(lambda: len(desk.links) == 2)
            monkeypatch.undo()
        assert [state for state, _ in desk.links] == [LinkState.DOWN, LinkState.UP]

    asyncio.run(main())


def test_a_refused_token_ends_all_attempts(children, tmp_path):
    module = children("auth", f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\noutlet.status('AUTH', 'expired')")

    async def main():
        async with Desk(module) as desk:
            await asyncio.sleep(0.5)
            assert desk.links == [(LinkState.AUTH, "expired")]

    asyncio.run(main())
    assert (tmp_path / "starts").read_text() == "x"


@pytest.mark.parametrize(
    ("watch", "body", "word"),
    [
        (Watch(silence=0.3, stale=0, back_off=9), "outlet.status('UP')\nended.wait()", "silent"),
        (
            Watch(silence=5, stale=0.6, back_off=9),
            "outlet.status('UP')\nwhile not ended.wait(0.05): outlet.send(Kind.ALIVE)",
            "no data",
        ),
        (Watch(connect=0.6, back_off=9), "ended.wait()", "no connection"),
    ],
)
def test_links_that_look_alive_and_are_dead_are_dropped(children, watch, body, word):
    module = children("dead", body)

    async def main():
        async with Desk(module, watch=watch) as desk:
            await desk.until(lambda: desk.links and desk.links[-1][0] is LinkState.DOWN)
            assert word in desk.links[-1][1]
            await desk.until(lambda: gone(desk.stream.pid))

    asyncio.run(main())


def test_signs_of_life_are_enough_and_a_quiet_market_is_no_fault(children):
    module = children("alive", "outlet.status('UP')\nwhile not ended.wait(0.05): outlet.send(Kind.ALIVE)")

    async def main():
        async with Desk(module, watch=Watch(silence=1.2, stale=0.3, expecting=lambda: False)) as desk:
            sign = desk.stream._last_sign
            await desk.until(lambda: desk.stream._last_sign > sign + 1.8)
            assert [state for state, _ in desk.links] == [LinkState.UP]

    asyncio.run(main())


def test_a_stopped_child_is_noticed_and_killed(children):
    module = children("stopped", "outlet.status('UP')\nwhile not ended.wait(0.02): outlet.send(Kind.ALIVE)")

    async def main():
        async with Desk(module, watch=Watch(silence=0.3, stale=0, back_off=0.02)) as desk:
            first = desk.stream.pid
            os.kill(first, signal.SIGSTOP)
            await desk.until(lambda: [state for state, _ in desk.links[-2:]] == [LinkState.DOWN, LinkState.UP])
            assert gone(first)

    asyncio.run(main())


def test_neither_the_command_line_nor_the_environment_of_the_child_holds_secrets(children, monkeypatch):
    monkeypatch.setenv("SAUDAGAR_DHAN_TOKEN", "CANARY")
    module = children("secret", "outlet.status('UP')\nprint(settings)\nended.wait()")

    async def main():
        async with Desk(module, b'"CANARY"') as desk:
            for part in ("cmdline", "environ"):
                assert b"CANARY" not in await asyncio.to_thread(Path(f"/proc/{desk.stream.pid}/{part}").read_bytes)

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's own")
def test_a_child_dies_with_a_desk_that_was_killed(children, tmp_path):
    # deaf to the end of its input: nothing but the kernel ends it
    module = children("orphan", "os._exit = lambda code: None\noutlet.status('UP')\ntime.sleep(600)")
    desk = textwrap.dedent(f"""
        import asyncio
        from saudagar.brokers.supervisor import Stream
        async def main():
            stream = Stream("test", {module!r}, b"{{}}", on_data=print, on_status=lambda s: None)
            await stream.start()
            print(stream.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", desk], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert not gone(child)
        process.kill()
    deadline = time.monotonic() + 30
    while not gone(child):
        assert time.monotonic() < deadline, "the child outlived its desk"
        time.sleep(0.01)


@given(st.floats(0.0, 9.0), st.floats(0.0, 1e6))
def test_a_look_falls_due_when_silence_is_over_and_not_before_it_is_called_so(quiet, up):
    """Nine seconds by default, and a hundredth: with what it takes to end the socket less than ten."""
    stream, watch = Stream("x", "x", b"", on_data=print, on_status=print), Watch()
    stream._up_since = stream._last_data = up + 1.0
    stream._last_sign = up + 1.0
    now = stream._last_sign + quiet
    assert stream._fault(now) == ""
    look = now + stream._until_next_look(now)
    assert look <= stream._last_sign + watch.silence + 0.011
    assert stream._fault(stream._last_sign + watch.silence + 0.001) == "silent for 9 s"


def test_dhans_pings_tell_a_dead_peer_before_silence_is_over(monkeypatch):
    """Its child gives a sign of life even so, which makes the pings the only ones to notice."""
    from saudagar.brokers.dhan import socket

    monkeypatch.setattr(socket.websockets, "connect", lambda url, **options: options)
    set_to = socket.connect("ws://127.0.0.1:9", Watch().silence)
    assert 0 < set_to["ping_interval"] + set_to["ping_timeout"] + set_to["close_timeout"] < Watch().silence
    assert socket.connect("ws://127.0.0.1:9", 0)["ping_interval"] is None  # where nobody watches


def test_the_back_off_grows_to_its_limit_and_is_jittered():
    stream = Stream("x", "x", b"", on_data=print, on_status=print, watch=Watch(back_off=1, longest=8))
    delays = [stream._delay() for _ in range(8)]
    assert all(limit / 2 <= delay <= limit for delay, limit in zip(delays, [1, 2, 4, 8, 8, 8, 8, 8], strict=True))
    assert len(set(delays)) == 8


def test_stopping_at_the_very_moment_a_connection_ends_does_not_hang(children):
    module = children("meeting", "outlet.status('UP')\nended.wait()")

    async def main():
        desk = Desk(module)
        await desk.stream.start()
        await asyncio.sleep(0.05)
        desk.stream._ended.set()
        await asyncio.sleep(0)  # the waiter has its answer, and has not run yet
        async with asyncio.timeout(30):
            await desk.stream.stop()
        assert gone(desk.stream.pid)

    asyncio.run(main())


def wire(kind: Kind, body: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(body)) + body


@given(st.lists(st.binary(max_size=40), max_size=12), st.lists(st.integers(1, 60), max_size=20), st.integers(0, 12))
def test_messages_come_whole_wherever_the_pipe_cuts_them_and_whatever_a_callback_does(bodies, cuts, bad):
    seen = []

    def on_data(body: bytes) -> None:
        seen.append(body)
        if len(seen) == bad:
            raise ValueError("a callback of ours")

    stream = Stream("test", "x", b"", on_data=on_data, on_status=print)
    stream._fd, end = os.pipe()

    def read(piece: bytes) -> None:
        os.write(end, piece)
        with suppress(ValueError):  # the loop logs it, and calls again for the next piece
            stream._read()

    message = b"".join(wire(Kind.DATA, body) + wire(Kind.ALIVE) for body in bodies)
    for cut in cuts:
        if message:
            read(message[:cut])
            message = message[cut:]
    read(message + wire(Kind.ALIVE))
    read(wire(Kind.ALIVE))  # what came in one piece with the bad one was left for now
    os.close(end)
    os.close(stream._fd)
    assert seen == bodies
