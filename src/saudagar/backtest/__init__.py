"""Research on past data: the desk's own engine, driven by a for-loop."""
