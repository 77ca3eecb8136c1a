"""The library for programs: the same questions and deeds as the pages, as JSON, by token.

Described by /openapi.json. `operations` is the table of addresses and what each needs; the other
modules hold the operations, and decide nothing that `catalogue` and `accounts` do not.
"""
