# Runs the cases named on standard input on MicroPython, whose path the caller has set; a line of
# JSON for each.

import json
import sys

import cases

cases.prepare()
for line in sys.stdin:
    case = line.strip()
    if case:
        outcome = cases.run(case)
        found = [case, outcome.wanted, outcome.phases, outcome.violation, outcome.unsettled]
        print(json.dumps(found))
