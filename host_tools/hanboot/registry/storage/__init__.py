"""Where a registry is kept.

database, database_errors   a database by its URL: opened, its errors explained
schema, column_types        the tables
migration, migrations       alembic's steps from one schema to the next; other owners' are run by it
entries, ssc, settings      rows read and written: entries, what is for the SSC, switches
store, writer               the registry: asked, and changed
history, audit              every change; the history replayed against the entries
never_in_field              statements that no device ran an entry's firmware
"""
