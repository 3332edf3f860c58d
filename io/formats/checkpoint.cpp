#include "io/formats/checkpoint.h"

#include <algorithm>
#include <array>
#include <set>

#include "io/bytes.h"
#include "io/crc32c.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic("\x89SRCKPT\n", 8);
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefixBytes = 32;
constexpr size_t kAlignment = 64;
constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxNameBytes = 256;

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// What stands in the first 32 bytes, besides the magic.
struct Prefix {
  uint32_t version = kVersion;
  uint32_t header_bytes = 0;
  uint64_t file_bytes = 0;
  uint32_t header_crc = 0;
};

struct Entry {
  std::string name;
  Shape shape;
  size_t bytes = 0;
  uint32_t crc = 0;
};

// ---- writing ----

void check_tensor(const std::string& name, const Tensor& tensor) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    throw Error(Error::Kind::usage, "save checkpoint: tensor name \"", name.substr(0, kMaxNameBytes),
                "\" has ", name.size(), " bytes; 1 to ", kMaxNameBytes, " are allowed");
  }
  if (!tensor || tensor.shape().size() == 0 || tensor.dtype() != DType::f32) {
    throw Error(Error::Kind::usage, "save checkpoint: tensor \"", name, "\" is ", tensor.dtype(), " ",
                tensor.shape(), "; only f32 with at least one element can be stored");
  }
}

std::span<const std::byte> bytes_of(const Tensor& contiguous) {
  return std::as_bytes(std::span(contiguous.data(), static_cast<size_t>(contiguous.shape().size())));
}

std::string header_text(const Checkpoint& checkpoint, const std::vector<Tensor>& tensors) {
  const json meta = parse_json(checkpoint.meta);
  if (!meta.is_object()) throw Error(Error::Kind::usage, "save checkpoint: meta is not a JSON object");
  json table = json::array();
  std::set<std::string_view> names;
  size_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = checkpoint.tensors[i].first;
    if (!names.insert(name).second)
      throw Error(Error::Kind::usage, "save checkpoint: two tensors are called \"", name, "\"");
    const auto data = bytes_of(tensors[i]);
    const Shape& s = tensors[i].shape();
    offset = aligned(offset);
    table.push_back({{"name", name},
                     {"shape", {s.n, s.h, s.w, s.c}},
                     {"offset", offset},
                     {"bytes", data.size()},
                     {"crc32c", crc32c(data)}});
    offset += data.size();
  }
  try {
    return json{{"meta", meta}, {"tensors", table}}.dump();
  } catch (const json::exception&) {
    throw Error(Error::Kind::usage, "save checkpoint: a tensor's name is not UTF-8");
  }
}

void append_prefix(ByteWriter& file, const std::string& header, uint64_t file_bytes) {
  file.append(kMagic);
  file.number(kVersion);
  file.number(static_cast<uint32_t>(header.size()));
  file.number(file_bytes);
  file.number(crc32c(std::as_bytes(std::span(header))));
  file.number(crc32c(file.bytes()));
}

// ---- reading ----

/// Throws the errors of one file.
class Complaint {
 public:
  explicit Complaint(const std::string& path) : path_(path) {}

  [[noreturn]] void foreign(std::string_view what) const {
    throw Error(Error::Kind::format, path_, ": ", what, ", not a checkpoint of this program");
  }
  [[noreturn]] void truncated(size_t has, size_t of) const {
    throw Error(Error::Kind::format, path_, ": truncated: ", has, " of ", of, " bytes; copy it again");
  }
  template <class... Parts>
  [[noreturn]] void corrupted(const Parts&... parts) const {
    throw Error(Error::Kind::format, path_, ": corrupted: ", parts..., "; copy it again");
  }
  [[noreturn]] void newer(uint32_t version) const {
    throw Error(Error::Kind::unsupported, path_, ": version ", version, " of the checkpoint format; this ",
                "program reads version ", kVersion, ", take a newer program");
  }

 private:
  const std::string& path_;
};

