"""Exits and size as a user writes them: ``stop = "1%"``, ``target = "25"`` (rupees), ``trail = "2atr"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from saudagar.indicators import BarFields, Expr, atr
from saudagar.model import MINUTE, Offset, Protection, SizeBy, Sizing

_DISTANCE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|atr|)", re.IGNORECASE)


class Distance(BaseModel):
    """A distance from the entry price: a percentage of it, rupees, or multiples of ATR."""

    model_config = ConfigDict(frozen=True)
    number: Decimal = Field(gt=0)
    unit: str = ""

    def offset(self, atr_paise: float) -> Offset:
        """In paise and parts per million; `atr_paise` is the ATR at the signal."""
        if self.unit == "%":
            return Offset(ppm=int(self.number * 10_000))
        if self.unit == "atr":
            return Offset(points=max(1, round(float(self.number) * atr_paise)))
        return Offset(points=int(self.number * 100))


def _parse(value: Any) -> Any:
    match = _DISTANCE.fullmatch(str(value).strip()) if isinstance(value, str | int | float) else None
    if isinstance(value, bool) or (match is None and not isinstance(value, Distance | Mapping)):
        raise ValueError('write a percentage "1%", rupees "2.50", or multiples of ATR "2atr"')
    return {"number": match["number"], "unit": match["unit"].lower()} if match else value


DistanceText = Annotated[Distance, BeforeValidator(_parse)]


class Exits(BaseModel):
    """The protective exits of a strategy; absent ones do not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stop: DistanceText | None = Field(None, description="loss at which to leave; rests at the broker")
    target: DistanceText | None = Field(None, description="gain at which to leave")
    trail: DistanceText | None = Field(None, description="distance at which the stop follows the best price")
    break_even: DistanceText | None = Field(None, description="gain at which the stop moves to the entry price")
    atr: int = Field(14, ge=2, le=200, description="bars of the ATR that distances in atr use")
    max_minutes: int = Field(0, ge=0, le=1440, description="leave after so many minutes; 0 means never")

    @model_validator(mode="after")
    def _percentages_make_sense(self) -> Exits:
        for name in ("stop", "trail"):
            distance: Distance | None = getattr(self, name)
            if distance and distance.unit == "%" and distance.number >= 50:
                raise ValueError(f"{name} of {distance.number}% is no protection; write less than 50%")
        return self

    @property
    def needs_atr(self) -> bool:
        return any(d is not None and d.unit == "atr" for d in (self.stop, self.target, self.trail, self.break_even))

    def atr_expr(self, bar: BarFields) -> Expr | None:
        """The graph node whose value `protection` wants; None where no exit is in ATR."""
        return atr(bar, self.atr) if self.needs_atr else None

    def protection(self, atr_paise: float = 0.0) -> Protection:
        """The plan that an entry carries, with ATR turned into paise."""

        def offset(distance: Distance | None) -> Offset | None:
            return None if distance is None else distance.offset(atr_paise)

        return Protection(
            stop=offset(self.stop),
            target=offset(self.target),
            trail=offset(self.trail),
            break_even=offset(self.break_even),
            max_age=self.max_minutes * MINUTE,
        )


class Size(BaseModel):
    """Exactly one of: rupees at risk, rupees of value, units, or lots."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    risk: Decimal | None = Field(None, gt=0, description="rupees lost if the stop is hit")
    value: Decimal | None = Field(None, gt=0, description="rupees of turnover")
    quantity: int | None = Field(None, gt=0, description="units")
    lots: int | None = Field(None, gt=0, description="lots of the contract")

    @model_validator(mode="after")
    def _one_of(self) -> Size:
        given = [name for name in ("risk", "value", "quantity", "lots") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of risk, value, quantity, lots; got {', '.join(given) or 'none of them'}"
            )
        return self

    def sizing(self) -> Sizing:
        if self.risk is not None:
            return Sizing(SizeBy.RISK, int(self.risk * 100))
        if self.value is not None:
            return Sizing(SizeBy.VALUE, int(self.value * 100))
        if self.quantity is not None:
            return Sizing(SizeBy.QUANTITY, self.quantity)
        assert self.lots is not None
        return Sizing(SizeBy.LOTS, self.lots)
