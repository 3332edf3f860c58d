#include "idn/model.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "io/formats/checkpoint.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tensor/error.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

using nlohmann::json;

constexpr const char* kLumaNames[] = {"bt601_full", "bt601_studio"};
constexpr const char* kNetworkNames[] = {"idn", "span"};
constexpr const char* kActivationNames[] = {"none", "leaky_relu"};
constexpr const char* kBaseNames[] = {"bicubic", "none"};
constexpr size_t kLargestMeanFile = 1 << 20;

template <size_t N>
int index_of(const char* const (&names)[N], const std::string& key, const std::string& name) {
  for (size_t i = 0; i < N; ++i)
    if (name == names[i]) return static_cast<int>(i);
  throw Error(Error::Kind::unsupported, key, " is '", name, "', which this version does not know; it knows ",
              names[0], " and ", names[1]);
}

json to_json(const MeanValues& means) {
  return {{"gt", means.gt}, {"down", means.down}, {"bic_up", means.bic_up}};
}

json to_json(const SpanOptions& o) {
  json j{{"network", "span"}, {"channels", o.channels}, {"blocks", o.blocks}, {"branches", o.branches}};
  if (o.joined > 0) j["joined"] = o.joined;
  return j;
}

MeanValues means_from_json(const json& j, int nchan) {
  MeanValues means;
  for (auto& [key, values] : {std::pair{"gt", &means.gt}, {"down", &means.down}, {"bic_up", &means.bic_up}}) {
    *values = j.at(key).get<std::vector<double>>();
    if (values->size() != static_cast<size_t>(nchan))
      throw Error(Error::Kind::format, "mean values: ", key, " has ", values->size(),
                  " numbers, the network ", nchan, " channels");
  }
  return means;
}

json meta_of(const Model& model) {
  const NetworkOptions& o = model.options();
  json j = o.span ? to_json(*o.span)
                  : json{{"network", "idn"},
                         {"num_FB_layers", o.num_FB_layers},
                         {"num_Dist_blocks", o.num_Dist_blocks},
                         {"compression_activation", kActivationNames[o.compression_activation ? 1 : 0]},
                         {"crop_begin", o.crop_begin}};
  j.update({{"factor", o.factor},
            {"nchan", o.nchan},
            {"luma", kLumaNames[static_cast<int>(model.luma)]},
            {"mean_values", to_json(model.means)},
            {"origin", model.origin}});
  if (!model.ranges.empty()) j["value_range"] = numbers_of(model.ranges);
  if (!model.has_base()) j["base"] = name_of(o.base);
  return j;
}

void read_idn(const json& j, NetworkOptions& o) {
  o.num_FB_layers = j.at("num_FB_layers").get<int>();
  o.num_Dist_blocks = j.at("num_Dist_blocks").get<int>();
  o.crop_begin = j.at("crop_begin").get<int>();
  o.compression_activation = index_of(kActivationNames, "compression_activation",
                                      j.at("compression_activation").get<std::string>()) == 1;
}

Model model_from_meta(const json& j) {
  NetworkOptions o;
  o.factor = j.at("factor").get<int>();
  o.nchan = j.at("nchan").get<int>();
  if (index_of(kNetworkNames, "network", j.at("network").get<std::string>()) == 0)
    read_idn(j, o);
  else
    o.span = {j.at("channels").get<int>(), j.at("blocks").get<int>(), j.at("branches").get<bool>(),
              j.value("joined", 0)};
  o.base = static_cast<Base>(index_of(kBaseNames, "base", j.value("base", std::string("bicubic"))));
  Model model(o);
  model.luma = static_cast<LumaConvention>(index_of(kLumaNames, "luma", j.at("luma").get<std::string>()));
  model.means = means_from_json(j.at("mean_values"), o.nchan);
  model.origin = j.at("origin").get<std::string>();
  if (j.contains("value_range")) model.ranges = ranges_from(j.at("value_range").get<std::vector<double>>());
  return model;
}

// Puts the checkpoint's tensors into the parameters; tells all that do not fit at once.
void set_parameters(Params& params, const Checkpoint& checkpoint) {
  std::map<std::string, const Tensor*> found;
  for (const auto& [name, tensor] : checkpoint.tensors)
    if (!name.starts_with(kTrainingPrefix)) found[name] = &tensor;
  std::ostringstream problems;
  for (const Parameter& p : params.list()) {
    const auto entry = found.find(p.name);
    if (entry == found.end())
      problems << "; " << p.name << " is missing";
    else if (!(entry->second->shape() == p.var.shape()))
      problems << "; " << p.name << " is " << entry->second->shape() << ", want " << p.var.shape();
    found.erase(p.name);
  }
  for (const auto& [name, tensor] : found) problems << "; " << name << " is unknown";
  if (!problems.str().empty())
    throw Error(Error::Kind::format, "parameters do not fit the network's options", problems.str());
  for (const auto& [name, tensor] : checkpoint.tensors)
    for (Parameter& p : params.list())
      if (p.name == name) p.var.set_value(tensor.clone());  // an optimizer may change it in place
}

constexpr Reach kEnlargingReach{2, 2};

// What a network without a base adds to the image's enlargement, in the memory of its result y; y of another.
Tensor less_enlarged(Tensor y, const Tensor& image, const NetworkOptions& options) {
  if (options.base == Base::bicubic) return y;
  const Tensor enlarged = bicubic_enlarge(image, options.factor);
  const float* from = enlarged.data();
  float* to = y.data();
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < y.shape().size(); ++i) to[i] -= from[i];
  return y;
}

