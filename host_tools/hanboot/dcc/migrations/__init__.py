"""Steps from one schema of the service's tables to the next, for alembic.

A step is a file versions/NNNN_what_it_does.py; the newest is `SCHEMA.newest` in `dcc.schema`.
`hanboot dcc migrate` takes all that are missing, in one transaction.
"""
