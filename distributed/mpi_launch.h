// Which MPI started the program, and its module.
#pragma once

#include <string>

#include "distributed/mpi_module.h"

namespace sr {

/// Whether an MPI's mpirun or srun started this process as one of several, by what it left in the
/// environment.
struct MpiLaunch {
  enum class Kind { none, open_mpi, mpich };
  Kind kind = Kind::none;
  int size = 1;  ///< 0: not told, but there may be others
};

/// Errors: usage (srun started several processes without an MPI: each would train by itself).
MpiLaunch mpi_launch();

/// Loads the library of that MPI and the module that was built for it. Errors: unsupported (one of the two is
/// missing).
const MpiModule& mpi_module(MpiLaunch::Kind kind);

/// "Open MPI and MPICH": for whose libraries there are modules beside the program; "none".
std::string mpi_modules();

}  // namespace sr
