"""A device at a port: client, provisioning."""
