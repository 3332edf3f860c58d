// The search for races: every access of a kernel compiled with -fsanitize=thread is held against the last
// ones to the same two bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sr::emulation {

enum class AccessKind { read, write, atomic };

/// Who accesses, and when: two accesses of one block are ordered if a barrier (epoch) lies between them, two
/// of one warp also if a warp collective does; the rest of what orders them is in Clocks. Blocks of one
/// launch are never ordered.
struct Access {
  static constexpr int32_t kLanes = -2, kWarps = -3;  // read by several lanes of one warp, by several warps
  static constexpr int32_t kSet = -4;                 // read by the set of which `clock` is the number

  uint32_t launch = 0;      // 0: never
  uint32_t beside = 0;      // the first launch that may still run; 0: none
  uint32_t block = 0;       // in the launch
  uint32_t epoch = 0;       // unique over all blocks and launches
  uint32_t warp_epoch = 0;  // within the block
  int32_t thread = 0;       // in the block, or an engine of Clocks; kLanes, kWarps or kSet: several
  int32_t issuer = 0;       // the thread, or the one for which the engine works
  int32_t warp = 0;         // the issuer's
  uint32_t clock = 0;       // of Clocks
  uint32_t pc = 0;          // in the program's file
  int32_t line = 0;         // if known without looking up pc
  bool atomic = false;
  bool writes = false;
  uint8_t bytes = 0;  // of the cell's two: 1 the first, 2 the second, 3 both
};

class Clocks;

/// The last accesses to two bytes.
struct Cell {
  Access write, read;
};

/// The cells of a stretch of memory; zero until touched.
class Shadow {
 public:
  explicit Shadow(size_t bytes);

  /// Notes an access to bytes [offset, offset + bytes); returns the earlier access that it races with, if
  /// any. `shared`: memory of one block. `clocks` are those of the accessing block.
  std::optional<Access> note(size_t offset, size_t bytes, AccessKind kind, Access now, bool shared,
                             Clocks& clocks);

 private:
  struct Free {
    void operator()(Cell* cells) const;
  };
  size_t count_;
  std::unique_ptr<Cell[], Free> cells_;
};

/// Whether an engine accesses what a thread stored, in order but without a fence for it.
bool lacks_fence(const Access& before, const Access& now, const Clocks& clocks);

/// "write in line 12 by thread 3 of block 0, read in line 9 by several threads of block 0 before it"
std::string describe(AccessKind kind, const Access& now, const Access& before);

/// An access of the running kernel in source line `line`, on behalf of a lane of the calling thread's warp
/// (-1: the thread itself). Nothing if races are not searched or no kernel runs.
void note_access(const void* p, size_t bytes, AccessKind kind, int lane, int line);
/// The same by the thread itself, in the instruction before `pc`.
void note_access_at(const void* p, size_t bytes, AccessKind kind, const void* pc);

/// From now on finds_races().
void search_races();

}  // namespace sr::emulation
