#include "bench/cuda/cudnn_graph.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "bench/cuda/cudnn_descriptor.h"
#include "tensor/cuda/error.h"
#include "tensor/error.h"

namespace sr::bench {
namespace {

using cuda::ConvOp;

// Names of tensors in a graph.
enum TensorId : int64_t { kX = 1, kW, kY, kBias, kAdded, kRaw, kBetween };

constexpr int64_t kAlignment = 16;
constexpr int64_t kMostConfigs = 128;  // of one mode of the heuristics

// Given as NCHW, stored as NHWC without gaps; weights likewise, with o for n.
CudnnDescriptor tensor(int64_t id, cudnnDataType_t type, int64_t n, int64_t c, int64_t h, int64_t w,
                       bool is_virtual = false) {
  CudnnDescriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  t.set_integers(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
  t.set_integers(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  t.set_integers(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  t.set_integers(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {kAlignment});
  t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual);
  t.finalize();
  return t;
}

CudnnDescriptor convolution(const CudnnProblem& p) {
  CudnnDescriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set_integers(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  c.set_integers(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  c.set_integers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {p.stride, p.stride});
  c.set_integers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {p.pad, p.pad});
  c.set_integers(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {p.pad, p.pad});
  c.finalize();
  return c;
}

// What is a convolution's, by operation: descriptor, x, w, y, convolution, alpha, beta.
using ConvNames =
    std::tuple<cudnnBackendDescriptorType_t, cudnnBackendAttributeName_t, cudnnBackendAttributeName_t,
               cudnnBackendAttributeName_t, cudnnBackendAttributeName_t, cudnnBackendAttributeName_t,
               cudnnBackendAttributeName_t>;

ConvNames names_of(ConvOp op) {
  if (op == ConvOp::conv2d)
    return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  if (op == ConvOp::grad_input)
    return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

CudnnDescriptor pointwise(cudnnPointwiseMode_t mode, double slope, const CudnnDescriptor& x,
                          const CudnnDescriptor* b, const CudnnDescriptor& y) {
  CudnnDescriptor what(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  what.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  what.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  if (mode == CUDNN_POINTWISE_RELU_FWD)
    what.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, CUDNN_TYPE_DOUBLE, slope);
  what.finalize();
  CudnnDescriptor op(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  op.set_descriptors(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, {what});
  op.set_descriptors(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, {x});
  if (b) op.set_descriptors(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, {*b});
  op.set_descriptors(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, {y});
  op.finalize();
  return op;
}

// The operations of a part of a problem, with the pointers that its tensors stand for.
struct Graph {
  CudnnDescriptor graph{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
  std::vector<int64_t> ids;
  std::vector<void*> pointers;

  Graph(const CudnnProblem& p, const CudnnOperands& operands, GraphPart part, cudnnHandle_t handle)
      : problem_(p), operands_(operands) {
    const CudnnDescriptor raw = part == GraphPart::all && p.has_epilogue() ? between()
                                : p.has_epilogue()                         ? bound(kRaw, operands.raw, p.type)
                                                                           : result();
    if (part != GraphPart::epilogue) add_convolution(raw);
    if (part != GraphPart::convolution && p.has_epilogue()) add_epilogue(raw);
    graph.set_descriptors(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations_);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
    graph.finalize();
  }

 private:
  CudnnDescriptor shaped(int64_t id, cudnnDataType_t type, bool is_virtual) const {
    const CudnnProblem& p = problem_;
    if (id == kW || (id >= kRaw && p.op == ConvOp::grad_weight))
      return tensor(id, type, p.o, p.c / p.groups, p.kh, p.kw);
    if (id == kBias) return tensor(id, type, 1, p.result_channels(), 1, 1);
    const bool image = id == kX || (id != kY && p.op == ConvOp::grad_input);
    return image ? tensor(id, type, p.n, p.c, p.h, p.w, is_virtual)
                 : tensor(id, type, p.n, p.o, p.oh, p.ow, is_virtual);
  }
  CudnnDescriptor bound(int64_t id, const void* pointer, cudnnDataType_t type) {
    ids.push_back(id);
    pointers.push_back(const_cast<void*>(pointer));
    return shaped(id, type, false);
  }
  CudnnDescriptor between() { return shaped(kBetween + between_++, CUDNN_DATA_FLOAT, true); }
  CudnnDescriptor result() {
    const int64_t id = problem_.op == ConvOp::conv2d ? kY : problem_.op == ConvOp::grad_input ? kX : kW;
    return bound(id, operands_.result(problem_.op), problem_.type);
  }

  void add_convolution(const CudnnDescriptor& written) {
    const auto [kind, x, w, y, conv, alpha, beta] = names_of(problem_.op);
    const auto operand = [&](ConvOp writes, int64_t id, const void* pointer) {
      return problem_.op == writes ? written : bound(id, pointer, problem_.type);
    };
    CudnnDescriptor op(kind);
    op.set_descriptors(x, {operand(ConvOp::grad_input, kX, operands_.x)});
    op.set_descriptors(w, {operand(ConvOp::grad_weight, kW, operands_.w)});
    op.set_descriptors(y, {operand(ConvOp::conv2d, kY, operands_.y)});
    op.set_descriptors(conv, {convolution(problem_)});
    op.set(alpha, CUDNN_TYPE_FLOAT, 1.0f);
    op.set(beta, CUDNN_TYPE_FLOAT, 0.0f);
    op.finalize();
    operations_.push_back(op);
  }

  void add_epilogue(CudnnDescriptor from) {
    const bool leaky = problem_.leak != 1;
    int left = problem_.bias + leaky + problem_.added;
    const auto step = [&](cudnnPointwiseMode_t mode, const CudnnDescriptor* b) {
      const CudnnDescriptor to = --left == 0 ? result() : between();
      operations_.push_back(pointwise(mode, double{problem_.leak}, from, b, to));
      from = to;
    };
    if (problem_.bias) {
      const CudnnDescriptor bias = bound(kBias, operands_.bias, problem_.type);
      step(CUDNN_POINTWISE_ADD, &bias);
    }
    if (leaky) step(CUDNN_POINTWISE_RELU_FWD, nullptr);
    if (problem_.added) {
      const CudnnDescriptor added = bound(kAdded, operands_.added, problem_.type);
      step(CUDNN_POINTWISE_ADD, &added);
    }
  }

  CudnnProblem problem_;
  CudnnOperands operands_;
  std::vector<CudnnDescriptor> operations_;
  int64_t between_ = 0;
};

struct Config {
  CudnnDescriptor config;
  std::string name;  // engine and knobs: the same for the same code
};

CudnnDescriptor engine_of(const CudnnDescriptor& config) {
  return config.descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1).at(0);
}

std::string name_of(const CudnnDescriptor& config) {
  std::string name = "engine " + std::to_string(engine_of(config).value<int64_t>(
                                     CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64));
  for (const CudnnDescriptor& knob : config.descriptors(
           CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    const auto type =
        knob.value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    const auto value = knob.value<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64);
    name += ' ' + std::to_string(static_cast<int>(type)) + ':' + std::to_string(value);
  }
  return name;
}

bool wanted(const CudnnDescriptor& config, bool tensor_cores) {
  for (const auto note : engine_of(config).values<cudnnBackendNumericalNote_t>(
           CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT)) {
    if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
    if (!tensor_cores &&
        (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS))
      return false;
  }
  return true;
}

// All configurations, the likeliest first. The same for every handle, so that threads can share them out by
// number.
std::vector<Config> configs_of(const CudnnDescriptor& graph, bool tensor_cores) {
  std::vector<Config> result;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK, CUDNN_HEUR_MODE_B}) {
    CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set_descriptors(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, {graph});
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (cudnnBackendFinalize(heuristics.get()) != CUDNN_STATUS_SUCCESS) continue;  // no engine in this mode
    for (const CudnnDescriptor& config : heuristics.descriptors(
             CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostConfigs)) {
      const std::string name = name_of(config);
      const bool known =
          std::any_of(result.begin(), result.end(), [&](const Config& c) { return c.name == name; });
      if (!known && wanted(config, tensor_cores)) result.push_back({config, name});
    }
  }
  return result;
}

CudnnCandidate plan_for(const Graph& graph, const Config& config, cudnnHandle_t handle) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
  plan.set_descriptors(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, {config.config});
  plan.finalize();
  const auto bytes = plan.value<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
  const auto packs = std::make_shared<std::map<void*, CudnnDescriptor>>();
  const auto run = [=](void* workspace) {
    auto pack = packs->find(workspace);
    if (pack == packs->end()) {
      CudnnDescriptor made(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
      const auto n = static_cast<int64_t>(graph.ids.size());
      made.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, graph.ids.data());
      made.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, graph.pointers.data());
      made.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
      made.finalize();
      pack = packs->emplace(workspace, made).first;
    }
    check(cudnnBackendExecute(handle, plan.get(), pack->second.get()), "running a plan");
  };
  return {"graph " + config.name, bytes, run};
}

// Builds the plans of one graph, several threads at a time.
class PlanBuilder {
 public:
  PlanBuilder(const CudnnProblem& problem, const CudnnOperands& operands, GraphPart part, double seconds)
      : problem_(problem),
        operands_(operands),
        part_(part),
        end_(Clock::now() + std::chrono::duration<double>(seconds)) {}

