"""The Dhan face of the simulated exchange: REST v2 for orders and the account, and the order-update WebSocket."""
