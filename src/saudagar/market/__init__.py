"""What the market is: sessions and holidays, the instrument master, charges, ticks to bars. Rules, no I/O."""
