"""saudagar (सौदागर, "trader"): one trading desk for Indian markets."""

__version__ = "0.1.0"
