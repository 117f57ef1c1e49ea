# SPDX-License-Identifier: MIT
# embed.cmake: the report as octets, in a C file: cmake -DFROM=FOLDER -DTO=FILE.c -P embed.cmake
# The parts of the script become one, in this order.
set(PARTS elements data rows filters place marks header summary table findings policies run facts host begin)

file(READ ${FROM}/page.html page HEX)
file(READ ${FROM}/style.css style HEX)
string(HEX "(() => {\n\"use strict\";\n\n" script)
foreach(part ${PARTS})
    file(READ ${FROM}/script/${part}.js octets HEX)
    string(APPEND script ${octets} 0a)
endforeach()
string(HEX "})();\n" octets)
string(APPEND script ${octets})

set(text "/* Made of output/export/report/ by embed.cmake. */\n#include \"output/export/report/report.h\"\n")
foreach(name page style script)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," octets "${${name}}")
    string(REGEX REPLACE "((.......){14})" "\\1\n" octets "${octets}")
    string(APPEND text "\nstatic const char ${name}[] = {\n${octets}};\n"
                       "const struct span report_${name} = {${name}, sizeof ${name}};\n")
endforeach()
file(WRITE ${TO} "${text}")
