"""``saudagar account``: one account at one broker, looked at and handled by a person."""

from saudagar.app.account.commands import app

__all__ = ["app"]
