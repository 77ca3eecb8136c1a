# The least a stock rp2 board needs; the stock manifest wants micropython-lib.
freeze("$(PORT_DIR)/modules", ("_boot.py", "rp2.py"))
include("$(MPY_DIR)/extmod/asyncio")
