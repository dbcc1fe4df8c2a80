"""A sweep on other machines: an existing Dask scheduler, the same numbers.

The backtest is sent to the workers once, sets of parameters follow in small batches. A batch whose worker dies is run
by another; when the last worker that held the bars is gone, they are sent again. What has come back is kept by the
sweep itself, so that losing the scheduler loses no result either.

The workers' machines must have the same version of saudagar installed, and their owner's trust: Dask runs what it is
sent. Use it on loopback or inside a private network only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from saudagar.backtest.run import Backtest
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.sweep import Runner, driver_of
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_processes import pack, unpack
from saudagar.research.sweep_study import Outcome

_ATTEMPTS = 5  # at batches that came back without a result
_RESTART = 60.0  # seconds that dead workers have to come back
_BATCHES = 8  # per worker and sweep, that a slow one does not keep the others waiting
_LARGEST = 64  # sets


def on_cluster(address: str, *, timeout: float = 10.0, driver: str = "auto") -> Runner:
    """A `Runner` for `sweep` that works on the scheduler at `address`, e.g. ``tcp://10.0.0.5:8786``.

    Parameters
    ----------
    timeout
        Seconds to wait for the scheduler, and for its first worker.
    driver
        Of the workers, as of `sweep`.

    Raises
    ------
    ConfigError
        Dask is not installed; later, when it runs: nobody answers, no worker, or workers of another version.
    """
    _distributed()
    return partial(_run, address, timeout, driver)


def _run(
    address: str, timeout: float, driver: str, backtest: Backtest, sets: Sequence[Params]
) -> Iterator[tuple[int, Outcome]]:
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address!r}: {error}.", hint="It is written tcp://host:8786."
        ) from None
    with client:
        workers = _check_workers(client, timeout)
        size = min(_LARGEST, max(1, len(sets) // (_BATCHES * workers)))
        batches = {first: list(sets[first : first + size]) for first in range(0, len(sets), size)}
        packed = pack(backtest)
        for _ in range(_ATTEMPTS):
            client.wait_for_workers(1, timeout=_RESTART)
            for first, outcomes in _round(distributed, client, driver, packed, batches):
                del batches[first]
                yield from ((first + k, outcome) for k, outcome in enumerate(outcomes))
            if not batches:
                return
    raise DataError(
        f"the cluster lost {len(batches)} batches {_ATTEMPTS} times.", hint="What came back is kept; run it again."
    )


def _round(
    distributed: Any, client: Any, driver: str, packed: bytes, batches: dict[int, list[Params]]
) -> Iterator[tuple[int, list[Outcome]]]:
    """Hand out all batches; those that come back. What was lost with its worker is left for the next round."""
    lost = (distributed.KilledWorker, distributed.client.FutureCancelledError, TimeoutError)
    name = hashlib.blake2b(packed, digest_size=16).hexdigest()
    data = client.scatter(packed, broadcast=True, hash=False)
    waiting = {client.submit(work, name, data, sets, driver, pure=False): first for first, sets in batches.items()}
    for future in distributed.as_completed(waiting, loop=client.loop):
        try:
            outcomes = future.result()
        except lost:
            continue
        yield waiting[future], outcomes


_backtests: dict[str, Backtest] = {}


def work(name: str, packed: bytes, sets: Sequence[Params], driver: str = "auto") -> list[Outcome]:
    """One batch, in a worker; `name` is the hash of `packed`, which is unpacked once."""
    if name not in _backtests:
        _backtests.clear()
        try:
            _backtests[name] = unpack(packed)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"a worker cannot load the strategy: {error}.",
                hint="Name it by its file (path/to/file.py:ClassName), which is sent along.",
            ) from None
    backtest = _backtests[name]
    found = dict(driver_of(backtest, sets, driver, workers=1)(backtest, sets))
    return [found[place] for place in range(len(sets))]


def _check_workers(client: Any, timeout: float) -> int:
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        raise ConfigError("the Dask scheduler has no worker.", hint="Start one: dask worker ADDRESS.") from None
    ours = version("saudagar")
    told: dict[str, str] = client.run(_version)
    if other := {name: theirs for name, theirs in told.items() if theirs != ours}:
        raise ConfigError(f"this is saudagar {ours}, but the cluster has {other}.", hint="Install one version.")
    return len(told)


def _version() -> str:
    return version("saudagar")


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ConfigError("a cluster needs Dask.", hint='pip install "saudagar[cluster]"') from None
    return distributed
