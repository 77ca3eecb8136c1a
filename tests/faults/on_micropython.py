# Runs the cases named on standard input on MicroPython; a line of JSON for each.

import json
import sys

import cases

cases.prepare()
for line in sys.stdin:
    case = line.strip()
    if case:
        print(json.dumps(cases.facts_of(case)))
