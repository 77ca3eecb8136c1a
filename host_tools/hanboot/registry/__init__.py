"""The register: CPL and FIR entries, the pathways that they state, and what follows from them.

entry, fields               the records, and how each field is read, written and seen
database, schema,           storage: a database by its URL, its tables, alembic steps, the
migrations, store, history  entries in it, and every change with time, author and reason
sheets, workbook, mapping,  exchange: CSV and XLSX as streams of rows, other people's headings,
rows, intake, export        a row made an entry, import all or nothing, export by role
pathways, state,            which entry may follow which, by the device's own decision; what a
plan, walk                  device runs; the shortest safe path; its images
check, diagram, svg         what is wrong with a register; pathways for the eye
comparison, submission      an image against its row
resolution                  the predecessors of a release, from their CPL Entry IDs
remedy                      what a device refused: the way there, if there is one
snapshot                    the CPL as a signed file, for gates that are offline
"""

#: Where a register is if nobody says: an SQLite file in the current folder.
DEFAULT_URL = "registry.db"
