"""Research on top of the backtest: metrics, reports, sweeps, walk-forward, learned signals."""
