# The bench's C module, for USER_C_MODULES.
add_library(usermod_bench INTERFACE)
target_sources(usermod_bench INTERFACE ${CMAKE_CURRENT_LIST_DIR}/bench.c)
target_link_options(usermod_bench INTERFACE -Wl,--wrap=gc_collect)
target_link_libraries(usermod INTERFACE usermod_bench)
