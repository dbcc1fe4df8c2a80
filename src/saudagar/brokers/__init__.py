"""The broker edge: one folder per broker, each implements the ports of `saudagar.execution`.

`supervisor` and `child` are shared: every SDK stream lives in a child process of its own.
"""
