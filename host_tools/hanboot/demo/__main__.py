import sys

from hanboot.demo import main

given = (*sys.argv[1:], "", "")
main(given[0] or "virtual", given[1])
