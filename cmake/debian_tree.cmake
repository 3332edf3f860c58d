# Makes what was installed for the Debian package a tree as Debian's policy wants it; cpack runs it.
set(usr ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
file(GLOB programs ${usr}/bin/*)
foreach(program ${programs})
  file(RPATH_REMOVE FILE ${program})  # as CMake's own install scripts call it: libraries are the system's
endforeach()
file(GLOB pages ${usr}/share/man/man1/*.1)
execute_process(COMMAND gzip -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
set(documents ${usr}/share/doc/superres)
file(STRINGS ${documents}/LICENSE copyright REGEX "Copyright [0-9]+ ")
string(STRIP "${copyright}" copyright)
file(WRITE ${documents}/copyright "${copyright}\n\n\
Licensed under the Apache License, Version 2.0; on Debian systems it is in\n/usr/share/common-licenses/Apache-2.0.\n")
file(REMOVE ${documents}/LICENSE)
