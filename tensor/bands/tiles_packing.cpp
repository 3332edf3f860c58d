#include "tensor/bands/tiles_packing.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/bands/first_layer.h"
#include "tensor/conv2d/conv2d.h"

namespace sr::bands {
namespace {

using tiles::Convolution;
using tiles::kDepth;
using tiles::kOutputs;
using tiles::Layer;

// To nearest, ties to even; weights are finite.
uint16_t to_bf16(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// The memory of a Convolution.
struct PackedConvolution {
  Convolution view;
  std::vector<int32_t> offset;
  std::vector<float> bias;
  std::vector<uint16_t> weights;
  std::shared_ptr<void>
      aligned;  // the weights once more: rows of a tile that cross a cache line take three times as long

  const Convolution& finished() {
    view.offset = offset.data(), view.bias = bias.data();
    aligned = allocate_cpu(static_cast<int64_t>(weights.size()) * 2);
    view.weights =
        std::copy(weights.begin(), weights.end(), static_cast<uint16_t*>(aligned.get())) - weights.size();
    weights = {};
    return view;
  }
};

/// Memory and view of a stage; the view comes first, so that a pointer to it is one to this.
struct PackedLayer {
  Layer view;
  PackedConvolution convolution, pointwise;
  std::vector<tiles::Piece> pieces;
  std::vector<int32_t> first_piece;
};

/// Weights by where they lie: of output o at tap (u, v) for channel c.
struct Taps {
  int64_t kernel, inputs, outputs;
  int64_t before;  // columns left of the output's pixel
  const float* data;
  int64_t groups;
  int64_t row_outputs;  // that lie side by side in a row of the result; of others than an upsampling all

  // `column` and `channel` of the whole input.
  float at(int64_t o, int64_t u, int64_t v, int64_t channel) const {
    const int64_t cg = inputs / groups, of_group = o / (outputs / groups);
    const int64_t c = channel - of_group * cg;
    if (o >= outputs || v < 0 || v >= kernel || c < 0 || c >= cg) return 0;
    return data[((o * kernel + u) * kernel + v) * cg + c];
  }
};

/// A run of elements of one input row that a tile's outputs need: from element `begin` to `end` of the pixels
/// from the kernel's first column on.
struct Run {
  int64_t begin, end;
};

int64_t steps_of(const std::vector<Run>& runs) {
  int64_t steps = 0;
  for (const Run& run : runs) steps += (run.end - run.begin + kDepth - 1) / kDepth;
  return steps;
}

// The channels that a tile's outputs read, in one run for each column, or in one for all if that takes fewer
// steps. Each pixel of a group must have its terms in the same steps, for which of them a pixel is depends on
// where its window begins.
std::vector<Run> runs_of(const Taps& t, int64_t tile, int64_t group) {
  const int64_t columns = t.kernel + group - 1;
  const Run whole{0, columns * t.inputs};
  if (t.groups == 1 && (group == 1 || t.inputs % kDepth == 0)) return {whole};
  std::vector<Run> runs;
  if (t.groups == 1) {
    for (int64_t v = 0; v < columns; ++v) runs.push_back({v * t.inputs, (v + 1) * t.inputs});
    return runs;
  }
  const int64_t cg = t.inputs / t.groups, og = t.outputs / t.groups;
  const int64_t first = tile * kOutputs / og, last = std::min((tile + 1) * kOutputs - 1, t.outputs - 1) / og;
  const int64_t begin = first * cg, end = (last + 1) * cg;
  for (int64_t v = 0; v < columns; ++v) runs.push_back({v * t.inputs + begin, v * t.inputs + end});
  return steps_of(runs) < steps_of({whole}) ? runs : std::vector<Run>{whole};
}

// Which output of which pixel of a group is output o of it: row by row of the result, so that those which lie
// side by side there do so here.
struct OfGroup {
  int64_t pixel, output;
};
OfGroup of_group(const Taps& t, int64_t group, int64_t o) {
  const int64_t of_row = o % (group * t.row_outputs), row = o / (group * t.row_outputs);
  return {of_row / t.row_outputs, row * t.row_outputs + of_row % t.row_outputs};
}

float weight_at(const Taps& t, int64_t group, int64_t o, int64_t u, int64_t element) {
  if (o >= group * t.outputs) return 0;
  const auto [pixel, output] = of_group(t, group, o);
  return t.at(output, u, element / t.inputs - pixel, element % t.inputs);
}

void pack_tap(PackedConvolution& p, const Taps& t, int64_t tile, int64_t group, int64_t u, int64_t begin,
              int64_t end) {
  for (int64_t pair = 0; pair < kDepth / 2; ++pair)
    for (int64_t o = 0; o < kOutputs; ++o)
      for (int64_t i = 0; i < 2; ++i) {
        const int64_t element = begin + 2 * pair + i;
        p.weights.push_back(element < end ? to_bf16(weight_at(t, group, tile * kOutputs + o, u, element))
                                          : uint16_t{0});
      }
}

void pack_tile(PackedConvolution& p, const Taps& t, int64_t tile, int64_t group) {
  for (const Run& run : runs_of(t, tile, group))
    for (int64_t begin = run.begin; begin < run.end; begin += kDepth) {
      p.offset.push_back(static_cast<int32_t>(begin - t.before * t.inputs));
      for (int64_t u = 0; u < t.kernel; ++u) pack_tap(p, t, tile, group, u, begin, run.end);
    }
}

const Convolution& pack(PackedConvolution& p, const Taps& t, const Tensor& bias, float leak,
                        int64_t group = 1) {
  Convolution& view = p.view;
  view.inputs = view.pitch = t.inputs, view.outputs = t.outputs * group, view.group = group, view.leak = leak;
  view.rows = t.kernel;
  view.tiles = (view.outputs + kOutputs - 1) / kOutputs;
  for (int64_t tile = 0; tile < view.tiles; ++tile)
    view.steps = std::max(view.steps, steps_of(runs_of(t, tile, group)));
  for (int64_t tile = 0; tile < view.tiles; ++tile) {
    pack_tile(p, t, tile, group);
    const auto all =
        static_cast<size_t>((tile + 1) * view.steps);  // steps of zeros where another tile has more
    p.offset.resize(all), p.weights.resize(all * static_cast<size_t>(t.kernel * kDepth * kOutputs));
  }
  p.bias.assign(static_cast<size_t>(view.tiles * kOutputs), 0.0f);
  if (bias)
    for (int64_t o = 0; o < view.outputs; ++o)
      p.bias[static_cast<size_t>(o)] = bias.data()[o % bias.shape().c];
  return p.finished();
}

// Where the outputs of each tile go, of a group of pixels in the result.
void find_pieces(PackedLayer& p, const Taps& t, int64_t group) {
  const Convolution& c = p.view.convolution;
  const int64_t row_floats = group * t.row_outputs;
  for (int64_t tile = 0; tile < c.tiles; ++tile) {
    p.first_piece.push_back(static_cast<int32_t>(p.pieces.size()));
    const int64_t end = std::min((tile + 1) * kOutputs, c.outputs);
    for (int64_t o = tile * kOutputs; o < end;) {
      const int64_t next = std::min((o / row_floats + 1) * row_floats, end);
      p.pieces.push_back({static_cast<int32_t>(o % kOutputs), static_cast<int32_t>(next - o),
                          static_cast<int32_t>(o / row_floats), static_cast<int32_t>(o % row_floats)});
      o = next;
    }
  }
  p.first_piece.push_back(static_cast<int32_t>(p.pieces.size()));
  p.view.pieces = p.pieces.data(), p.view.first_piece = p.first_piece.data();
}

// Pixels that a row of a tile reads to the right of the last one that its first pixel needs.
int64_t beyond(const Convolution& c, int64_t after) {
  const int32_t last = *std::max_element(c.offset, c.offset + c.tiles * c.steps);
  return std::max<int64_t>(0, (last + kDepth + c.inputs - 1) / c.inputs - 1 - after);
}

// The transposed convolution as one to stride^2 values for each coarse pixel, of as many pixels together as
// fill a tile: their inputs overlap, so each takes fewer products.
PackedStage pack_upsampling(const Stage& stage, const tiles::Functions& functions) {
  const auto p = std::make_shared<PackedLayer>();
  const int64_t channels = stage.weight.shape().c, values = stage.stride * stage.stride * channels;
  const Tensor taps = subpixel_weights(stage.weight, stage.stride, stage.crop);
  const Taps t{taps.shape().h, taps.shape().c, values, stage.before, taps.data(), 1, stage.stride * channels};
  const int64_t group = values * 4 <= kOutputs ? 4 : values * 2 <= kOutputs ? 2 : 1;
  p->view.convolution = pack(p->convolution, t, stage.bias, 1, group);
  p->view.stride = stage.stride, p->view.result_channels = channels;
  find_pieces(*p, t, group);
  PackedStage packed;
  packed.run = functions.upsampling;
  packed.beyond = beyond(p->view.convolution, stage.after);
  packed.scratch_bytes = tiles::kSumBytes;
  packed.weights = std::shared_ptr<const void>(p, &p->view);
  return packed;
}

}  // namespace

PackedStage pack_tiles(const Stage& stage, bool first, const tiles::Functions& functions) {
  check_channels(stage);
  if (first) return pack_first(stage, functions.first, tiles::kColumns);
  if (stage.kind == Stage::Kind::upsampling) return pack_upsampling(stage, functions);
  const auto p = std::make_shared<PackedLayer>();
  const Shape& w = stage.weight.shape();
  p->view.convolution =
      pack(p->convolution, {w.h, stage.from.channels, w.n, w.h / 2, stage.weight.data(), stage.groups, w.n},
           stage.bias, stage.leak);
  p->view.convolution.activation = stage.activation;
  p->view.joins = stage.joins;
  p->view.split = stage.to[0].channels;
  PackedStage packed;
  packed.run = functions.layer;
  packed.beyond = beyond(p->view.convolution, stage.after);
  packed.scratch_bytes = tiles::kSumBytes;
  if (stage.pointwise_weight) {
    const Shape& pw = stage.pointwise_weight.shape();
    p->view.pointwise = pack(p->pointwise, {1, pw.c, pw.n, 0, stage.pointwise_weight.data(), 1, pw.n},
                             stage.pointwise_bias, stage.pointwise_leak);
    const int64_t pitch = (pw.c + kDepth - 1) / kDepth * kDepth;
    p->view.pointwise.pitch = pitch;
    packed.scratch_bytes += tiles::kBlockRows * tiles::kPixelsBetween * pitch * 2;
  }
  packed.weights = std::shared_ptr<const void>(p, &p->view);
  return packed;
}

}  // namespace sr::bands
