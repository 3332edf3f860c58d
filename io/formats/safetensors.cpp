#include "io/formats/safetensors.h"

#include <algorithm>
#include <bit>

#include "io/bytes.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
constexpr const char* kMetadata = "__metadata__";

// ---- writing ----

std::string header_text(const Safetensors& file) {
  json header = json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  size_t offset = 0;
  for (const NamedArray& array : file.arrays) {
    if (count_of(array.shape) != static_cast<int64_t>(array.values.size()))
      throw Error(Error::Kind::usage, "save safetensors: \"", array.name, "\" of shape ",
                  text_of(array.shape), " has ", array.values.size(), " values");
    if (array.name == kMetadata || header.contains(array.name))
      throw Error(Error::Kind::usage, "save safetensors: two arrays are called \"", array.name, "\"");
    const size_t end = offset + array.values.size() * sizeof(float);
    header[array.name] = {{"dtype", "F32"}, {"shape", array.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  try {
    return header.dump();
  } catch (const json::exception&) {
    throw Error(Error::Kind::usage, "save safetensors: a name or a text is not UTF-8");
  }
}

// ---- reading ----

template <class... Parts>
[[noreturn]] void corrupted(const Parts&... parts) {
  throw Error(Error::Kind::format, "corrupted: ", parts..., "; copy it again");
}

float from_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00)  // infinite or no number
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // The exponent's bias is 112 less; a multiplication also makes normal numbers of denormal ones.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}

float from_bfloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

struct Entry {
  NamedArray array;
  std::string dtype;
  uint64_t begin = 0, end = 0;
};

uint64_t whole_number(const json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX)
    corrupted("a size that is no whole number");
  return value.get<uint64_t>();
}

Entry read_entry(const std::string& name, const json& line) {
  Entry entry;
  entry.array.name = name;
  entry.dtype = line.at("dtype").get<std::string>();
  for (const json& side : line.at("shape"))
    entry.array.shape.push_back(static_cast<int64_t>(whole_number(side)));
  const json& offsets = line.at("data_offsets");
  if (!line.at("shape").is_array() || !offsets.is_array() || offsets.size() != 2)
    corrupted("\"", name, "\" has no shape or place");
  entry.begin = whole_number(offsets[0]), entry.end = whole_number(offsets[1]);
  if (entry.dtype != "F32" && entry.dtype != "F16" && entry.dtype != "BF16")
    throw Error(Error::Kind::unsupported, "\"", name, "\" is ", entry.dtype,
                "; F32, F16 and BF16 are read, convert it with the program that wrote it");
  const int64_t count = count_of(entry.array.shape), width = entry.dtype == "F32" ? 4 : 2;
  int64_t bytes = 0;
  if (count < 0 || __builtin_mul_overflow(count, width, &bytes) || entry.end < entry.begin ||
      entry.end - entry.begin != static_cast<uint64_t>(bytes))
    corrupted("\"", name, "\" of shape ", text_of(entry.array.shape), " takes other than bytes ", entry.begin,
              " to ", entry.end);
  return entry;
}

// In the order of their data, which follow each other without holes.
std::vector<Entry> read_table(const json& header, uint64_t data_bytes,
                              std::map<std::string, std::string>& metadata) {
  std::vector<Entry> entries;
  for (const auto& [name, line] : header.items()) {
    if (name != kMetadata) {
      entries.push_back(read_entry(name, line));
      continue;
    }
    for (const auto& [key, value] : line.items()) metadata[key] = value.get<std::string>();
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end)
      corrupted("\"", entry.array.name, "\" does not begin where the one before it ends");
    end = entry.end;
  }
  if (end > data_bytes)
    throw Error(Error::Kind::format, "truncated: ", data_bytes, " of ", end, " bytes of data; copy it again");
  if (end < data_bytes) corrupted(data_bytes - end, " bytes belong to no array");
  return entries;
}

void read_values(Entry& entry, ByteReader& in) {
  std::vector<float>& values = entry.array.values;
  values.resize(static_cast<size_t>(count_of(entry.array.shape)));
  if (entry.dtype == "F32") return in.numbers(std::span(values));
  std::vector<uint16_t> halves(values.size());
  in.numbers(std::span(halves));
  std::ranges::transform(halves, values.begin(), entry.dtype == "F16" ? from_half : from_bfloat);
}

Safetensors parse(const std::string& bytes) {
  ByteReader in(std::as_bytes(std::span(bytes)), "safetensors");
  if (bytes.size() < 9 || bytes[8] != '{') throw Error(Error::Kind::format, "no safetensors file");
  const auto header_bytes = in.number<uint64_t>();
  if (header_bytes > kMaxHeaderBytes) corrupted("a header of ", header_bytes, " bytes");
  if (header_bytes > in.left())
    throw Error(Error::Kind::format, "truncated: ", in.left(), " of ", header_bytes,
                " bytes of the header; copy it again");
  const json header = parse_json(in.text(header_bytes));
  if (!header.is_object()) corrupted("its header is no JSON object");
  Safetensors file;
  try {
    for (Entry& entry : read_table(header, in.left(), file.metadata)) {
      read_values(entry, in);
      file.arrays.push_back(std::move(entry.array));
    }
  } catch (const json::exception&) {
    corrupted("a field of its header is missing or of the wrong type");
  }
  return file;
}

}  // namespace

void save_safetensors(const std::string& path, const Safetensors& file) {
  std::string header = header_text(file);
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  size_t bytes = sizeof(uint64_t) + header.size();
  for (const NamedArray& array : file.arrays) bytes += array.values.size() * sizeof(float);
  if (bytes > kMaxFileBytes) throw Error(Error::Kind::limit, path, ": the arrays take more than 1 GiB");
  ByteWriter to;
  to.number(uint64_t{header.size()});
  to.append(header);
  for (const NamedArray& array : file.arrays) to.numbers(std::span<const float>(array.values));
  write_file(path, to.bytes());
}

Safetensors load_safetensors(const std::string& path) {
  const std::string bytes = read_file(path, kMaxFileBytes);
  try {
    return parse(bytes);
  } catch (const Error& error) {
    throw Error(error.kind(), path, ": ", error.what());
  }
}

}  // namespace sr
