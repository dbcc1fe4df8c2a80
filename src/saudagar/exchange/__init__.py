"""The simulated exchange: a matching core, its market of the day, and the brokers' wire faces on top.

`core.MatchingCore` matches orders against the market's visible depth; a `market_feed.DaySource` (`synthetic`,
`recorded`) moves that market. Both know nothing of sockets.
"""
