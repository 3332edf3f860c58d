#include "idn/network.h"

#include <utility>

#include "autograd/functions.h"
#include "tensor/error.h"

namespace sr {
namespace {

void check_range(const char* name, int value, int low, int high) {
  if (value < low || value > high)
    throw Error(Error::Kind::usage, "network: ", name, " is ", value, "; want ", low, " to ", high);
}

void check(const SpanOptions& options) {
  check_range("channels", options.channels, 16, 512);
  check_range("blocks", options.blocks, 1, 64);
  check_range("joined", options.joined, 0, 1024);
  for (const auto& [name, count] : {std::pair("channels", options.channels), {"joined", options.joined}})
    if (count % 16 != 0)
      throw Error(Error::Kind::usage, "network: ", name, " is ", count, "; want a multiple of 16");
}

std::variant<Idn, Span> made(const ParamScope& p, const NetworkOptions& options) {
  check(options);
  if (options.span) return Span(p, options);
  return Idn(p, options);
}

}  // namespace

const char* name_of(Base base) {
  return base == Base::bicubic ? "bicubic" : "none";
}

void check(const NetworkOptions& options) {
  check_range("upsampling_factor", options.factor, 2, 4);
  check_range("nchan", options.nchan, 1, 1024);
  if (options.span) return check(*options.span);
  check_range("num_FB_layers", options.num_FB_layers, 1, 64);
  check_range("num_Dist_blocks", options.num_Dist_blocks, 0, 64);
  check_range("crop", options.crop_begin, 0, kUpsampleKernel - options.factor);
}

Network::Network(const ParamScope& p, const NetworkOptions& options)
    : options_(options), network_(made(p, options)) {}

// A result of many channels is no image to a GPU's layers, which store it as what lies between them.
Var Network::operator()(const Var& image) const {
  return in_float32(std::visit([&](const auto& network) { return network(image); }, network_));
}

bands::Program Network::program() const {
  return std::visit([](const auto& network) { return network.program(); }, network_);
}

Reach Network::reach() const {
  return std::visit([](const auto& network) { return network.reach(); }, network_);
}

int64_t Network::recorded_channels() const {
  return std::visit([](const auto& network) { return network.recorded_channels(); }, network_);
}

}  // namespace sr
