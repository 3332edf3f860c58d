#include "tests/cuda_emulation/hopper/wgmma.h"

#include <algorithm>
#include <cstring>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/tensor_core.h"

namespace sr::emulation {

namespace {

constexpr uint32_t kPoison = 0x7fc0d1ce;  // a NaN: what accumulators hold while a product is under way

std::string in_line(int line) {
  return " in line " + std::to_string(line);
}

const WarpgroupProduct& given_by(void** lanes, int lane) {
  return *static_cast<WarpgroupProduct*>(lanes[lane]);
}

// A matrix that a descriptor names, as units of 16 bytes. `outer` counts rows of A or columns of B; `unit`
// what lies in 16 bytes.
class Matrix {
 public:
  explicit Matrix(uint64_t descriptor)
      : start_(static_cast<uint32_t>(descriptor & 0x3fff) << 4),
        lbo_(static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4),
        sbo_(static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4),
        swizzle_(static_cast<int>(descriptor >> 62)),
        row_(swizzle_ == 0 ? 16 : 256 >> swizzle_) {}

  /// K-major: row `outer`, unit 0 or 1 of K.
  uint32_t of_k_major(uint32_t outer, uint32_t unit) const {
    return swizzled(start_ + outer / 8 * sbo_ + outer % 8 * row_ + unit * (swizzle_ == 0 ? lbo_ : 16));
  }
  /// Transposed: row k of K, unit `unit` of M or N.
  uint32_t of_transposed(uint32_t k, uint32_t unit) const {
    if (swizzle_ == 0) return start_ + unit * sbo_ + k / 8 * lbo_ + k % 8 * 16;
    const uint32_t units = row_ / 16;
    return swizzled(start_ + unit / units * lbo_ + unit % units * 16 + k / 8 * sbo_ + k % 8 * row_);
  }

 private:
  // The lowest of the address's bits 4, 5, 6 are xored with bits 7, 8, 9: one, two or all three.
  uint32_t swizzled(uint32_t address) const { return address ^ (address >> 3 & (row_ - 1) & 0x70); }

