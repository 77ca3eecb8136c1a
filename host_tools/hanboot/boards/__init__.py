"""Boards on this machine or at a port: run, flash, deploy."""
