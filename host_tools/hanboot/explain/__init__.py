"""Reasons, fields, verdicts and versions in words."""
