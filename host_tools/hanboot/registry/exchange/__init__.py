"""What comes in and goes out as files.

sheets, workbook   CSV and XLSX as streams of rows
mapping            headings and values of other organisations
rows, intake       a row becomes an entry; import all or nothing
export             CSV and XLSX, with what a role may see
snapshot           the CPL as a signed file, for gates that are offline
"""
