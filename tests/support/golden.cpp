#include "tests/support/golden.h"

#include <fstream>

#include "io/json_text.h"

namespace sr {
namespace {

nlohmann::json value_of(const std::string& folder, const std::string& name) {
  return nlohmann::json::parse(std::ifstream(folder + "/index.json")).at(name);
}

}  // namespace

std::vector<double> golden_numbers(const std::string& folder, const std::string& name) {
  const nlohmann::json value = value_of(folder, name);
  return value.is_array() ? value.get<std::vector<double>>() : std::vector<double>{value.get<double>()};
}

std::vector<std::string> golden_words(const std::string& folder, const std::string& name) {
  return value_of(folder, name).get<std::vector<std::string>>();
}

}  // namespace sr
