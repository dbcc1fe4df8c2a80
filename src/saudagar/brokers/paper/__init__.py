"""Paper trading: the exchange's matching core in process."""

from saudagar.brokers.paper.broker import PaperBroker

__all__ = ["PaperBroker"]
