#include "tests/cuda_emulation/tensor_core.h"

#include <cstring>

#include "tests/cuda_emulation/block.h"

namespace sr::emulation {

namespace {

using Row = float __attribute__((vector_size(32)));  // eight columns; a vector type, for -O2 to vectorise

constexpr int kTiles = 16;  // of B that are unpacked at a time

template <Operands Type>
float from_bits(uint32_t bits) {
  return Type == Operands::bf16 ? from_bf16(bits) : from_f16(bits);
}

const MultiplyTiles& given_by(void** lanes, int lane) {
  return *static_cast<MultiplyTiles*>(lanes[lane]);
}

// Rows g and g + 8 of tile (i, n) of D, which lanes 4g to 4g+3 hold: += rows a0, a1 of A times B.
void multiply_rows(void** lanes, int g, int tile, const float* a0, const float* a1, const Row* b, int depth) {
  Row d0, d1;
  for (int t = 0; t < 4; ++t) {
    const float* const d = given_by(lanes, 4 * g + t).d[tile];
    d0[2 * t] = d[0];
    d0[2 * t + 1] = d[1];
    d1[2 * t] = d[2];
    d1[2 * t + 1] = d[3];
  }
  for (int k = 0; k < depth; ++k) {
    d0 += a0[k] * b[k];
    d1 += a1[k] * b[k];
  }
  for (int t = 0; t < 4; ++t) {
    float* const d = given_by(lanes, 4 * g + t).d[tile];
    d[0] = d0[2 * t];
    d[1] = d0[2 * t + 1];
    d[2] = d1[2 * t];
    d[3] = d1[2 * t + 1];
  }
}

// Rows g and g + 8 of tile i of A.
template <Operands Type>
void unpack_rows(void** lanes, int g, int i, float (&rows)[2][16]) {
  for (int t = 0; t < 4; ++t) {
    const uint32_t* const a = given_by(lanes, 4 * g + t).a[i];
    for (int r = 0; r < 4; ++r) {
      rows[r % 2][2 * t + 8 * (r / 2)] = from_bits<Type>(a[r] & 0xffff);
      rows[r % 2][2 * t + 8 * (r / 2) + 1] = from_bits<Type>(a[r] >> 16);
    }
  }
}

template <Operands Type>
void multiply(void** lanes, int mi, int n0, int ni, int nt) {
  Row b[kTiles][16];
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    for (int n = 0; n < ni; ++n) {
      for (int r = 0; r < 2; ++r) {
        const uint32_t bits = given_by(lanes, l).b[n0 + n][r];
        b[n][2 * t + 8 * r][g] = from_bits<Type>(bits & 0xffff);
        b[n][2 * t + 8 * r + 1][g] = from_bits<Type>(bits >> 16);
      }
    }
  }
  for (int i = 0; i < mi; ++i) {
    for (int g = 0; g < 8; ++g) {
      float rows[2][16];
      unpack_rows<Type>(lanes, g, i, rows);
      for (int n = 0; n < ni; ++n) multiply_rows(lanes, g, i * nt + n0 + n, rows[0], rows[1], b[n], 16);
    }
  }
}

void count_products(int tiles) {
  Block::current()->statistics.mma += static_cast<uint64_t>(tiles);
}

}  // namespace

void load_matrices(void** lanes, bool transpose) {
  uint16_t matrices[4][8][8];
  Statistics& statistics = Block::current()->statistics;
  ++statistics.ldmatrix;
  for (int l = 0; l < 32; ++l) {
    const LoadMatrix& given = *static_cast<LoadMatrix*>(lanes[l]);
    const void* const row = given.row;
    if (reinterpret_cast<uintptr_t>(row) % 16 != 0) report("ldmatrix: a row's address is no multiple of 16");
    note_access(row, 16, AccessKind::read, l, given.line);
    std::memcpy(matrices[l / 8][l % 8], row, 16);
  }
  for (int j = 0; j < 4; ++j) {
    uint32_t banks = 0;  // a bit for each 16 bytes of the 128 that the banks give at a time
    for (int i = 0; i < 8; ++i) {
      const auto address = reinterpret_cast<uintptr_t>(static_cast<LoadMatrix*>(lanes[8 * j + i])->row);
      const uint32_t bank = 1u << (address / 16 % 8);
      if ((banks & bank) != 0) ++statistics.ldmatrix_conflicts;
      banks |= bank;
    }
  }
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    for (int j = 0; j < 4; ++j) {
      const auto& m = matrices[j];
      const uint32_t lo = transpose ? m[2 * t][g] : m[g][2 * t];
      const uint32_t hi = transpose ? m[2 * t + 1][g] : m[g][2 * t + 1];
      static_cast<LoadMatrix*>(lanes[l])->registers[j] = lo | hi << 16;
    }
  }
}

void multiply_16_bit(void** lanes, Operands type, int mi, int ni, int nt) {
  for (int n = 0; n < ni; n += kTiles) {
    const int count = std::min(kTiles, ni - n);
    if (type == Operands::bf16) {
      multiply<Operands::bf16>(lanes, mi, n, count, nt);
    } else {
      multiply<Operands::f16>(lanes, mi, n, count, nt);
    }
  }
  count_products(mi * ni);
}

void multiply_tf32_tiles(void** lanes, int mi, int ni, int nt) {
  for (int n = 0; n < ni; ++n) {
    Row b[8];
    for (int l = 0; l < 32; ++l) {
      for (int r = 0; r < 2; ++r) b[l % 4 + 4 * r][l / 4] = from_tf32(given_by(lanes, l).b[n][r]);
    }
    for (int i = 0; i < mi; ++i) {
      for (int g = 0; g < 8; ++g) {
        float rows[2][8];
        for (int t = 0; t < 4; ++t) {
          for (int r = 0; r < 4; ++r) {
            rows[r % 2][t + 4 * (r / 2)] = from_tf32(given_by(lanes, 4 * g + t).a[i][r]);
          }
        }
        multiply_rows(lanes, g, i * nt + n, rows[0], rows[1], b, 8);
      }
    }
  }
  count_products(mi * ni);
}

}  // namespace sr::emulation
