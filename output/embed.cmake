# SPDX-License-Identifier: MIT
# embed.cmake: files as octets in C files. For scripts that put one together (cmake -P).

# Appends to the text in the variable: the array NAME of these octets (given as hexadecimal digits). What is STATIC is seen in
# its file alone.
function(embed_octets variable name hex)
    cmake_parse_arguments(PARSE_ARGV 3 embed STATIC "" "")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," octets "${hex}")
    string(REGEX REPLACE "((.......){14})" "\\1\n" octets "${octets}")
    set(scope "")
    if(embed_STATIC)
        set(scope "static ")
    endif()
    set(${variable} "${${variable}}\n${scope}const char ${name}[] = {\n${octets}};\n" PARENT_SCOPE)
endfunction()
