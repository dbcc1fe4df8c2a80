"""The configuration of a desk: one TOML file, secrets from outside it, and every mistake named at once."""

from saudagar.app.config.desk import DeskConfig, StrategyConfig
from saudagar.app.config.load import load, parse
from saudagar.app.config.secrets import Secret, Secrets
from saudagar.app.config.sections import (
    ChargesSection,
    DataSection,
    DeskSection,
    InstrumentsSection,
    Mode,
    OrdersSection,
    RiskSection,
    SessionSection,
    SimulationSection,
)

__all__ = [
    "ChargesSection",
    "DataSection",
    "DeskConfig",
    "DeskSection",
    "InstrumentsSection",
    "Mode",
    "OrdersSection",
    "RiskSection",
    "Secret",
    "Secrets",
    "SessionSection",
    "SimulationSection",
    "StrategyConfig",
    "load",
    "parse",
]