std::string_view kind_of_foreign(std::string_view file) {
  constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"PK\x03\x04", "a zip archive (PyTorch or numpy weights?)"},
      {"\x80\x02", "a Python pickle (old PyTorch weights?)"},
      {"\x89HDF\r\n", "an HDF5 file"},
      {"II*", "a TIFF picture"},
      {"MM", "a TIFF picture"},
      {"\x89PNG", "a PNG picture"},
      {"{", "a text in JSON"},
      {"\n", "perhaps a caffemodel (convert_checkpoint takes those)"}};
  for (const auto& [start, kind] : kKinds)
    if (file.starts_with(start)) return kind;
  return "a file of another kind";
}

Prefix read_prefix(std::string_view file, const std::string& path) {
  const Complaint complaint(path);
  if (file.empty()) complaint.foreign("an empty file");
  if (!file.starts_with(kMagic.substr(0, file.size()))) complaint.foreign(kind_of_foreign(file));
  if (file.size() < kPrefixBytes) complaint.truncated(file.size(), kPrefixBytes);
  ByteReader in(std::as_bytes(std::span(file)), path);
  in.take(kMagic.size());
  Prefix prefix;
  prefix.version = in.number<uint32_t>();
  prefix.header_bytes = in.number<uint32_t>();
  prefix.file_bytes = in.number<uint64_t>();
  prefix.header_crc = in.number<uint32_t>();
  const uint32_t crc = crc32c(std::as_bytes(std::span(file)).first(in.position()));
  if (in.number<uint32_t>() != crc) complaint.corrupted("the checksum of the first 32 bytes is wrong");
  if (prefix.version > kVersion) complaint.newer(prefix.version);
  if (prefix.version == 0) complaint.corrupted("version 0");
  if (file.size() < prefix.file_bytes) complaint.truncated(file.size(), prefix.file_bytes);
  if (file.size() > prefix.file_bytes)
    complaint.corrupted(file.size() - prefix.file_bytes, " bytes follow after its end");
  if (prefix.header_bytes > std::min(kMaxHeaderBytes, file.size() - kPrefixBytes))
    complaint.corrupted("a header of ", prefix.header_bytes, " bytes");
  return prefix;
}

uint64_t whole_number(const json& value) {
  if (!value.is_number_unsigned()) throw Error(Error::Kind::format, "not a whole number");
  return value.get<uint64_t>();
}

/// One line of the tensor table, whose data must begin `offset` bytes into the data part and end within it.
Entry read_entry(const json& line, size_t offset, size_t data_bytes) {
  const auto fail = [](const auto&... why) { throw Error(Error::Kind::format, why...); };
  Entry entry;
  entry.name = line.at("name").get_ref<const std::string&>();
  if (entry.name.empty() || entry.name.size() > kMaxNameBytes)
    fail("a name of ", entry.name.size(), " bytes");
  const json& shape = line.at("shape");
  if (!shape.is_array() || shape.size() != 4) fail("a shape without four dimensions");
  uint64_t bytes = sizeof(float);
  std::array<int64_t, 4> dimensions{};
  for (size_t i = 0; i < 4; ++i) {
    const uint64_t dimension = whole_number(shape[i]);
    if (dimension == 0 || __builtin_mul_overflow(bytes, dimension, &bytes) || bytes > data_bytes)
      fail("shape ", shape.dump(), " does not fit into ", data_bytes, " bytes");
    dimensions[i] = static_cast<int64_t>(dimension);
  }
  entry.shape = {dimensions[0], dimensions[1], dimensions[2], dimensions[3]};
  entry.bytes = bytes;
  if (whole_number(line.at("bytes")) != bytes) fail("its length is not that of shape ", entry.shape);
  if (whole_number(line.at("offset")) != offset) fail("it does not begin where the one before it ends");
  if (offset > data_bytes || bytes > data_bytes - offset) fail("it reaches past the end of the file");
  const uint64_t crc = whole_number(line.at("crc32c"));
  if (crc > UINT32_MAX) fail("a checksum of more than 32 bits");
  entry.crc = static_cast<uint32_t>(crc);
  return entry;
}

