# The stock manifest wants micropython-lib, which Debian's source tarball lacks.
include("$(MPY_DIR)/extmod/asyncio")
