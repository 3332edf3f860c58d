# A module for each MPI that is found, in lib/superres beside bin: the program loads the one that it was started by
# (distributed/mpi_launch.h). They are not linked with the MPI's library, which the program loads first, so that no package needs
# one. mpicc is asked for by the names that Debian has for both; elsewhere give SR_OPENMPI_CC or SR_MPICH_CC.
find_program(SR_OPENMPI_CC mpicc.openmpi DOC "Open MPI's mpicc")
find_program(SR_MPICH_CC mpicc.mpich DOC "MPICH's mpicc")
set(mpi_modules "")
foreach(name openmpi mpich)
  string(TOUPPER ${name} upper)
  if(NOT SR_${upper}_CC)
    message(STATUS "Without ${name}: no mpicc.${name} found (SR_${upper}_CC)")
    continue()
  endif()
  set(module ${CMAKE_BINARY_DIR}/lib/superres/superres_${name}.so)
  add_custom_command(OUTPUT ${module} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib/superres
                     COMMAND ${SR_${upper}_CC} -std=c11 -O2 -Wall -Wextra -Werror -fPIC -c ${PROJECT_SOURCE_DIR}/distributed/mpi_module.c
                             -o ${module}.o
                     COMMAND ${CMAKE_CXX_COMPILER} -shared ${module}.o -o ${module}
                     COMMAND ${CMAKE_COMMAND} -E rm ${module}.o
                     DEPENDS distributed/mpi_module.c distributed/mpi_module.h)
  list(APPEND mpi_modules ${module})
endforeach()
add_custom_target(sr_mpi_modules DEPENDS ${mpi_modules})
