#include "idn/model.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/checkpoint.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kLumaNames[] = {"bt601_full", "bt601_studio"};
constexpr const char* kActivationNames[] = {"none", "leaky_relu"};
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
  json j = {{"network", "idn"},
            {"factor", o.factor},
            {"nchan", o.nchan},
            {"num_FB_layers", o.num_FB_layers},
            {"num_Dist_blocks", o.num_Dist_blocks},
            {"compression_activation", kActivationNames[o.compression_activation ? 1 : 0]},
            {"crop_begin", o.crop_begin},
            {"luma", kLumaNames[static_cast<int>(model.luma)]},
            {"mean_values", to_json(model.means)},
            {"origin", model.origin}};
  if (model.range) j["value_range"] = {model.range->low, model.range->high};
  return j;
}

Model model_from_meta(const json& j) {
  if (j.at("network").get<std::string>() != "idn")
    throw Error(Error::Kind::unsupported, "network is '", j.at("network").get<std::string>(), "', want idn");
  NetworkOptions o;
  o.factor = j.at("factor").get<int>();
  o.nchan = j.at("nchan").get<int>();
  o.num_FB_layers = j.at("num_FB_layers").get<int>();
  o.num_Dist_blocks = j.at("num_Dist_blocks").get<int>();
  o.crop_begin = j.at("crop_begin").get<int>();
  o.compression_activation = index_of(kActivationNames, "compression_activation",
                                      j.at("compression_activation").get<std::string>()) == 1;
  Model model(o);
  model.luma = static_cast<LumaConvention>(index_of(kLumaNames, "luma", j.at("luma").get<std::string>()));
  model.means = means_from_json(j.at("mean_values"), o.nchan);
  model.origin = j.at("origin").get<std::string>();
  if (j.contains("value_range")) {
    const auto range = j.at("value_range").get<std::vector<double>>();
    if (range.size() != 2 || !(range[0] < range[1]))
      throw Error(Error::Kind::format, "value_range must be two numbers, the lower first");
    model.range = ValueRange{range[0], range[1]};
  }
  return model;
}

// Puts the checkpoint's tensors into the parameters; tells all that do not fit at once.
void set_parameters(Params& params, const Checkpoint& checkpoint) {
  std::map<std::string, const Tensor*> found;
  for (const auto& [name, tensor] : checkpoint.tensors) found[name] = &tensor;
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
      if (p.name == name) p.var.set_value(tensor);
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
  const Checkpoint checkpoint = load_checkpoint(checkpoint_path);
  try {
    Model model = model_from_meta(json::parse(checkpoint.meta));
    set_parameters(*model.params, checkpoint);
    return model;
  } catch (const json::exception& e) {
    throw Error(Error::Kind::format, checkpoint_path, ": its options cannot be read (", e.what(),
                "); it is not a checkpoint of this program's networks");
  } catch (const Error& e) {
    throw Error(e.kind(), checkpoint_path, ": ", e.what());
  }
}

Model Model::load(const std::string& checkpoint_path, int factor) {
  Model model = load(checkpoint_path);
  if (model.factor() != factor)
    throw Error(Error::Kind::format, checkpoint_path, ": the weights are for factor ", model.factor(),
                ", --upsampling_factor is ", factor);
  return model;
}

void Model::save(const std::string& checkpoint_path) const {
  Checkpoint checkpoint;
  checkpoint.meta = meta_of(*this).dump();
  for (const Parameter& p : params->list()) checkpoint.tensors.emplace_back(p.name, p.var.value());
  save_checkpoint(checkpoint_path, checkpoint);
}

namespace {

fs::path checkpoint_folder(const std::string& path, int factor) {
  return fs::path(path) / ("x" + std::to_string(factor)) / "ckpts";
}

// The step in "ckpt-STEP.sr", or -1.
int64_t step_of(const std::string& name) {
  constexpr std::string_view kBegin = "ckpt-", kEnd = ".sr";
  if (name.size() <= kBegin.size() + kEnd.size() || !name.starts_with(kBegin) || !name.ends_with(kEnd))
    return -1;
  const std::string digits = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  if (digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(digits);
}

}  // namespace

std::string find_checkpoint(const std::string& pretrained_path, int factor) {
  std::error_code ignored;
  if (fs::is_regular_file(pretrained_path, ignored)) return pretrained_path;
  const fs::path folder = checkpoint_folder(pretrained_path, factor);
  if (!fs::is_directory(folder, ignored)) {
    std::string others;
    for (int f = 2; f <= 4; ++f)
      if (fs::is_directory(checkpoint_folder(pretrained_path, f), ignored))
        others += " x" + std::to_string(f);
    throw Error(Error::Kind::io, folder.string(), ": no such folder",
                others.empty()
                    ? "; --pretrained_path wants a folder with xFACTOR/ckpts in it, or a checkpoint"
                    : "; there are weights for" + others + " only");
  }
  std::string best;
  int64_t best_step = -1;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const int64_t step = step_of(entry.path().filename().string());
    if (step > best_step) best = entry.path().string(), best_step = step;
  }
  if (best_step < 0) throw Error(Error::Kind::io, folder.string(), ": holds no checkpoint (ckpt-STEP.sr)");
  return best;
}

std::string checkpoint_name(const std::string& path, int factor, int64_t step) {
  const fs::path folder = checkpoint_folder(path, factor);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error(Error::Kind::io, folder.string(), ": cannot be created: ", error.message(),
                "; choose a folder that can be written to");
  const std::string digits = std::to_string(step);
  return (folder / ("ckpt-" + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits + ".sr"))
      .string();
}

}  // namespace sr
