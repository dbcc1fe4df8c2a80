"""Log-in, standing and log-out at the three brokers: their real SDKs, over sockets, against doors that note all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pyotp
import pytest

from saudagar.brokers.dhan.login import DhanAccess
from saudagar.brokers.kite.login import KiteAccess
from saudagar.brokers.login import Access
from saudagar.brokers.upstox.login import UpstoxAccess
from saudagar.market.ist import DAY, at, ist
from saudagar.model import SECOND
from saudagar.model.errors import AuthError, BrokerError, RateLimited, SaudagarError

CANARY = "CANARY-31337"
TOKEN = f"token-{CANARY}"
SECRET = f"secret-{CANARY}"
CODE = f"code-{CANARY}"
PIN = "998877"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the secret of RFC 6238, appendix B
NOW = at(date(2026, 11, 20), "08:30")
DATE = "Fri, 20 Nov 2026 03:00:04 GMT"  # four seconds ahead of NOW
FIXTURES = Path(__file__).resolve().parents[2] / "../shared/fixtures"


class Door:
    """A broker's log-in over HTTP: `answers` by method and path, `seen` in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.url = ""

    def last(self) -> tuple[dict[str, str], dict[str, str]]:
        """Fields (query and form) and headers of the last request."""
        return self.seen[-1][2:]


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            door.seen.append((self.command, parts.path, dict(parse_qsl(f"{parts.query}&{body}")), dict(self.headers)))
            status, content = door.answers.get((self.command, parts.path), (404, {"message": "no such thing"}))
            if status == 0:
                self.connection.close()
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            fields, headers = door.last()
            data = data.replace(b"{echo}", f"{'; '.join([*fields.values(), *headers.values()])}".encode())
            self.send_response_only(status)
            self.send_header("Date", DATE)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield door
    server.shutdown()
    thread.join()
    server.server_close()


def dhan(door: Door) -> DhanAccess:
    return DhanAccess(
        clock=lambda: NOW,
        client_id="1100",
        app_id=f"app-{CANARY}",
        app_secret=SECRET,
        auth_url=door.url,
        api_url=f"{door.url}/v2",
    )


def upstox(door: Door) -> UpstoxAccess:
    return UpstoxAccess(clock=lambda: NOW, api_key=f"key-{CANARY}", api_secret=SECRET, url=door.url)


def kite(door: Door) -> KiteAccess:
    return KiteAccess(
        clock=lambda: NOW, api_key="kitekey", api_secret=SECRET, url=door.url, page_url=f"{door.url}/connect/login"
    )