  /// Configurations first, first + step, ... until the time is up; the first of them in any case.
  void build(cudnnHandle_t handle, size_t first, size_t step) {
    try {
      const Graph graph(problem_, operands_, part_, handle);
      // Nothing is multiplied in an epilogue, but its engines bear the note of those that use tensor cores.
      const bool tensor_cores = problem_.tensor_cores || part_ == GraphPart::epilogue;
      const std::vector<Config> configs = configs_of(graph.graph, tensor_cores);
      for (size_t i = first; i < configs.size() && (i == first || Clock::now() < end_); i += step)
        try_config(graph, configs[i], handle, i);
    } catch (const Error&) {
      // No engine takes this graph.
    }
  }
  /// In the order of the configurations.
  std::vector<CudnnCandidate> take() {
    std::vector<CudnnCandidate> result;
    for (auto& [number, candidate] : found_) result.push_back(std::move(candidate));
    return result;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void try_config(const Graph& graph, const Config& config, cudnnHandle_t handle, size_t number) {
    try {
      CudnnCandidate candidate = plan_for(graph, config, handle);
      const std::lock_guard lock(mutex_);
      found_.emplace(number, std::move(candidate));
    } catch (const Error&) {
      // The heuristics name engines that then cannot be built: no candidate.
    }
  }

  CudnnProblem problem_;
  CudnnOperands operands_;
  GraphPart part_;
  std::chrono::time_point<Clock, std::chrono::duration<double>> end_;
  std::mutex mutex_;
  std::map<size_t, CudnnCandidate> found_;
};

}  // namespace

std::vector<CudnnCandidate> graph_candidates(const CudnnProblem& problem, const CudnnOperands& operands,
                                             GraphPart part, const std::vector<cudnnHandle_t>& handles,
                                             double seconds) {
  int device = 0;
  gpu::check(cudaGetDevice(&device), "the device");
  PlanBuilder builder(problem, operands, part, seconds);
  std::vector<std::thread> team;
  for (size_t t = 1; t < handles.size(); ++t)
    team.emplace_back([&, t] {
      cudaSetDevice(device);
      builder.build(handles[t], t, handles.size());
    });
  builder.build(handles[0], 0, handles.size());
  for (std::thread& thread : team) thread.join();
  return builder.take();
}

}  // namespace sr::bench
