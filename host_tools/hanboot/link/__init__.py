"""The line to a device: ports, SMP frames, deadlines."""
