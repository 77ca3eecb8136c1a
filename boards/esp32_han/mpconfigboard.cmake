# -DHANBOOT_ROLE=ppmid|ihd|hcalcs       what the device plays; ppmid
# -DMICROPY_BOARD_VARIANT=DEVELOPMENT   keeps the prompt, and says so
# -DHANBOOT_SECURE_BOOT=1               Secure Boot V2: burns eFuses at the first start
set(IDF_TARGET esp32)

if(NOT HANBOOT_ROLE)
    set(HANBOOT_ROLE "ppmid")
endif()
list(APPEND MICROPY_DEF_BOARD HANBOOT_ROLE="${HANBOOT_ROLE}")

# ESP-IDF takes the name of a partition table from its project, which this folder is not in
set(HANBOOT_SDKCONFIG ${CMAKE_BINARY_DIR}/sdkconfig.partitions)
file(WRITE ${HANBOOT_SDKCONFIG}
    "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${MICROPY_BOARD_DIR}/partitions.csv\"\n")

set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/sdkconfig.board
    ${HANBOOT_SDKCONFIG}
)
if(HANBOOT_SECURE_BOOT)
    list(APPEND SDKCONFIG_DEFAULTS ${MICROPY_BOARD_DIR}/sdkconfig.secure_boot)
endif()

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)

set(MICROPY_SOURCE_BOARD
    ${MICROPY_BOARD_DIR}/console.c
    ${MICROPY_BOARD_DIR}/no_prompt.c
)
