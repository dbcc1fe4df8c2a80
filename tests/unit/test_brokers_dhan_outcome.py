"""What Dhan's replies mean: done, refused for sure, or nobody knows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.dhan import outcome
from saudagar.brokers.dhan.outcome import Reply
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker


def envelope(code: str, message: str = "because", kind: str = "Order_Error") -> bytes:
    return json.dumps({"errorType": kind, "errorCode": code, "errorMessage": message}).encode()


REPLIES = [
    (Reply(0, b"", "Read timed out"), OutcomeUnknown),
    (Reply(200, b""), OutcomeUnknown),
    (Reply(202, b""), OutcomeUnknown),
    (Reply(200, b'{"orderId": "1", "orderSt'), OutcomeUnknown),
    (Reply(200, b"<html>"), OutcomeUnknown),
    (Reply(200, b'"text"'), OutcomeUnknown),
    (Reply(200, b"null"), OutcomeUnknown),
    (Reply(200, b'[{"message": "x", "status": "ERROR"}]'), OutcomeUnknown),
    (Reply(200, b'{"message": "x", "status": "ERROR"}'), OutcomeUnknown),
    (Reply(302, b""), OutcomeUnknown),
    (Reply(500, b"<html>"), OutcomeUnknown),
    (Reply(502, b""), OutcomeUnknown),
    (Reply(504, b'{"message": "gateway"}'), OutcomeUnknown),
    (Reply(400, b"<html>"), OutcomeUnknown),
    (Reply(401, b"<html>"), AuthError),
    (Reply(429, b"<html>"), RateLimited),
    (Reply(429, b""), RateLimited),
    (Reply(404, b'{"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v2/x"}'), RejectedByBroker),
    (Reply(400, b'{"data": {"807": "Token expired"}, "status": "failed"}'), AuthError),
    (Reply(400, b'{"data": {"813": "Invalid SecurityId"}, "status": "failed"}'), RejectedByBroker),
    (Reply(400, envelope("DH-906", "Invalid Token")), AuthError),
    (Reply(400, envelope("DH-906", "Order is in Transit state")), RejectedByBroker),
    (Reply(200, envelope("DH-906", "RMS")), RejectedByBroker),
    (Reply(400, envelope("DH-777")), RejectedByBroker),
    (Reply(503, envelope("DH-777")), OutcomeUnknown),
    # an error inside Dhan, or behind it, is no refusal: whatever its code, the order may have gone on
    (Reply(500, envelope("DH-905")), OutcomeUnknown),
    (Reply(502, envelope("DH-906", "RMS")), OutcomeUnknown),
    (Reply(500, envelope("DH-901")), AuthError),
    (Reply(503, envelope("DH-904")), RateLimited),
    (Reply(400, envelope("DH-906", "Order request timed out. Please check the order book.")), OutcomeUnknown),
    (Reply(400, envelope("DH-777", "RMS: time-out")), OutcomeUnknown),
    (Reply(400, b'{"message": "Request Timeout", "status": "ERROR"}'), OutcomeUnknown),
]


@pytest.mark.parametrize(("reply", "kind"), REPLIES)
def test_a_reply_is_what_it_is(reply, kind):
    with pytest.raises(BrokerError) as raised:
        outcome.content(reply, "order")
    assert type(raised.value) is kind


@pytest.mark.parametrize(("code", "kind"), list(outcome.CODES.items()))
def test_every_code_of_the_table(code, kind):
    with pytest.raises(BrokerError) as raised:
        outcome.content(Reply(400, envelope(code)), "order")
    assert type(raised.value) is kind
    assert raised.value.code == code
    assert "because" in raised.value.message


def test_a_yes_is_a_yes():
    for body in ({"orderId": "1"}, [], [{"orderId": "1"}], {"status": "success", "data": []}, {"errorCode": None}):
        assert outcome.content(Reply(200, json.dumps(body).encode()), "order") == body


@pytest.mark.parametrize(
    ("reply", "missing"),
    [
        (Reply(404, envelope("DH-906", "Incorrect request for order and cannot be processed")), True),
        (Reply(500, envelope("DH-906", "Incorrect request for order and cannot be processed")), True),
        (Reply(400, envelope("DH-906", "Order not found")), True),
        (Reply(400, envelope("DH-906", "Invalid Token")), False),
        (Reply(400, envelope("DH-906", "Order is in Transit state")), False),
        (Reply(404, b'{"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v2/x"}'), False),
        (Reply(429, envelope("DH-904", "no order for you")), False),
        (Reply(0, b"", "no order"), False),
        (Reply(500, b"no such order"), False),
    ],
)
def test_no_such_order_only_when_dhan_says_so(reply, missing):
    with pytest.raises(BrokerError) as raised:
        outcome.content(reply, "look-up")
    assert outcome.no_such_order(raised.value) is missing


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "data", "errorCode", "errorMessage", "error", "path"]), inner)
    ),
    max_leaves=8,
)


@given(st.integers(0, 599), st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_reply_is_either_content_or_a_broker_error(status, body):
    reply = Reply(status, body)
    told: BrokerError | None = None
    try:
        outcome.content(reply, "order")
    except BrokerError as error:
        told = error
    if told is None:
        assert 200 <= status < 300
    elif status == 0 or (status >= 500 and not told.code):
        assert isinstance(told, OutcomeUnknown | AuthError)
