#include "distributed/mpi_launch.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;
using Kind = MpiLaunch::Kind;

// Libraries by the names of their binary interfaces, which several releases share; MPICH's is also that of
// Intel MPI and MVAPICH.
struct Mpi {
  Kind kind;
  const char *name, *module;
  std::vector<const char*> libraries;
};
const Mpi kMpis[] = {{Kind::open_mpi, "Open MPI", "superres_openmpi.so", {"libmpi.so.40"}},
                     {Kind::mpich, "MPICH", "superres_mpich.so", {"libmpich.so.12", "libmpi.so.12"}}};

int number(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : 0;
}

// In ../lib/superres beside the program, where it is built as where it is installed.
fs::path module_path(const Mpi& mpi) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "lib" / "superres" / mpi.module;
}

const Mpi& mpi_of(Kind kind) {
  return kMpis[kind == Kind::open_mpi ? 0 : 1];
}

std::string last_error() {
  const char* text = dlerror();
  return text ? text : "unknown error";
}

}  // namespace

MpiLaunch mpi_launch() {
  if (const int size = number("OMPI_COMM_WORLD_SIZE")) return {Kind::open_mpi, size};
  if (std::getenv("PMIX_RANK")) return {Kind::open_mpi, number("SLURM_STEP_NUM_TASKS")};
  if (const int size = number("PMI_SIZE")) return {Kind::mpich, size};
  if (const int size = number("SLURM_STEP_NUM_TASKS"); size > 1)
    throw Error(
        Error::Kind::usage, "srun started ", size,
        " processes without an MPI, and each would train by itself; use srun --mpi=pmix with Open MPI "
        "or srun --mpi=pmi2 with MPICH");
  return {};
}

const MpiModule& mpi_module(Kind kind) {
  const Mpi& mpi = mpi_of(kind);
  const fs::path path = module_path(mpi);
  if (!fs::exists(path))
    throw Error(Error::Kind::unsupported, "started by ", mpi.name, ", but this build has no module for it (",
                path.string(), "); build superres where ", mpi.name, "'s mpicc is, or start one process");
  // Global, for what the library loads itself looks for its functions there.
  void* library = nullptr;
  for (const char* name : mpi.libraries)
    if (!library) library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!library)
    throw Error(Error::Kind::unsupported, "started by ", mpi.name,
                ", but its library cannot be loaded: ", last_error(),
                "; install it, or add its folder to LD_LIBRARY_PATH");
  void* module = dlopen(path.c_str(), RTLD_NOW);
  const void* table = module ? dlsym(module, "superres_mpi") : nullptr;
  if (!table)
    throw Error(Error::Kind::unsupported, "started by ", mpi.name, ", but ", path.string(), ": ",
                last_error());
  return *static_cast<const MpiModule*>(table);
}

std::string mpi_modules() {
  std::string names;
  for (const Mpi& mpi : kMpis)
    if (fs::exists(module_path(mpi))) names += (names.empty() ? "" : " and ") + std::string(mpi.name);
  return names.empty() ? "none" : names;
}

}  // namespace sr
