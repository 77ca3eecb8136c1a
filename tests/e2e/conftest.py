"""Devices and images for tests that go from the command line to the device's flash and back."""

from device_fixtures import *  # noqa: F403
