"""For tests of programs that talk to devices: a transport without a device."""
