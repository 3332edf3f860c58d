// A descriptor of cuDNN's backend API.
#pragma once

#include <cudnn.h>

#include <initializer_list>
#include <memory>
#include <vector>

#include "bench/cuda/cudnn_problem.h"

namespace sr::bench {

/// Copies share the descriptor. Attributes are set, then finalize() fixes it. Errors of all: device.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t created = nullptr;
    check(cudnnBackendCreateDescriptor(type, &created), "a descriptor");
    descriptor_ = {created, [](void* d) { cudnnBackendDestroyDescriptor(d); }};
  }
  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* values) {
    check(cudnnBackendSetAttribute(get(), name, type, count, values), "an attribute");
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, 1, &value);
  }
  void set_integers(cudnnBackendAttributeName_t name, std::initializer_list<int64_t> values) {
    set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.begin());
  }
  void set_descriptors(cudnnBackendAttributeName_t name, const std::vector<CudnnDescriptor>& values) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const CudnnDescriptor& v : values) raw.push_back(v.get());
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()), raw.data());
  }
  void finalize() { check(cudnnBackendFinalize(get()), "a graph, engine or plan"); }

  /// At most `most` of them. (The number that cuDNN gives when asked for it is 0 for some attributes.)
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                        int64_t most) const {
    std::vector<T> result(static_cast<size_t>(most));
    int64_t n = 0;
    check(cudnnBackendGetAttribute(get(), name, type, most, &n, result.data()), "an attribute's values");
    result.resize(static_cast<size_t>(n));
    return result;
  }
  template <class T>
  T value(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T result{};
    int64_t n = 0;
    check(cudnnBackendGetAttribute(get(), name, type, 1, &n, &result), "an attribute's value");
    return result;
  }
  /// Descriptors of `kind` that this one refers to, at most `most`.
  std::vector<CudnnDescriptor> descriptors(cudnnBackendAttributeName_t name,
                                           cudnnBackendDescriptorType_t kind, int64_t most) const {
    std::vector<CudnnDescriptor> result;
    std::vector<cudnnBackendDescriptor_t> raw;
    int64_t n = most;
    for (int64_t i = 0; i < n; ++i) {
      result.emplace_back(kind);
      raw.push_back(result.back().get());
    }
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &n, raw.data()),
          "descriptors");
    result.erase(result.begin() + n, result.end());
    return result;
  }

 private:
  std::shared_ptr<void> descriptor_;
};

}  // namespace sr::bench
