"""Zerodha Kite: live ticks, past bars, and orders, through the official SDK."""
