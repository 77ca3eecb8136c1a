"""Steps from one schema to the next, for alembic.

A step is a file versions/NNNN_what_it_does.py; the newest is `hanboot.registry.storage.schema.REVISION`.
`hanboot registry migrate` takes all that are missing, in one transaction.
"""