def jwt(exp: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


DHAN_TOKEN = {"dhanClientId": "1100", "accessToken": TOKEN, "expiryTime": "2026-11-21T08:29:58"}


def test_dhan_pin_and_totp(door: Door) -> None:
    door.answers["POST", "/app/generateAccessToken"] = 200, DHAN_TOKEN
    grant = dhan(door).with_pin(PIN, SEED)
    assert (grant.token, grant.key) == (TOKEN, "1100")
    assert f"{ist(grant.expires)}" == "2026-11-21 08:29:58+05:30"
    fields, _ = door.last()
    assert fields == {"dhanClientId": "1100", "pin": PIN, "totp": pyotp.TOTP(SEED).at(NOW // SECOND)}
    dhan(door).with_pin(PIN, "123456")
    assert door.last()[0]["totp"] == "123456"


def test_a_short_totp_secret_works_too(door: Door) -> None:
    """Many brokers hand out 80 bits, which pyotp refuses."""
    door.answers["POST", "/app/generateAccessToken"] = 200, DHAN_TOKEN
    dhan(door).with_pin(PIN, "jbsw y3dp ehpk 3pxp")
    digits = door.last()[0]["totp"]
    assert len(digits) == 6
    counter = (NOW // SECOND // 30).to_bytes(8, "big")
    digest = hmac.new(base64.b32decode("JBSWY3DPEHPK3PXP"), counter, "sha1").digest()
    start = digest[-1] & 15
    assert int(digits) == (int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF) % 1_000_000


def test_dhan_browser_neither_opens_nor_prints(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    door.answers["POST", "/app/generate-consent"] = 200, {"status": "success", "consentAppId": "c-1"}
    door.answers["GET", "/app/consumeApp-consent"] = 200, DHAN_TOKEN
    access = dhan(door)
    assert access.page("http://127.0.0.1:1/", "s") == f"{door.url}/login/consentApp-login?consentAppId=c-1"
    assert door.last()[1]["app_secret"] == SECRET
    assert access.redeem(CODE, "").token == TOKEN
    assert door.last()[0] == {"tokenId": CODE}
    assert capfd.readouterr() == ("", "")
    import dhanhq.auth
    import requests

    assert dhanhq.auth.requests is requests
    assert "print" not in vars(dhanhq.auth)


def test_dhan_knows_how_long_and_where_from(door: Door) -> None:
    door.answers["GET", "/v2/profile"] = 200, {"dhanClientId": "1100", "tokenValidity": "21/11/2026 08:15"}
    door.answers["GET", "/v2/ip/getIP"] = 200, {"primaryIP": "203.0.113.7", "secondaryIP": ""}
    access = dhan(door)
    grant = access.adopt(TOKEN)
    assert f"{ist(grant.expires)}" == "2026-11-21 08:15:00+05:30"
    standing = access.standing(TOKEN)
    assert door.last()[1]["access-token"] == TOKEN
    assert standing.skew == 4 * SECOND + SECOND // 2
    assert standing.doubt == SECOND // 2
    assert access.addresses(TOKEN) == ("203.0.113.7",)
    assert access.end(TOKEN) is False
    door.answers["GET", "/v2/profile"] = 200, {"tokenValidity": "?", "dataPlan": "Deactive"}
    assert access.standing(jwt(NOW // SECOND + 60)).expires == NOW + 60 * SECOND
    assert access.standing("opaque").expires == NOW + DAY
    assert access.standing(TOKEN).remark == "the data plan is Deactive"


def test_the_recorded_dhan_profile_is_understood(door: Door) -> None:
    file = FIXTURES / "dhan/rest/models__profile__0.json"
    if not file.exists():
        pytest.skip("the folder ../shared/fixtures is absent")
    door.answers["GET", "/v2/profile"] = 200, json.loads(file.read_text())["response_body"]
    standing = dhan(door).standing(TOKEN)
    assert f"{ist(standing.expires)}" == "2025-03-30 15:37:00+05:30"
    assert standing.remark == ""


def test_a_dhan_token_of_somebody_else_is_not_taken(door: Door) -> None:
    door.answers["GET", "/app/consumeApp-consent"] = 200, DHAN_TOKEN | {"dhanClientId": "9"}
    with pytest.raises(AuthError, match="another client id"):
        dhan(door).redeem(CODE, "")


def test_upstox_exchanges_the_code(door: Door) -> None:
    access = upstox(door)
    page = urlsplit(access.page("http://127.0.0.1:8722/saudagar", "st&te"))
    assert page.path == "/v2/login/authorization/dialog"
    assert parse_qs(page.query)["state"] == ["st&te"]
    door.answers["POST", "/v2/login/authorization/token"] = 200, {"access_token": TOKEN, "unknown": None}
    grant = access.redeem(CODE, "http://127.0.0.1:8722/saudagar")
    assert grant.token == TOKEN
    assert f"{ist(grant.expires)}" == "2026-11-21 03:30:00+05:30"
    fields, headers = door.last()
    assert fields == {
        "code": CODE,
        "client_id": f"key-{CANARY}",
        "client_secret": SECRET,
        "redirect_uri": "http://127.0.0.1:8722/saudagar",
        "grant_type": "authorization_code",
    }
    assert "Authorization" not in headers


def test_upstox_standing_addresses_and_log_out(door: Door) -> None:
    door.answers["GET", "/v2/user/profile"] = 200, {"status": "success", "data": {"exchanges": ["NEW"]}}
    door.answers["GET", "/v2/user/ip"] = 200, {"data": {"primary_ip": "203.0.113.7", "secondary_ip": None}}
    door.answers["DELETE", "/v2/logout"] = 200, {"status": "success", "data": True}
    access = upstox(door)
    exp = NOW // SECOND + 3600
    assert access.adopt(jwt(exp)).expires == exp * SECOND
    assert access.standing(TOKEN).skew == 4 * SECOND + SECOND // 2
    assert access.addresses(TOKEN) == ("203.0.113.7",)
    assert access.end(TOKEN) is True
    assert door.last()[1]["Authorization"] == f"Bearer {TOKEN}"


def kite_session(**more: str) -> dict[str, Any]:
    file = FIXTURES / "kite/rest/generate_session.json"
    base = json.loads(file.read_text()) if file.exists() else {"status": "success", "data": {}}
    return base | {"data": base["data"] | {"access_token": TOKEN, "login_time": "2026-11-20 08:29:59"} | more}


def test_kite_exchanges_with_a_checksum(door: Door) -> None:
    access = kite(door)
    page = urlsplit(access.page("", "st&te"))
    assert parse_qs(parse_qs(page.query)["redirect_params"][0])["state"] == ["st&te"]
    door.answers["POST", "/session/token"] = 200, kite_session()
    grant = access.redeem(CODE, "")
    assert (grant.token, grant.key) == (TOKEN, "kitekey")
    assert f"{ist(grant.expires)}" == "2026-11-21 06:00:00+05:30"
    assert door.last()[0] == {
        "api_key": "kitekey",
        "request_token": CODE,
        "checksum": hashlib.sha256(f"kitekey{CODE}{SECRET}".encode()).hexdigest(),
    }
    door.answers["POST", "/session/token"] = 200, kite_session(login_time="2026-11-20 05:59:59")
    assert f"{ist(access.redeem(CODE, '').expires)}" == "2026-11-20 06:00:00+05:30"


def test_kite_without_a_login_time_is_no_crash(door: Door) -> None:
    """The SDK raises KeyError there, with the token already granted."""
    session = kite_session()
    del session["data"]["login_time"]
    door.answers["POST", "/session/token"] = 200, session
    assert f"{ist(kite(door).redeem(CODE, '').expires)}" == "2026-11-21 06:00:00+05:30"


def test_kite_standing_and_log_out(door: Door) -> None:
    door.answers["GET", "/user/profile"] = 200, {"status": "success", "data": {"user_id": "XX0000"}}
    door.answers["DELETE", "/session/token"] = 200, {"status": "success", "data": True}
    access = kite(door)
    assert f"{ist(access.adopt(TOKEN).expires)}" == "2026-11-21 06:00:00+05:30"
    assert access.addresses(TOKEN) is None
    assert access.end(TOKEN) is True
    assert door.last()[0]["access_token"] == TOKEN


Try = Callable[[Door], object]
TRIES: dict[str, tuple[Callable[[Door], Access], tuple[str, str], Try]] = {
    "dhan pin": (dhan, ("POST", "/app/generateAccessToken"), lambda door: dhan(door).with_pin(PIN, SEED)),
    "dhan page": (dhan, ("POST", "/app/generate-consent"), lambda door: dhan(door).page("", "")),
    "dhan code": (dhan, ("GET", "/app/consumeApp-consent"), lambda door: dhan(door).redeem(CODE, "")),
    "dhan profile": (dhan, ("GET", "/v2/profile"), lambda door: dhan(door).standing(TOKEN)),
    "dhan addresses": (dhan, ("GET", "/v2/ip/getIP"), lambda door: dhan(door).addresses(TOKEN)),
    "upstox code": (upstox, ("POST", "/v2/login/authorization/token"), lambda door: upstox(door).redeem(CODE, "")),
    "upstox profile": (upstox, ("GET", "/v2/user/profile"), lambda door: upstox(door).standing(TOKEN)),
    "upstox log-out": (upstox, ("DELETE", "/v2/logout"), lambda door: upstox(door).end(TOKEN)),
    "kite code": (kite, ("POST", "/session/token"), lambda door: kite(door).redeem(CODE, "")),
    "kite profile": (kite, ("GET", "/user/profile"), lambda door: kite(door).standing(TOKEN)),
    "kite log-out": (kite, ("DELETE", "/session/token"), lambda door: kite(door).end(TOKEN)),
}
ECHO = "wrong: {echo}"  # all that was sent
REFUSAL = {
    "message": ECHO,
    "error_type": "TokenException",
    "status": "error",
    "errorMessage": ECHO,
    "errorCode": "DH-901",
    "errors": [{"errorCode": "UDAPI100050", "message": ECHO}],
}
ANSWERS: dict[str, tuple[int, Any, type[SaudagarError]]] = {
    "a refusal": (401, REFUSAL, AuthError),
    "a bad request": (400, REFUSAL, AuthError),
    "a gateway's page": (502, b"<html>CANARY-31337</html>", BrokerError),
    "an empty 200": (200, b"", BrokerError),
    "a list": (200, [], BrokerError),
    "a reset": (0, b"", BrokerError),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", TRIES)
def test_a_failure_is_clear_and_repeats_no_secret(
    door: Door, name: str, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    _, endpoint, attempt = TRIES[name]
    status, body, kind = ANSWERS[answer]
    door.answers[endpoint] = status, body
    with pytest.raises(kind) as caught:
        attempt(door)
    said, seen = f"{caught.value!r} {caught.value}", capfd.readouterr()
    chain: BaseException | None = caught.value
    while chain := chain.__cause__ or chain.__context__:
        said += repr(chain)
    for text in (said, caplog.text, seen.out, seen.err):
        assert CANARY not in text
        assert PIN not in text
        assert SEED not in text


@pytest.mark.parametrize("name", TRIES)
def test_nobody_there_is_told_without_the_address(name: str) -> None:
    """The libraries' own words repeat the whole address, at Dhan with the PIN in it."""
    nowhere = Door()
    nowhere.url = "http://127.0.0.1:9"
    with pytest.raises(BrokerError, match="no answer") as caught:
        TRIES[name][2](nowhere)
    assert CANARY not in str(caught.value)
    assert PIN not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in TRIES if "dhan" not in name])
def test_too_many_is_told_apart(door: Door, name: str) -> None:
    door.answers[TRIES[name][1]] = 429, REFUSAL
    with pytest.raises(RateLimited):
        TRIES[name][2](door)


@pytest.mark.parametrize("name", ["dhan pin", "dhan code", "upstox code", "kite code"])
def test_a_yes_without_a_token_is_a_no(door: Door, name: str) -> None:
    door.answers[TRIES[name][1]] = 200, {"status": "success", "data": {"login_time": None}}
    with pytest.raises(AuthError, match="without a token"):
        TRIES[name][2](door)


@pytest.mark.parametrize("name", TRIES)
def test_nothing_is_logged_at_debug_level_on_success(
    door: Door, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    body = DHAN_TOKEN | {
        "access_token": TOKEN,
        "status": "success",
        "consentAppId": "1",
        "data": kite_session()["data"],
    }
    door.answers[TRIES[name][1]] = 200, body
    result = TRIES[name][2](door)
    assert CANARY not in f"{caplog.text} {capfd.readouterr()}"
    assert PIN not in caplog.text
    assert CANARY not in repr(result)


def test_a_wrong_totp_secret_goes_nowhere(door: Door) -> None:
    with pytest.raises(AuthError, match="no base32") as caught:
        dhan(door).with_pin(PIN, "not!base32")
    assert "not!" not in str(caught.value)
    assert not door.seen


def test_what_is_missing_is_named() -> None:
    with pytest.raises(AuthError, match="Upstox's API key is needed"):
        UpstoxAccess(clock=lambda: NOW).page("", "")
    with pytest.raises(AuthError, match="Kite's API key is needed"):
        KiteAccess(clock=lambda: NOW, api_key="")
    with pytest.raises(AuthError, match="Dhan's app id is needed"):
        DhanAccess(clock=lambda: NOW, client_id="1").page("", "")
