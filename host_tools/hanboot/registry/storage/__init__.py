"""Where a registry is kept.

database     a database by its URL: opened, brought to this version's schema, its errors explained
schema       the tables
migrations   alembic's steps from one schema to the next
store        the entries in it: read, added, corrected
history      every change, with time, author and reason
"""
