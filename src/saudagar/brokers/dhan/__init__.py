"""Dhan: orders, look-ups and order updates through the official SDK."""
