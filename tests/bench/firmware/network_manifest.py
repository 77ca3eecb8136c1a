# The same with the modules of a Home Area Network.
include("manifest.py", network=True)
