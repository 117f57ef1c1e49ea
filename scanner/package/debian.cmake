# SPDX-License-Identifier: MIT
# What Debian asks of a package's files; CPack runs this when all is installed into a directory of its own, before that
# is packed. Nothing but what is in there is touched.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${root}/usr/share/doc/starttls-audit)

function(run)
    execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB_RECURSE manual ${root}/usr/share/man/*)
if(NOT manual)
    message(FATAL_ERROR "There is no manual: scdoc has to be installed before the build is configured.")
endif()

run(strip --strip-unneeded --remove-section=.comment --remove-section=.note ${root}/usr/bin/starttls-audit)

# The licence has a place and a form of its own.
file(REMOVE ${doc}/LICENSE)
file(COPY ${CPACK_STARTTLS_AUDIT_PACKAGE_DIR}/copyright DESTINATION ${doc})
file(COPY ${CPACK_STARTTLS_AUDIT_PACKAGE_DIR}/changelog DESTINATION ${doc})
file(RENAME ${doc}/changelog ${doc}/changelog.Debian)
file(COPY ${CPACK_STARTTLS_AUDIT_PACKAGE_DIR}/lintian-overrides DESTINATION ${root}/usr/share/lintian/overrides)
file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides ${root}/usr/share/lintian/overrides/starttls-audit)
run(gzip -9n ${manual} ${doc}/changelog.Debian)

# Whatever the mask of who builds it, and whatever the rights in the source tree.
run(find ${root} -type d -exec chmod 0755 {} +)
run(find ${root} -type f -exec chmod u=rw,go=r {} +)
run(chmod 0755 ${root}/usr/bin/starttls-audit)
file(GLOB scripts ${doc}/examples/slurm/submit ${doc}/examples/slurm/*.sbatch)
if(scripts)
    run(chmod 0755 ${scripts})
endif()

# The same tree gives the same package, octet by octet: nothing is younger than the last entry of the changelog.
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH})
    set(ENV{SOURCE_DATE_EPOCH} ${CPACK_STARTTLS_AUDIT_RELEASED})
endif()
run(find ${root} -exec touch --no-dereference --date @$ENV{SOURCE_DATE_EPOCH} {} +)
