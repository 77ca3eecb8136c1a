"""The DCC's data service provider, as far as firmware goes: an HTTP service beside a registry.

Needs the extra `hanboot[chain]`.
"""
