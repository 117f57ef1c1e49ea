# SPDX-License-Identifier: MIT
# What is installed beside the program and its data: manual, completion, systemd units, examples. And how a Debian
# package is made of it all:
#
#   cmake --preset package && cmake --build --preset package && cpack --preset package
#
# What only Debian asks for (copyright, changelog, compressed manual, stripped program) is debian.cmake's.

option(PACKAGE "For a package: nothing of the source tree is looked for" OFF)
if(PACKAGE)
    set_source_files_properties(output/policies/policy.c PROPERTIES COMPILE_DEFINITIONS
        "POLICIES_INSTALLED=\"${POLICIES_INSTALLED}\";POLICIES_SOURCE=\"\"")
endif()

# The manual and the package have the date of the release, and not that of the build.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/changelog RELEASED REGEX "^ -- " LIMIT_COUNT 1)
string(REGEX REPLACE "^ -- .*>  " "" RELEASED "${RELEASED}")
execute_process(COMMAND date -u -d "${RELEASED}" +%s OUTPUT_VARIABLE RELEASED OUTPUT_STRIP_TRAILING_WHITESPACE)

# --- manual ---------------------------------------------------------------------------------------------------------

file(GLOB MANUAL CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/scanner/man/*.scd)
find_program(SCDOC scdoc)
if(SCDOC)
    foreach(source ${MANUAL})
        get_filename_component(page ${source} NAME_WLE)
        string(REGEX REPLACE ".*\\." "" section ${page})
        set(made ${CMAKE_BINARY_DIR}/man/man${section}/${page})
        add_custom_command(OUTPUT ${made} DEPENDS ${source} VERBATIM
            COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man/man${section}
            COMMAND sh -c "SOURCE_DATE_EPOCH=$4 \"$1\" <\"$2\" >\"$3\" || { rm -f \"$3\"; exit 1; }"
                    sh ${SCDOC} ${source} ${made} ${RELEASED}
            COMMENT "Manual page ${page}")
        list(APPEND pages ${made})
        install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endforeach()
    add_custom_target(manual ALL DEPENDS ${pages})
else()
    message(STATUS "scdoc is not there: no manual pages are made")
endif()

# --- completion, units, examples ------------------------------------------------------------------------------------

install(FILES ${CMAKE_SOURCE_DIR}/scanner/completion/starttls-audit.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME starttls-audit)

# Under /usr they are where Debian's own are; elsewhere (/usr/local) where systemd looks as well.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(UNITS /lib/systemd/system)
else()
    set(UNITS lib/systemd/system)
endif()
set(SYSTEMD_UNIT_DIR ${UNITS} CACHE PATH "Where systemd's units are installed")
file(GLOB units CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/samples/systemd/*.service ${CMAKE_SOURCE_DIR}/samples/systemd/*.timer)
foreach(source ${units})
    get_filename_component(unit ${source} NAME)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(READ ${source} text)
    string(REPLACE "/usr/bin/starttls-audit" "${CMAKE_INSTALL_FULL_BINDIR}/starttls-audit" text "${text}")
    file(WRITE ${CMAKE_BINARY_DIR}/units/${unit} "${text}")
    install(FILES ${CMAKE_BINARY_DIR}/units/${unit} DESTINATION ${SYSTEMD_UNIT_DIR})
endforeach()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/samples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        PATTERN quickstart EXCLUDE PATTERN demo.peers EXCLUDE
        PATTERN "systemd/*.service" EXCLUDE PATTERN "systemd/*.timer" EXCLUDE)

# --- the package ----------------------------------------------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME starttls-audit)
set(CPACK_PACKAGE_VENDOR "The starttls-audit authors")
set(CPACK_PACKAGE_CONTACT "The starttls-audit authors <maintainers@starttls-audit.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "auditing scanner for STARTTLS and TLS of mail and FTP services")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Connects to the FTP, IMAP, POP3 and SMTP services of hosts and networks, and
records what each says and does: whether STARTTLS is offered, accepted and
works, whether passwords are taken in clear, whether commands can be injected
into the session, which versions from SSLv2 to TLS 1.3 are accepted, and the
certificate. Then it judges, by rules and by policies such as those of NIST,
BSI, NCSC-NL, PCI and Mozilla.

It is made for whole networks and for every night: a systemd timer, history
in SQLite, changes, waivers, and exports for Prometheus, Grafana, JUnit,
SARIF, DefectDojo, Elastic and as an HTML report.")
set(CPACK_SET_DESTDIR ON) # some files are outside of /usr
set(CPACK_STRIP_FILES OFF) # debian.cmake does it, as Debian wants it
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
set(CPACK_STARTTLS_AUDIT_PACKAGE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(CPACK_STARTTLS_AUDIT_RELEASED ${RELEASED})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "prometheus-node-exporter, jq")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm ${CMAKE_CURRENT_LIST_DIR}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
