"""Options of ESP-IDF 5.2 that boards/esp32_han sets, and the Kconfig file that declares each.

ESP-IDF is not here to ask, so a name that is misspelled would be passed over in silence.
"""

_BOOTLOADER = "components/bootloader/Kconfig.projbuild"
_SYSTEM = "components/esp_system/Kconfig"
_LOG = "components/log/Kconfig"
_TABLE = "components/partition_table/Kconfig.projbuild"

OPTIONS = {
    "ESPTOOLPY_FLASHSIZE_4MB": "components/esptool_py/Kconfig.projbuild",
    "PARTITION_TABLE_CUSTOM": _TABLE,
    "PARTITION_TABLE_CUSTOM_FILENAME": _TABLE,
    "BOOTLOADER_LOG_LEVEL_NONE": _BOOTLOADER,
    "BOOTLOADER_LOG_LEVEL_WARN": _BOOTLOADER,
    "BOOTLOADER_WDT_ENABLE": _BOOTLOADER,
    "BOOTLOADER_SKIP_VALIDATE_IN_DEEP_SLEEP": _BOOTLOADER,
    "LOG_DEFAULT_LEVEL_NONE": _LOG,
    "LOG_DEFAULT_LEVEL_ERROR": _LOG,
    "ESP_TASK_WDT_INIT": _SYSTEM,
    "ESP_TASK_WDT_PANIC": _SYSTEM,
    "ESP_TASK_WDT_TIMEOUT_S": _SYSTEM,
    "ESP_INT_WDT": _SYSTEM,
    "ESP_SYSTEM_PANIC_PRINT_REBOOT": _SYSTEM,
    "ESP_SYSTEM_PANIC_SILENT_REBOOT": _SYSTEM,
    "ESP32_REV_MIN_3": "components/esp_hw_support/port/esp32/Kconfig.hw_support",
    "SECURE_BOOT": _BOOTLOADER,
    "SECURE_BOOT_V2_ENABLED": _BOOTLOADER,
    "SECURE_BOOT_BUILD_SIGNED_BINARIES": _BOOTLOADER,
}
