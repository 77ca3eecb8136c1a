"""Serving HTTP: where, how it is protected, within which bounds."""
