"""GBCS messages of the firmware use cases: read, shown, verified, signed.

What a device speaks too is in `hanbootloader.han.gbcs`; here is what only the other side needs.
"""
