# The bench's C modules, for USER_C_MODULES. With BENCH_NETWORK=1 without mbedTLS's verification: beside
# the modules of a Home Area Network there is no room for it in flash.
add_library(usermod_bench INTERFACE)
target_sources(usermod_bench INTERFACE ${CMAKE_CURRENT_LIST_DIR}/heap.c)
if(NOT BENCH_NETWORK)
    target_sources(usermod_bench INTERFACE ${CMAKE_CURRENT_LIST_DIR}/mbedtls.c)
endif()
target_link_options(usermod_bench INTERFACE -Wl,--wrap=gc_collect)
target_link_libraries(usermod INTERFACE usermod_bench)
