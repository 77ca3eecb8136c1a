import sys

from hanboot.demo import main

main(*sys.argv[1:3])