std::vector<Entry> read_table(const json& table, size_t data_bytes, const Complaint& complaint) {
  if (!table.is_array() || table.size() > kMaxTensors)
    complaint.corrupted("its header has no table of tensors");
  std::vector<Entry> entries;
  std::set<std::string> names;
  size_t end = 0;
  for (const json& line : table) {
    const std::string where = "header: tensor " + std::to_string(entries.size()) + ": ";
    try {
      entries.push_back(read_entry(line, aligned(end), data_bytes));
    } catch (const json::exception&) {
      complaint.corrupted(where, "a field is missing or of the wrong type");
    } catch (const Error& error) {
      complaint.corrupted(where, error.what());
    }
    if (!names.insert(entries.back().name).second) complaint.corrupted(where, "its name occurs twice");
    end = aligned(end) + entries.back().bytes;
  }
  if (end != data_bytes)
    complaint.corrupted("header: ", data_bytes - end, " bytes of data belong to no tensor");
  return entries;
}

/// Passes over the zeros before the next multiple of 64 bytes. They are checked, so that no bit of a file
/// goes unchecked.
void skip_padding(ByteReader& in, const Complaint& complaint) {
  const auto padding = in.take(aligned(in.position()) - in.position());
  if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
    complaint.corrupted("bytes that should be zero, before byte ", in.position());
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  if (checkpoint.tensors.size() > kMaxTensors)
    throw Error(Error::Kind::limit, "save checkpoint: ", checkpoint.tensors.size(), " tensors; at most ",
                kMaxTensors, " are allowed");
  std::vector<Tensor> tensors;
  size_t data_bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    check_tensor(name, tensor);
    tensors.push_back(tensor.is_contiguous() ? tensor : tensor.clone());
    data_bytes = aligned(data_bytes) + bytes_of(tensors.back()).size();
  }
  const std::string header = header_text(checkpoint, tensors);
  const size_t file_bytes = aligned(kPrefixBytes + header.size()) + data_bytes;
  if (header.size() > kMaxHeaderBytes || file_bytes > kMaxFileBytes)
    throw Error(Error::Kind::limit, "save checkpoint: a header of ", header.size(), " bytes in a file of ",
                file_bytes, "; at most ", kMaxHeaderBytes, " and ", kMaxFileBytes, " are allowed");
  ByteWriter file;
  append_prefix(file, header, file_bytes);
  file.append(header);
  file.align(kAlignment);
  for (const Tensor& tensor : tensors) {
    file.align(kAlignment);
    file.append(bytes_of(tensor));
  }
  write_file(path, file.bytes());
}

Checkpoint load_checkpoint(const std::string& path) {
  const std::string file = read_file(path, kMaxFileBytes);
  const Complaint complaint(path);
  const Prefix prefix = read_prefix(file, path);
  ByteReader in(std::as_bytes(std::span(file)), path);
  in.take(kPrefixBytes);
  const std::string_view header = in.text(prefix.header_bytes);
  if (crc32c(std::as_bytes(std::span(header))) != prefix.header_crc)
    complaint.corrupted("the checksum of the header is wrong");
  const json parsed = parse_json(header);
  if (!parsed.is_object() || !parsed.contains("meta") || !parsed["meta"].is_object() ||
      !parsed.contains("tensors"))
    complaint.corrupted("its header is not the JSON text that it should be");
  skip_padding(in, complaint);
  const std::vector<Entry> entries = read_table(parsed["tensors"], in.left(), complaint);

  Checkpoint checkpoint;
  checkpoint.meta = parsed["meta"].dump();
  for (const Entry& entry : entries) {
    skip_padding(in, complaint);
    const auto data = in.take(entry.bytes);
    if (crc32c(data) != entry.crc)
      complaint.corrupted("the checksum of tensor \"", entry.name, "\" is wrong");
    Tensor tensor(entry.shape);
    std::memcpy(tensor.data(), data.data(), data.size());
    checkpoint.tensors.emplace_back(entry.name, tensor);
  }
  return checkpoint;
}

}  // namespace sr
