// Products of a warpgroup (wgmma), a warp at a time: each of the four multiplies 16 rows by itself. The
// layouts are those of tensor/cuda/hopper.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace sr::emulation {

class Block;

enum class Operands { bf16, f16, tf32 };

/// What a lane gives for a product.
struct WarpgroupProduct {
  Operands type;
  int n;              // columns
  float* d;           // n / 2
  const uint32_t* a;  // four registers; null: by descriptor
  uint64_t a_matrix, b_matrix;
  bool a_transposed, b_transposed;
  int line;
};

class Products {
 public:
  explicit Products(Block& block) : block_(block) {}

  /// Before a block runs, and when its threads have ended.
  void start();
  void finish();

  // Of the running thread's warp, when all of its lanes have come.
  void fence();
  void issue(void** lanes);
  void commit();
  void wait(int groups_left);

 private:
  struct Product {
    WarpgroupProduct what;
    uint32_t a[32][4];
    uint32_t clock;
  };
  /// A warp's accumulators while products add to them: lane l's d[i] is values[l * n/2 + i].
  struct Sums {
    float* d[32];
    std::vector<float> values;
    int pending = 0, line = 0;
  };
  struct Warp {
    bool fenced = false;  // since the last wait
    std::vector<Product> open;
    std::deque<std::vector<Product>> groups;
    std::map<float*, Sums> sums;                // by the first lane's d
    std::map<float*, std::vector<float>> left;  // what was in them after the last product
    std::vector<uint64_t> issued;               // what the other warps of the warpgroup must issue too
  };

  Warp& warp();
  Sums& sums_for(Warp& w, void** lanes, bool from_registers);
  void note_operands(const Product& p);
  void land(Warp& w, const std::vector<Product>& group);
  void multiply(const Product& p, std::vector<float>& values);

  Block& block_;
  std::vector<Warp> warps_;
};

}  // namespace sr::emulation
