"""Which firmware may follow which, by the device's own decision, and what follows from that.

graph          entries of a model and the steps between them
state          what a device is and runs, as planning takes it
start          what a plan starts from: an ID, a version or a hash
plan, walk     the shortest safe path; its images
check, screen  what is wrong with a registry; which models to look at
resolution     the predecessors of a release, from their CPL Entry IDs
remedy         the way to what a device refused, if there is one
diagram, svg   pathways drawn
"""
