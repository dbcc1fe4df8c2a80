"""The broker edge: one folder per broker, each implements the ports of `saudagar.execution`.

A broker's folder holds its words, its shapes and its oddities, and nothing of another's. What they share lies here:

- `supervisor` and `child`: every SDK stream lives in a child process of its own;
- `lane`, `governor`, `lanes`, `outcomes`: requests in order, within the broker's limits, each reply judged;
- `order_desk`: the life of an order desk and its stream;
- `fields`, `candles`, `quoting`: reading what a broker says;
- `checks`, `conditional`: refusing what cannot be, before the wire;
- `login`: what logging in gives; `router`: several accounts as one order desk.
"""
