"""The Upstox face of the simulated exchange: market feed V3 over WebSocket, and the REST the desk reads."""