  uint32_t start_, lbo_, sbo_;
  int swizzle_;
  uint32_t row_;
};

float value_of(Operands type, uint32_t bits) {
  if (type == Operands::tf32) return from_tf32(bits);
  return type == Operands::bf16 ? from_bf16(bits) : from_f16(bits);
}

// Calls f(address of 16 bytes, outer, k, step): the elements there are (outer, k), then step further in k or,
// if transposed, in outer.
template <class F>
void for_units(uint64_t descriptor, Operands type, bool transposed, int first, int count, F&& f) {
  const Matrix m(descriptor);
  const int per_unit = type == Operands::tf32 ? 4 : 8;
  if (transposed) {
    for (int k = 0; k < 16; ++k) {
      for (int o = first; o < first + count; o += 8) {
        f(m.of_transposed(static_cast<uint32_t>(k), static_cast<uint32_t>(o / 8)), o, k);
      }
    }
  } else {
    for (int o = first; o < first + count; ++o) {
      for (int unit = 0; unit < 2; ++unit) {
        f(m.of_k_major(static_cast<uint32_t>(o), static_cast<uint32_t>(unit)), o, unit * per_unit);
      }
    }
  }
}

// Element (outer, k) at values[k * pitch + outer - first].
void read_matrix(const Block& block, uint64_t descriptor, Operands type, bool transposed, int first,
                 int count, float* values, int pitch) {
  for_units(descriptor, type, transposed, first, count, [&](uint32_t address, int outer, int k) {
    uint32_t words[4];
    if (!block.in_arrays(block.at_shared_address(address), 16)) return;  // reported when it was issued
    std::memcpy(words, block.at_shared_address(address), 16);
    const int elements = type == Operands::tf32 ? 4 : 8;
    for (int e = 0; e < elements; ++e) {
      const uint32_t bits = type == Operands::tf32 ? words[e] : words[e / 2] >> (16 * (e % 2)) & 0xffff;
      const int o = outer - first + (transposed ? e : 0), kk = k + (transposed ? 0 : e);
      values[kk * pitch + o] = value_of(type, bits);
    }
  });
}

}  // namespace

void Products::start() {
  warps_.assign(static_cast<size_t>((block_.threads() + 31) / 32), Warp());
}

void Products::finish() {
  for (size_t i = 0; i < warps_.size(); ++i) {
    if (!warps_[i].sums.empty()) {
      report("warp " + std::to_string(i) + " ended while the product" +
             in_line(warps_[i].sums.begin()->second.line) + " was under way");
    }
    if (warps_[i].issued != warps_[i / 4 * 4].issued) {
      report("warps " + std::to_string(i / 4 * 4) + " and " + std::to_string(i) +
             " of one warpgroup issued different products");
    }
  }
}

Products::Warp& Products::warp() {
  return warps_[static_cast<size_t>(block_.thread() / 32)];
}

void Products::fence() {
  warp().fenced = true;
}

// The accumulators of a product that is about to start, taken from the lanes unless others add to them
// already.
Products::Sums& Products::sums_for(Warp& w, void** lanes, bool from_registers) {
  const WarpgroupProduct& p = given_by(lanes, 0);
  const auto count = static_cast<size_t>(p.n / 2);
  const auto found = w.sums.find(p.d);
  if (found != w.sums.end()) {
    if (found->second.values.size() != 32 * count) {
      report("wgmma" + in_line(p.line) + ": the product" + in_line(found->second.line) +
             " adds to the same accumulators in another shape");
      found->second.values.resize(32 * count);
    }
    return found->second;
  }
  for (const auto& [d, other] : w.sums) {
    if (p.d < d + other.values.size() / 32 && d < p.d + count) {
      report("wgmma" + in_line(p.line) + ": the product" + in_line(other.line) +
             " adds to some of its accumulators");
    }
  }
  Sums& s = w.sums[p.d];
  s.values.resize(32 * count);
  for (int l = 0; l < 32; ++l) {
    s.d[l] = given_by(lanes, l).d;
    std::copy_n(s.d[l], count,
                s.values.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(l) * count));
    for (size_t i = 0; i < count; ++i) std::memcpy(s.d[l] + i, &kPoison, 4);
  }
  const auto left = w.left.find(p.d);
  const bool as_left = left != w.left.end() && left->second.size() == s.values.size() &&
                       std::memcmp(left->second.data(), s.values.data(), 4 * s.values.size()) == 0;
  if (!w.fenced && (from_registers || !as_left)) {
    report("wgmma" + in_line(p.line) + ": no wgmma_fence() since its registers were written");
  }
  return s;
}

void Products::issue(void** lanes) {
  Warp& w = warp();
  const WarpgroupProduct& first = given_by(lanes, 0);
  Product p{first, {}, 0};
  for (int l = 0; l < 32; ++l) {
    const WarpgroupProduct& mine = given_by(lanes, l);
    if (mine.n != first.n || mine.a_matrix != first.a_matrix || mine.b_matrix != first.b_matrix) {
      return report("wgmma" + in_line(first.line) + ": the lanes' descriptors differ");
    }
    if (mine.a != nullptr) std::copy_n(mine.a, 4, p.a[l]);
  }
  if (block_.threads() % 128 != 0) {
    report("wgmma" + in_line(first.line) + ": the block is not made of whole warpgroups");
  }
  block_.clocks.turn_on();
  Sums& s = sums_for(w, lanes, first.a != nullptr);
  ++s.pending;
  s.line = first.line;
  w.issued.push_back((first.b_matrix * 31 + first.a_matrix) * 1024 + static_cast<uint64_t>(first.line));
  p.clock = block_.clocks.clock(block_.clocks.products_of(block_.thread() / 32));
  note_operands(p);
  block_.statistics.wgmma += 1;
  w.open.push_back(p);
}

