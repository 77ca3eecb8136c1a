"""The registry: CPL and FIR entries, the pathways that they state, and what follows from them.

entry, fields   the records, and how each field is read, written and seen
progress        how far a long task is
storage/        a database, its schema, the entries in it, and the history of every change
exchange/       CSV and XLSX in and out; the CPL as a signed file
pathways/       which entry may follow which; plans, checks, diagrams
images/         an image and its entry: submitted, compared

A package uses only those above it.
"""

#: Where a registry is by default: an SQLite file in the current folder.
DEFAULT_URL = "registry.db"
