#include "mpi_module.h"

#include <mpi.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(long long), "a request fits into the number that stands for it");

static int init(int* rank, int* size) {
  int given;
  int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
  if (error) return error;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  error = MPI_Comm_rank(MPI_COMM_WORLD, rank);
  return error ? error : MPI_Comm_size(MPI_COMM_WORLD, size);
}

static int isend(const void* data, int bytes, int to, int tag, long long* number) {
  MPI_Request request;
  const int error = MPI_Isend(data, bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD, &request);
  memcpy(number, &request, sizeof request);
  return error;
}

static int irecv(void* data, int bytes, int from, int tag, long long* number) {
  MPI_Request request;
  const int error =
      MPI_Irecv(data, bytes, MPI_BYTE, from < 0 ? MPI_ANY_SOURCE : from, tag, MPI_COMM_WORLD, &request);
  memcpy(number, &request, sizeof request);
  return error;
}

static int test(long long* number, int* done) {
  MPI_Request request;
  memcpy(&request, number, sizeof request);
  const int error = MPI_Test(&request, done, MPI_STATUS_IGNORE);
  memcpy(number, &request, sizeof request);
  return error;
}

static void text(int error, char* to, int bytes) {
  char all[MPI_MAX_ERROR_STRING] = "";
  int length;
  if (MPI_Error_string(error, all, &length) != MPI_SUCCESS) strcpy(all, "an error of MPI");
  strncpy(to, all, (size_t)bytes - 1);
  to[bytes - 1] = 0;
}

static void end_all(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
}

static int finalize(void) {
  return MPI_Finalize();
}

const struct MpiModule superres_mpi = {init, isend, irecv, test, text, end_all, finalize};