// What the product reads, from now until its wait.
void Products::note_operands(const Product& p) {
  const int warp = block_.thread() / 32;
  bool outside = false;
  const auto note = [&](uint32_t address, int, int) {
    const char* const bytes = block_.at_shared_address(address);
    if (!block_.in_arrays(bytes, 16)) {
      outside = true;
    } else {
      block_.note_by_engine(bytes, 16, AccessKind::read, block_.clocks.products_of(warp), p.what.line);
    }
  };
  if (p.what.a == nullptr) {
    for_units(p.what.a_matrix, p.what.type, p.what.a_transposed, 16 * (warp % 4), 16, note);
  }
  for_units(p.what.b_matrix, p.what.type, p.what.b_transposed, 0, p.what.n, note);
  if (outside) report("wgmma" + in_line(p.what.line) + ": an operand is not in an array in shared memory");
}

void Products::commit() {
  Warp& w = warp();
  w.groups.push_back(std::move(w.open));
  w.open.clear();
  block_.clocks.turn_on();
  block_.clocks.tick(block_.clocks.products_of(block_.thread() / 32));
}

void Products::wait(int groups_left) {
  Warp& w = warp();
  while (static_cast<int>(w.groups.size()) > groups_left) {
    land(w, w.groups.front());
    w.groups.pop_front();
  }
  w.fenced = false;
}

void Products::land(Warp& w, const std::vector<Product>& group) {
  const int warp = block_.thread() / 32;
  for (const Product& p : group) {
    Sums& s = w.sums.at(p.what.d);
    multiply(p, s.values);
    for (int l = 0; l < 32; ++l)
      block_.clocks.acquire(warp * 32 + l, block_.clocks.products_of(warp), p.clock);
    if (--s.pending > 0) continue;
    const size_t count = s.values.size() / 32;
    bool touched = false;
    for (size_t i = 0; i < s.values.size(); ++i) {
      float& d = s.d[i / count][i % count];
      touched |= std::memcmp(&d, &kPoison, 4) != 0;
      d = s.values[i];
    }
    if (touched) report("wgmma" + in_line(s.line) + ": the accumulators were written before the wait");
    w.left[p.what.d] = std::move(s.values);
    w.sums.erase(p.what.d);
  }
}

// The warp's 16 rows.
void Products::multiply(const Product& p, std::vector<float>& values) {
  const int warp = block_.thread() / 32, n = p.what.n, depth = p.what.type == Operands::tf32 ? 8 : 16;
  float a[16][16] = {};  // [k][row]
  std::vector<float> b(static_cast<size_t>(16 * n)), row(static_cast<size_t>(n));
  if (p.what.a == nullptr) {
    read_matrix(block_, p.what.a_matrix, p.what.type, p.what.a_transposed, 16 * (warp % 4), 16, a[0], 16);
  } else {
    for (int l = 0; l < 32; ++l) {
      for (int r = 0; r < 4; ++r) {
        const int g = l / 4 + 8 * (r % 2), t = l % 4;
        if (p.what.type == Operands::tf32) {
          a[t + 4 * (r / 2)][g] = from_tf32(p.a[l][r]);
        } else {
          a[2 * t + 8 * (r / 2)][g] = value_of(p.what.type, p.a[l][r] & 0xffff);
          a[2 * t + 8 * (r / 2) + 1][g] = value_of(p.what.type, p.a[l][r] >> 16);
        }
      }
    }
  }
  read_matrix(block_, p.what.b_matrix, p.what.type, p.what.b_transposed, 0, n, b.data(), n);
  for (int r = 0; r < 16; ++r) {
    // Row r lies with lanes 4 (r % 8) to 4 (r % 8) + 3: columns 8j + 2t, 8j + 2t + 1 at 4j + 2 (r / 8).
    const auto at = [&](int column) -> float& {
      const int lane = r % 8 * 4 + column % 8 / 2;
      return values[static_cast<size_t>(lane * (n / 2) + column / 8 * 4 + r / 8 * 2 + column % 2)];
    };
    for (int c = 0; c < n; ++c) row[static_cast<size_t>(c)] = at(c);
    for (int k = 0; k < depth; ++k) {
      const float x = a[k][r];
      const float* const bk = b.data() + k * n;
      for (int c = 0; c < n; ++c) row[static_cast<size_t>(c)] += x * bk[c];
    }
    for (int c = 0; c < n; ++c) at(c) = row[static_cast<size_t>(c)];
  }
}

}  // namespace sr::emulation
