// The gradient for a convolution's weights, compiled once for each instruction set like direct_simd.cpp.
//
//   dw[o,u,v,c] = sum over pixels of dy[pixel,o] * x[pixel*stride + (u,v) - pad, c]
//
// is a sum of outer products. One of the two sides is read as vectors of channels, the other value by value;
// the sums of Q values x T vectors stay in registers while some rows of pixels, which the first-level cache
// holds, are walked once for every tap row and every Q x T. For a kernel of several columns the T vectors are
// the same channels under neighbouring taps. x is read as vectors if it has many channels, dy if x has few
// (an image). Each element of dw is one thread's; its terms are added in an order that depends on the shapes
// only.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/outer_products.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::ConvDims;

constexpr int64_t kPixelsAtATime = 128;

// One side of the products: floats from one output pixel's data to the next pixel's, row's, image's, tap
// row's.
struct Side {
  const float* first;  // output pixel (0, 0) of the first image, tap row 0
  int64_t pixel, row, image, tap_row;
  Walk<float> at(int64_t n, int64_t i, int64_t u) const {
    return {first + n * image + i * row + u * tap_row, pixel, row};
  }
};

// ---- tasks ----

// Where value q, vector t, lane l, tap row u belong: first[u*tap_row + q*value + t*vector + l*lane].
struct Target {
  float* first;
  int64_t tap_row, value, vector, lane;
};

// What a thread does at a time: up to T vectors with some of the values, under every tap row.
struct Task {
  Side vectors, values;
  int64_t vector_count, vector_step, value_count;
  Target dw;
  int64_t lanes, lanes_step;  // vector t has lanes - lanes_step * t channels left, which may be more than fit
};

void store(const ConvDims& d, const Task& task, const Parts& parts, const float* totals) {
  for (int64_t u = 0; u < d.kh; ++u)
    for (int64_t q = 0; q < task.value_count; ++q)
      for (int64_t t = 0; t < task.vector_count; ++t) {
        const int64_t part = q / parts.size;
        const float* from = totals + ((u * parts.number + part) * parts.size * task.vector_count +
                                      (q - parts.begin(part)) * task.vector_count + t) *
                                         kLanes;
        float* to = task.dw.first + u * task.dw.tap_row + q * task.dw.value + t * task.dw.vector;
        for (int64_t l = 0; l < smaller(kLanes, task.lanes - task.lanes_step * t); ++l)
          to[l * task.dw.lane] = from[l];
      }
}

// Some rows at a time, under every tap row and with all values; these sums are added up row after row.
// `totals` is [kh][part of the values][value][vector][lane].
void run(const ConvDims& d, const Task& task, float* totals) {
  const Parts parts(task.value_count, values_for(static_cast<int>(task.vector_count)));
  const int64_t part_floats = parts.size * task.vector_count * kLanes;
  std::memset(totals, 0, static_cast<size_t>(d.kh * parts.number * part_floats) * sizeof(float));
  const int64_t rows = kPixelsAtATime / d.ow > 1 ? kPixelsAtATime / d.ow : 1;
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t first = 0; first < d.oh; first += rows)
      for (int64_t u = 0; u < d.kh; ++u) {
        const int64_t above = d.pad_h - u;  // row i sees row i*stride - above of x, if there is one
        const int64_t inside = above > 0 ? (above + d.stride - 1) / d.stride : 0;
        const int64_t outside = d.h - 1 + above < 0 ? 0 : (d.h - 1 + above) / d.stride + 1;
        const int64_t begin = inside > first ? inside : first;
        const int64_t end = smaller(smaller(first + rows, d.oh), outside);
        if (begin >= end) continue;
        const Walk<float> vectors = task.vectors.at(n, begin, u);
        Walk<float> values = task.values.at(n, begin, u);
        for (int64_t part = 0; part < parts.number; ++part, values.first += parts.size)
          sum_function<float>(parts.in(part), task.vector_count)(
              vectors, task.vector_step, values, end - begin, d.ow,
              totals + (u * parts.number + part) * part_floats, task.vector_count * kLanes);
      }
  store(d, task, parts, totals);
}

// Values that one task takes: all, unless there would be too few tasks for the threads.
Parts shares(int64_t values, int64_t vectors, int64_t tasks) {
  const int64_t enough = 4 * omp_get_max_threads(), at_once = values_for(static_cast<int>(vectors));
  const int64_t steps = (values + at_once - 1) / at_once;
  const int64_t wanted = smaller(steps, (enough + tasks - 1) / tasks);
  return {values, (steps + wanted - 1) / wanted * at_once};
}

// ---- packing ----

// A tensor's channels in blocks: [group][block][n][row][column][size], columns from -pad on, zeros outside
// and where a group's channels do not fill a block.
class Blocks {
 public:
  struct Image {
    int64_t images, rows, columns, pitch, groups, channels;  // channels of one group
  };

