"""Steps from one schema to the next, for alembic.

A step is a file versions/NNNN_what_it_does.py; the newest is `REVISION` in `schema`.
`hanboot registry migrate` takes all that are missing, in one transaction; see `migration`.
"""
