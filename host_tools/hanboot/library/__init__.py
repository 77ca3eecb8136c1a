"""The Central Firmware Library of SECMP0009: firmware images and what a supplier must know of them.

A web application on the registry's database, with tables of its own: a library entry exists with or
without a CPL entry. `catalogue` is what the library holds, `accounts` who may use it, `permissions`
who may do what, `audit` who did; `web` is the way in for browsers, `web.api` for programs, and both
decide nothing.
"""