  Blocks(const float* from, const Image& x, int64_t size, int64_t pad, int64_t width)
      : size_(size),
        width_(width),
        per_group_((x.channels + size - 1) / size),
        rows_(x.rows),
        images_(x.images),
        data_(x.groups * per_group_ * plane()) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < x.images * x.rows; ++r)
      for (int64_t b = 0; b < x.groups * per_group_; ++b) {
        const int64_t begin = b % per_group_ * size;
        pack_row(data_.data() + b * plane() + r * row(),
                 from + r * x.columns * x.pitch + b / per_group_ * x.channels + begin, x,
                 smaller(size, x.channels - begin), pad);
      }
  }

  int64_t per_group() const {
    return per_group_;
  }
  int64_t row() const {
    return width_ * size_;
  }
  int64_t image() const {
    return rows_ * row();
  }
  int64_t plane() const {
    return images_ * image();
  }
  const float* block(int64_t group, int64_t block) {
    return data_.data() + (group * per_group_ + block) * plane();
  }

 private:
  void pack_row(float* to, const float* from, const Image& x, int64_t channels, int64_t pad) const {
    const int64_t copied = smaller(x.columns, width_ - pad);
    std::memset(to, 0, static_cast<size_t>(pad * size_) * sizeof(float));
    to += pad * size_;
    for (int64_t j = 0; j < copied; ++j, to += size_, from += x.pitch) {
      if (channels == kLanes) {
        Vector::load(from).store(to);
        continue;
      }
      for (int64_t k = 0; k < size_; ++k) to[k] = k < channels ? from[k] : 0.0f;
    }
    std::memset(to, 0, static_cast<size_t>((width_ - pad - copied) * size_) * sizeof(float));
  }

  int64_t size_, width_, per_group_, rows_, images_;
  Buffer data_;
};

// ---- the two ways ----

// x as vectors: those of neighbouring taps, or for a kernel of one column neighbouring blocks of channels.
void by_inputs(const ConvDims& d, const float* x, const float* dy, float* dw) {
  const int64_t cg = d.c / d.groups, og = d.o / d.groups;
  Blocks blocks(x, {d.n, d.h, d.w, d.x_pitch, d.groups, cg}, kLanes, d.pad_w, (d.ow - 1) * d.stride + d.kw);
  const bool taps = d.kw > 1;
  const Parts vectors(taps ? d.kw : blocks.per_group(), kLargestCount);
  const int64_t lines = d.groups * (taps ? blocks.per_group() : 1);
  const Parts values = shares(og, vectors.size, lines * vectors.number);
  const int64_t total_floats = d.kh * (values.size + 8) * vectors.size * kLanes;
  Buffer totals(total_floats * omp_get_max_threads());
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < lines * vectors.number * values.number; ++i) {
    const int64_t part = i % values.number, vector = vectors.begin(i / values.number % vectors.number);
    const int64_t line = i / (values.number * vectors.number);
    const int64_t group = taps ? line / blocks.per_group() : line;
    const int64_t block = taps ? line % blocks.per_group() : vector, v = taps ? vector : 0;
    const int64_t o = group * og + values.begin(part), k = block * kLanes;
    const Task task{{blocks.block(group, block) - d.pad_h * blocks.row() + v * kLanes, d.stride * kLanes,
                     d.stride * blocks.row(), blocks.image(), blocks.row()},
                    {dy + o, d.y_pitch, d.ow * d.y_pitch, d.oh * d.ow * d.y_pitch, 0},
                    vectors.in(i / values.number % vectors.number),
                    taps ? kLanes : blocks.plane(),
                    values.in(part),
                    {dw + (o * d.kh * d.kw + v) * cg + k, d.kw * cg, d.kh * d.kw * cg, taps ? cg : kLanes, 1},
                    cg - k,
                    taps ? 0 : kLanes};
    run(d, task, totals.data() + total_floats * omp_get_thread_num());
  }
}

// dy as vectors; the values are the kw * cg floats of x that lie side by side under a row of taps.
void by_outputs(const ConvDims& d, const float* x, const float* dy, float* dw) {
  const int64_t cg = d.c / d.groups, og = d.o / d.groups, taps = d.kh * d.kw * cg;
  Blocks inputs(x, {d.n, d.h, d.w, d.x_pitch, d.groups, cg}, cg, d.pad_w, (d.ow - 1) * d.stride + d.kw);
  Blocks outputs(dy, {d.n, d.oh, d.ow, d.y_pitch, d.groups, og}, kLanes, 0, d.ow);
  const Parts vectors(outputs.per_group(), kLargestCount);
  const Parts values = shares(d.kw * cg, vectors.size, d.groups * vectors.number);
  const int64_t total_floats = d.kh * (values.size + 8) * vectors.size * kLanes;
  Buffer totals(total_floats * omp_get_max_threads());
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < d.groups * vectors.number * values.number; ++i) {
    const int64_t part = i % values.number, vector_part = i / values.number % vectors.number;
    const int64_t group = i / (values.number * vectors.number), block = vectors.begin(vector_part);
    const Task task{
        {outputs.block(group, block), kLanes, outputs.row(), outputs.image(), 0},
        {inputs.block(group, 0) - d.pad_h * inputs.row() + values.begin(part), d.stride * cg,
         d.stride * inputs.row(), inputs.image(), inputs.row()},
        vectors.in(vector_part),
        outputs.plane(),
        values.in(part),
        {dw + (group * og + block * kLanes) * taps + values.begin(part), d.kw * cg, 1, kLanes * taps, taps},
        og - block * kLanes,
        kLanes};
    run(d, task, totals.data() + total_floats * omp_get_thread_num());
  }
}

}  // namespace

namespace sr::cpu::SR_SIMD {

void conv2d_grad_weight(const ConvDims& d, const float* x, const float* dy, float* dw) {
  const int64_t cg = d.c / d.groups, og = d.o / d.groups;
  if (round_up(cg, kLanes) * og <= round_up(og, kLanes) * cg)
    by_inputs(d, x, dy, dw);
  else
    by_outputs(d, x, dy, dw);
}

}  // namespace sr::cpu::SR_SIMD
