"""Certificates of the Smart Metering Key Infrastructure: read, checked, and made for a lab."""
