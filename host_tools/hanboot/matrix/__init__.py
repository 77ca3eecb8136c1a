"""The misupgrade matrix: every release offered to a device that runs every other.

`virtual` and `walk` play it, on virtual boards or on one real board; `oracle` says from the prose
of docs/reference/decisions.md what must come out; `compare` holds device, decision function and
oracle against each other; `report` shows the result.
"""
