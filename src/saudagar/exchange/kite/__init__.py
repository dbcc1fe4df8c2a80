"""The Kite face of the simulated exchange: Kite Connect 3 REST, and the ticker's WebSocket with its order messages."""
