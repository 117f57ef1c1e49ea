# SPDX-License-Identifier: MIT
# embed.cmake: the files of the report as octets, in a C file: cmake -DFROM=FOLDER -DTO=FILE.c -P embed.cmake
set(text "/* Made of output/export/report/ by embed.cmake. */\n#include \"output/export/report/report.h\"\n")
foreach(file page.html style.css script.js)
    get_filename_component(name ${file} NAME_WE)
    file(READ ${FROM}/${file} octets HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," octets "${octets}")
    string(REGEX REPLACE "((.......){14})" "\\1\n" octets "${octets}")
    string(APPEND text "\nstatic const char ${name}[] = {\n${octets}};\n"
                       "const struct span report_${name} = {${name}, sizeof ${name}};\n")
endforeach()
file(WRITE ${TO} "${text}")
