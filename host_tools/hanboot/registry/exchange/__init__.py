"""What comes in and goes out as files.

sheets, csv_file, table                CSV and XLSX as streams of rows
workbook, workbook_bounds,             XLSX: bounded, and looked through for what is hidden,
workbook_sheets, worksheet_scan        before openpyxl opens it
mapping, columns                       headings and values of other organisations
rows, new_entries, faults, intake      a row becomes an entry; what MP231 demands; all or nothing
views, export                          what a role may see; CSV and XLSX
snapshot                               the CPL as a signed file, for gates that are offline
"""
