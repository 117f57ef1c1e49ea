# SPDX-License-Identifier: MIT
# embed.cmake: the SQL of the state as texts, in a C file: cmake -DFROM=FOLDER -DTO=FILE.c -P embed.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../../embed.cmake)

set(text "/* Made of output/state/schema/ by embed.cmake. */\n#include \"output/state/schema/sql.h\"\n")
foreach(name version_1 version_2 views staging staging_clear)
    file(READ ${FROM}/${name}.sql octets HEX)
    embed_octets(text sql_${name} "${octets}00")
endforeach()
file(WRITE ${TO} "${text}")
