# What a device reports as its version, and what the wheel is called.

VERSION = "0.1.0"
