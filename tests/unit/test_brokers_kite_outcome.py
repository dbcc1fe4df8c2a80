"""What each reply of Kite means, table-driven; and that nothing but a plain no is ever taken for one."""

import json

import kiteconnect.exceptions as theirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.kite import outcome
from saudagar.brokers.lane import Reply
from saudagar.brokers.lanes import answered
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker


def error(status, kind="InputException", message="no") -> Reply:
    return Reply(status, json.dumps({"status": "error", "message": message, "error_type": kind}).encode())


def raised(reply: Reply) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        outcome.content(reply, "order")
    return caught.value


TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
HTML = b"<html>429 Too Many Requests</html>"

CASES = [
    (error(400, "InputException"), RejectedByBroker),
    (error(400, "OrderException"), RejectedByBroker),
    (error(400, "MarginException"), RejectedByBroker),  # a class that the SDK does not have
    (error(400, "HoldingException"), RejectedByBroker),
    (error(403, "UserException"), RejectedByBroker),
    (error(403, "PermissionException"), RejectedByBroker),
    (error(403, "TokenException"), AuthError),
    (error(403, "TwoFAException"), AuthError),
    (error(429, "NetworkException", "Too many requests"), RateLimited),
    (error(429, "NetworkException", "Maximum allowed order modifications exceeded."), RejectedByBroker),
    (error(404, "GeneralException", "Couldn't find that `order_id`."), RejectedByBroker),
    (error(400, "SomethingNew"), RejectedByBroker),
    (error(500, "GeneralException"), OutcomeUnknown),
    (error(502, "DataException"), OutcomeUnknown),
    (error(503, "NetworkException"), OutcomeUnknown),
    (error(504, "NetworkException"), OutcomeUnknown),
    (error(500, "OrderException"), OutcomeUnknown),
    (error(500, "InputException"), OutcomeUnknown),
    # Kite's own time-out is a 400 too, whatever its class (kite.trade/forum 35732): the order came and traded
    (error(400, "OrderException", TIMED_OUT), OutcomeUnknown),
    (error(400, "InputException", TIMED_OUT), OutcomeUnknown),
    (error(400, "NetworkException", "request VHCxnyPX timed out"), OutcomeUnknown),
    (error(400, "NetworkException"), OutcomeUnknown),
    (error(400, "DataException"), OutcomeUnknown),
    (error(400, "GeneralException", "The trigger is triggered and cannot be deleted."), RejectedByBroker),
    (error(400, "GeneralException", TIMED_OUT), OutcomeUnknown),
    (error(400, "OrderException", "Gateway time-out"), OutcomeUnknown),
    (error(400, "OrderException", "Please check the orderbook."), OutcomeUnknown),
    (error(428, "OrderException", "10 quantity needs authorisation at depository."), RejectedByBroker),
    (Reply(428, b'{"status":"error","message":"needs authorisation at depository"}'), RejectedByBroker),
    (error(200, "OrderException"), OutcomeUnknown),
    (Reply(429, b'{"status":"error","message":"Too many requests"}'), RateLimited),  # no error_type
    (Reply(400, b'{"status":"error","message":"bad"}'), RejectedByBroker),
    (Reply(403, b'{"status":"error","message":"bad"}'), AuthError),
    (Reply(429, HTML), RateLimited),
    (Reply(403, HTML), OutcomeUnknown),
    (Reply(502, HTML), OutcomeUnknown),
    (Reply(302, b""), OutcomeUnknown),
    (Reply(200, b""), OutcomeUnknown),
    (Reply(200, b"[]"), OutcomeUnknown),
    (Reply(200, b'{"status":"success"}'), OutcomeUnknown),
    (Reply(200, b'{"data":{}}'), OutcomeUnknown),
    (Reply(418, b"{}"), OutcomeUnknown),
    (Reply(0, b"", "ReadTimeout: it took too long"), OutcomeUnknown),
]


@pytest.mark.parametrize(("reply", "kind"), CASES)
def test_every_ending(reply, kind):
    caught = raised(reply)
    assert type(caught) is kind
    assert str(caught).startswith("Kite, order: ")


def test_a_plain_yes():
    assert outcome.content(Reply(200, b'{"status":"success","data":{"order_id":"1"}}'), "order") == {"order_id": "1"}
    assert outcome.content(Reply(200, b'{"status":"success","data":null}'), "order") is None


def test_the_brokers_own_words_are_kept():
    caught = raised(error(400, "MarginException", "Insufficient funds."))
    assert (caught.code, "Insufficient funds." in caught.message) == ("MarginException", True)
    assert "Log in again" in raised(error(403, "TokenException")).hint


def test_a_question_has_no_unknown_outcome():
    with pytest.raises(BrokerError) as caught:
        answered(outcome.content, Reply(0, b"", "reset"), "order book")
    assert type(caught.value) is BrokerError
    with pytest.raises(AuthError):
        answered(outcome.content, error(403, "TokenException"), "order book")
    assert answered(outcome.content, Reply(200, b'{"status":"success","data":[]}'), "order book") == []


def test_every_class_of_the_sdk_is_in_the_table():
    named = {name for name, each in vars(theirs).items() if isinstance(each, type) and name != "KiteException"}
    assert named <= set(outcome.CLASSES)


_REPLIES = st.builds(
    Reply,
    st.integers(0, 599),
    st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda kind, message: json.dumps({"status": "error", "error_type": kind, "message": message}).encode(),
            st.sampled_from([*outcome.CLASSES, "New", None, 5]),
            st.text(max_size=10),
        ),
    ),
)


@given(_REPLIES)
def test_a_refusal_is_never_guessed(reply):
    """Nothing but a 4xx in Kite's envelope, or its gateway's 429, says that nothing was done; but for a dead token."""
    caught = raised(reply)
    if type(caught) is not OutcomeUnknown:
        assert 400 <= reply.status < 500 or (type(caught) is AuthError and caught.code)
