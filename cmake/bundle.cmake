# Puts what ${programs} load at run time beside them in the folder that is installed to: libraries into lib, but for the C
# library's own, whose parts must be the system's, and the GPU driver's; PROJ's table of coordinate systems into share/proj, where
# PROJ looks for it seen from its library; and the licences of all of them.
set(prefix $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX})
set(systems_own "^(ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nsl|BrokenLocale|cuda))\\.so")
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} RESOLVED_DEPENDENCIES_VAR libraries
     PRE_EXCLUDE_REGEXES ${systems_own})
find_file(coordinate_systems proj.db PATHS /usr/share/proj REQUIRED)

file(MAKE_DIRECTORY ${prefix}/lib ${prefix}/share/proj ${prefix}/share/doc/superres/licences)
foreach(library ${libraries})
  get_filename_component(name ${library} NAME)
  file(COPY_FILE ${library} ${prefix}/lib/${name})  # what a name links to
endforeach()
file(COPY_FILE ${coordinate_systems} ${prefix}/share/proj/proj.db)

# Licences as Debian's packages have them, with the texts that they refer to, and which version it is.
function(package_of file variable)
  file(REAL_PATH ${file} real)
  string(REGEX REPLACE "^/usr/lib" "/lib" without_usr ${real})  # dpkg knows one of the two
  execute_process(COMMAND dpkg-query --search ${real} ${without_usr} OUTPUT_VARIABLE found ERROR_QUIET)
  string(REGEX REPLACE ":.*" "" package "${found}")
  if(package STREQUAL "")
    message(FATAL_ERROR "${file}: no Debian package has it, so its licence is not known; it cannot be passed on")
  endif()
  set(${variable} ${package} PARENT_SCOPE)
endfunction()
set(packages "")
foreach(file ${libraries} ${coordinate_systems})
  package_of(${file} package)
  list(APPEND packages ${package})
endforeach()
list(SORT packages)
list(REMOVE_DUPLICATES packages)
set(versions "")
set(referred "")
foreach(package ${packages})
  file(COPY_FILE /usr/share/doc/${package}/copyright ${prefix}/share/doc/superres/licences/${package})
  execute_process(COMMAND dpkg-query --show --showformat "\${source:Package} \${source:Version}" ${package} OUTPUT_VARIABLE source
                  COMMAND_ERROR_IS_FATAL ANY)
  string(APPEND versions "${package}: ${source}\n")
  file(READ /usr/share/doc/${package}/copyright text)
  string(REGEX MATCHALL "/usr/share/common-licenses/[A-Za-z]+(-[0-9]+(\\.[0-9]+)*)?" texts "${text}")
  list(APPEND referred ${texts})
endforeach()
list(REMOVE_DUPLICATES referred)
foreach(text ${referred})
  get_filename_component(name ${text} NAME)
  file(COPY_FILE ${text} ${prefix}/share/doc/superres/licences/${name})
endforeach()
file(WRITE ${prefix}/share/doc/superres/licences/SOURCES
     "The libraries in lib, unchanged, are those of the system that this was built on. Debian's source package and its version of\n"
     "each package:\n\n${versions}")
list(LENGTH libraries count)
message(STATUS "Bundled ${count} libraries into ${prefix}/lib")
