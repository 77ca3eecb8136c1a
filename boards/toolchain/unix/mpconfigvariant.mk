FROZEN_MANIFEST ?= $(VARIANT_DIR)/manifest.py

# The virtual board maps its flash file and sets its watchdog through ffi (libffi).
MICROPY_PY_FFI = 1

# What no board of ours has, or what Debian's source tarball lacks.
MICROPY_PY_BTREE = 0
MICROPY_PY_SSL = 0
MICROPY_PY_THREAD = 0
MICROPY_VFS_FAT = 0
MICROPY_VFS_LFS1 = 0
