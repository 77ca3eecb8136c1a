"""Steps from one schema of the library's tables to the next, for alembic.

A step is a file versions/NNNN_what_it_does.py; the newest is `SCHEMA.newest` in `library.schema`.
`hanboot library migrate` takes all that are missing, in one transaction.
"""
