# -DHANBOOT_ROLE=ppmid|ihd|hcalcs                  what the device plays; ppmid
# -DMICROPY_BOARD_VARIANT=DEVELOPMENT       keeps the prompt, and says so
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")

if(NOT HANBOOT_ROLE)
    set(HANBOOT_ROLE "ppmid")
endif()
list(APPEND MICROPY_DEF_BOARD HANBOOT_ROLE="${HANBOOT_ROLE}")

list(APPEND MICROPY_SOURCE_BOARD ${MICROPY_BOARD_DIR}/console.c ${MICROPY_BOARD_DIR}/no_prompt.c)
