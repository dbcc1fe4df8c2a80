"""Upstox: live ticks over the V3 protobuf feed, and past bars, through the official SDK."""
