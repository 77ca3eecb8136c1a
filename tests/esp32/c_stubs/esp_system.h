// What no_prompt.c uses of ESP-IDF's header.
#include <stdnoreturn.h>

noreturn void esp_restart(void);