// Memory that this takes for an image of that size.
int64_t enlarging_bytes(int64_t factor, int64_t channels, int64_t width, int64_t height) {
  constexpr int64_t kFloat = 4;
  const int64_t padded = width + kEnlargingReach.before + kEnlargingReach.after;
  return kFloat * channels *
         (width * height * factor * factor + omp_get_max_threads() * (4 * factor + 2) * padded);
}

void check_finite(const Params& params) {
  for (const Parameter& p : params.list()) {
    const Tensor& value = p.var.value();
    const float* begin = value.data();
    if (!std::all_of(begin, begin + value.shape().size(), [](float x) { return std::isfinite(x); }))
      throw Error(Error::Kind::format, p.name, " holds NaN or infinity; such weights make no image");
  }
}

}  // namespace

LumaCoefficients coefficients(LumaConvention convention) {
  if (convention == LumaConvention::full) return {0, 0.299, 0.587, 0.114, 1};
  return {16.0 / 255, 65.481 / 255, 128.553 / 255, 24.966 / 255, 255.0 / 219};
}

MeanValues load_mean_values(const std::string& path, int nchan) {
  try {
    return means_from_json(json::parse(read_file(path, kLargestMeanFile)), nchan);
  } catch (const json::exception&) {
    throw Error(
        Error::Kind::format, path,
        R"(: not mean values; want {"gt": [..], "down": [..], "bic_up": [..]} with a number per channel)");
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::format) throw;
    throw Error(Error::Kind::format, path, ": ", e.what());
  }
}

void save_mean_values(const std::string& path, const MeanValues& means) {
  write_file(path, to_json(means).dump(1) + "\n");
}

Model::Model(const NetworkOptions& options, uint64_t seed) {
  check(options);
  params = std::make_unique<Params>(seed);
  network = std::make_unique<Network>(params->scope(), options);
  const std::vector<double> zeros(static_cast<size_t>(options.nchan), 0.0);
  means = {zeros, zeros, zeros};
}

Model Model::load(const std::string& checkpoint_path) {
  return from_checkpoint(load_checkpoint(checkpoint_path), checkpoint_path);
}

Model Model::from_checkpoint(const Checkpoint& checkpoint, const std::string& name) {
  try {
    Model model = model_from_meta(json::parse(checkpoint.meta));
    set_parameters(*model.params, checkpoint);
    check_finite(*model.params);
    return model;
  } catch (const json::exception& e) {
    throw Error(Error::Kind::format, name, ": its options cannot be read (", e.what(),
                "); it is not a checkpoint of this program's networks");
  } catch (const Error& e) {
    throw Error(e.kind(), name, ": ", e.what());
  }
}

Model Model::merged(Model model) {
  if (!model.options().span || !model.options().span->branches) return model;
  model.to(Device::cpu);
  std::map<std::string, Tensor> values;
  for (const Parameter& p : model.params->list()) values[p.name] = p.var.value();
  NetworkOptions options = model.options();
  options.span->branches = false;
  Model plain(options);
  for (Parameter& p : plain.params->list()) {
    const auto branch = [&](const char* name) {
      return values.at(p.name.substr(0, p.name.rfind('.') + 1) + name);
    };
    p.var.set_value(values.contains(p.name) ? values.at(p.name)
                                            : merged_branches_exactly({branch("expand"), branch("middle"),
                                                                       branch("reduce"), branch("beside")}));
  }
  plain.luma = model.luma, plain.means = model.means, plain.ranges = model.ranges;
  plain.origin = model.origin;
  return plain;
}

Model Model::load(const std::string& checkpoint_path, int factor) {
  Model model = merged(load(checkpoint_path));
  model.check_factor(factor, checkpoint_path);
  return model;
}

void Model::check_factor(int factor, const std::string& path) const {
  if (this->factor() != factor)
    throw Error(Error::Kind::format, path, ": the weights are for factor ", this->factor(),
                ", --upsampling_factor is ", factor);
}

Tensor Model::residual(Tensor image, bands::Origin place) const {
  if (device() == Device::cpu) return less_enlarged(packed()->run(image, place), image, options());
  const NoGrad no_grad;
  Var x(image.to(device()));
  if (has_base()) image = {};  // the network frees what it has read
  return less_enlarged((*network)(x).value().to(Device::cpu), image, options());
}

float Model::shift(size_t channel) const {
  return static_cast<float>(means.gt[channel] - (has_base() ? means.bic_up : means.down)[channel]);
}

Reach Model::reach() const {
  const bands::Span span = packed()->span();
  const Reach reach{span.before, span.after};
  return has_base() ? reach : reach | kEnlargingReach;
}

int64_t Model::working_bytes(int64_t width, int64_t height) const {
  const int64_t bytes = packed()->working_bytes(width, height);
  return has_base() ? bytes : std::max(bytes, enlarging_bytes(factor(), nchan(), width, height));
}

Checkpoint Model::to_checkpoint() const {
  Checkpoint checkpoint;
  checkpoint.meta = meta_of(*this).dump();
  for (const Parameter& p : params->list())
    checkpoint.tensors.emplace_back(p.name, p.var.value().to(Device::cpu));
  return checkpoint;
}

void Model::save(const std::string& checkpoint_path) const {
  save_checkpoint(checkpoint_path, to_checkpoint());
}

}  // namespace sr
