/* What a program asks of an MPI, whichever it is: each has a binary interface of its own, so mpi_module.c is
   compiled with each into a module, and the program loads the one that it was started by. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Functions return 0 or MPI's error, which `text` explains. Requests are numbers to test with. */
struct MpiModule {
  int (*init)(int* rank, int* size);
  /* `from` -1: anybody. */
  int (*isend)(const void* data, int bytes, int to, int tag, long long* request);
  int (*irecv)(void* data, int bytes, int from, int tag, long long* request);
  /* When it is done: 1 in `done`, and the request is gone. */
  int (*test)(long long* request, int* done);
  void (*text)(int error, char* to, int bytes);
  void (*abort)(int status); /* ends all processes */
  int (*finalize)(void);
};

/* Each module's table has this name. */
extern const struct MpiModule superres_mpi;

#ifdef __cplusplus
}
#endif
