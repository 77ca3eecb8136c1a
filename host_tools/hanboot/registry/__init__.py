"""The register: CPL and FIR entries, the pathways that they state, and what follows from them.

entry, fields            the records, and how each field is read, written and seen
schema, migrations,      storage: SQLAlchemy models, alembic steps, the register itself,
store, history           and every change with time, author and reason
sheets, mapping,         exchange: CSV and XLSX as streams of rows, other people's headings,
intake, export           import all or nothing, export by role
pathways, plan           which entry may follow which, by the device's own decision; the
                         shortest safe path
check, diagram           what is wrong with a register; pathways for the eye
submission               an image against its row
snapshot                 the CPL as a signed file, for gates that are offline
"""
