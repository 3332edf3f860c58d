# What is installed, and the packages that `cpack` makes of it in a build folder: a Debian package, which takes libraries from the
# system (cpack -G DEB), and an archive that brings them along (cpack -G TXZ). tools/make_wheel.py makes a pip wheel.

# Programs look beside themselves first for libraries, and so do libraries that they load (DT_RPATH; DT_RUNPATH is for the
# program alone). In the build folder too: CMake would keep the place for an rpath with colons there, which the loader takes for the
# current folder.
set_target_properties(${programs} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN/../lib")
foreach(name ${programs})
  target_link_options(${name} PRIVATE -Wl,--disable-new-dtags)
endforeach()
install(TARGETS ${programs})
install(FILES ${mpi_modules} DESTINATION lib/superres)  # where bin is left for lib, not lib/x86_64-linux-gnu
install(DIRECTORY pretrained recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/superres USE_SOURCE_PERMISSIONS)
install(DIRECTORY ${documents}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${documents}/bash-completion DESTINATION ${CMAKE_INSTALL_DATADIR})
install(FILES README.md LICENSE THIRD_PARTY.md CITATION.cff CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The libraries that the programs need, where they find them: `cmake --install BUILD --component bundle --prefix PREFIX`.
list(TRANSFORM programs REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE program_files)
install(CODE "set(programs \"${program_files}\")" COMPONENT bundle EXCLUDE_FROM_ALL)
install(SCRIPT cmake/bundle.cmake COMPONENT bundle EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB TXZ)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/cpack_options.cmake)
set(CPACK_PACKAGE_FILE_NAME superres-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_CONTACT "the superres authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "super-resolution of large TIFF scenes")
set(CPACK_PACKAGE_DESCRIPTION "Programs that enlarge satellite and aerial images of any size by 2, 3 or 4
with a network, and carry over what such a scene has besides pixels; and those
that train it. Weights are included.")
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)  # xz takes a minute of them
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
include(CPack)
