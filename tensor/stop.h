// Ends long computations early when the program is to stop.
#pragma once

#include <csignal>

namespace sr {

/// From now on the network's layers, the bicubic enlargement, and the reading and writing of TIFF blocks end
/// early with an Error of kind `stopped` once *flag is nonzero; it stays so then. A signal handler may set
/// it. nullptr, as it is at first: they run to their end.
void stop_when(const volatile std::sig_atomic_t* flag);

/// Cheap enough to be asked for each row of a picture.
bool stopping();

/// Errors: stopped.
void throw_if_stopping();

}  // namespace sr
