"""DUIS, the XML between service users and the DCC: built, signed, verified, shown.

Needs the extra `hanboot[chain]` (lxml).
"""
