#include "io/formats/records.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>
#include <string_view>

#include "io/bytes.h"
#include "io/crc32c.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr std::string_view kMagic("\x89SRRECS\n", 8);
constexpr uint32_t kVersion = 1;
constexpr size_t kStartBytes = 44;
constexpr size_t kEntryBytes = 20 + 3 * 32;
constexpr size_t kMaxMetaBytes = size_t{16} << 20;
constexpr uint64_t kMaxRecords = 100'000;
constexpr uint64_t kMaxRecordBytes = uint64_t{1} << 30;
constexpr uint32_t kMaxNoteBytes = 4096;
constexpr uint32_t kMaxBands = 65535;
constexpr int kTypes = 8;
constexpr const char* kPartNames[] = {"gt", "down", "bic_up"};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// What stands in the first 44 bytes, besides the magic.
struct Start {
  uint32_t version = kVersion;
  uint32_t meta_bytes = 0;
  uint64_t file_bytes = 0, records = 0;
  uint32_t meta_crc = 0, index_crc = 0;
  uint32_t crc = 0;  // of what stands before it
};

void append(ByteWriter& out, const Start& start) {
  out.append(kMagic);
  out.number(start.version);
  out.number(start.meta_bytes);
  out.number(start.file_bytes);
  out.number(start.records);
  out.number(start.meta_crc);
  out.number(start.index_crc);
  out.number(crc32c(out.bytes()));
}

void append(ByteWriter& out, const RecordEntry& entry) {
  out.number(entry.offset);
  out.number(entry.note_bytes);
  out.number(entry.note_crc);
  out.number(static_cast<uint32_t>(entry.bands));
  for (const RecordEntry::Part& part : entry.parts) {
    out.number(part.window.x);
    out.number(part.window.y);
    out.number(static_cast<uint32_t>(part.window.w));
    out.number(static_cast<uint32_t>(part.window.h));
    out.number(static_cast<uint32_t>(part.type));
    out.number(part.crc);
  }
}

// ---- writing ----

void check_record(const TileRecord& record, const std::string& path) {
  uint64_t all = 0;
  for (size_t i = 0; i < 3; ++i) {
    const Raster& r = record.*kRecordParts[i];
    const auto fail = [&](const auto&... why) {
      throw Error(Error::Kind::usage, "adding a record to ", path, ": ", kPartNames[i], " of ", r.window.w,
                  " x ", r.window.h, " pixels and ", r.bands, " bands ", why...);
    };
    if (r.window.w < 1 || r.window.h < 1 || r.window.w > UINT32_MAX || r.window.h > UINT32_MAX)
      fail("is empty or too large");
    if (r.bands < 1 || r.bands != record.gt.bands) fail("must have as many bands as gt, and at least one");
    if (!r.mask.empty()) fail("has a mask, which records do not hold");
    uint64_t size = static_cast<uint64_t>(r.bands * sr::bytes_of(r.type));
    if (__builtin_mul_overflow(size, static_cast<uint64_t>(r.window.w), &size) ||
        __builtin_mul_overflow(size, static_cast<uint64_t>(r.window.h), &size) || size != r.samples.size())
      fail("holds ", r.samples.size(), " bytes of samples");
    all += size;
  }
  if (all > kMaxRecordBytes || record.note.size() > kMaxNoteBytes ||
      record.gt.bands > static_cast<int>(kMaxBands))
    throw Error(Error::Kind::limit, "adding a record to ", path, ": ", all, " bytes in ", record.gt.bands,
                " bands and a note of ", record.note.size(), "; at most ", kMaxRecordBytes, " bytes in ",
                kMaxBands, " bands and a note of ", kMaxNoteBytes, " fit, take smaller tiles");
}

// ---- reading ----

std::string_view kind_of_foreign(std::string_view file) {
  if (file.starts_with("\x89SRCKPT")) return "a checkpoint";
  if (file.starts_with("II*") || file.starts_with("MM")) return "a TIFF picture";
  return "a file of another kind";
}

template <class... Parts>
[[noreturn]] void corrupted(const std::string& path, const Parts&... parts) {
  throw Error(Error::Kind::format, path, ": corrupted: ", parts..., "; copy it again or make it anew");
}

Start read_start(std::string_view head, uint64_t file_bytes, const std::string& path) {
  const auto truncated = [&](uint64_t of) {
    throw Error(Error::Kind::format, path, ": truncated: ", file_bytes, " of ", of,
                " bytes; copy it again or make it anew");
  };
  if (head.empty() || !head.starts_with(kMagic.substr(0, head.size())))
    throw Error(Error::Kind::format, path, ": ", head.empty() ? "an empty file" : kind_of_foreign(head),
                ", not a record file of this program");
  if (head.size() < kStartBytes) truncated(kStartBytes);
  ByteReader in(bytes_of(head), path);
  in.take(kMagic.size());
  Start start;
  start.version = in.number<uint32_t>();
  start.meta_bytes = in.number<uint32_t>();
  start.file_bytes = in.number<uint64_t>();
  start.records = in.number<uint64_t>();
  start.meta_crc = in.number<uint32_t>();
  start.index_crc = in.number<uint32_t>();
  start.crc = crc32c(bytes_of(head).first(in.position()));
  if (in.number<uint32_t>() != start.crc) corrupted(path, "the checksum of the first 44 bytes is wrong");
  if (start.version > kVersion)
    throw Error(Error::Kind::unsupported, path, ": version ", start.version, " of the record format; this ",
                "program reads version ", kVersion, ", take a newer program");
  if (start.version == 0) corrupted(path, "version 0");
  if (file_bytes < start.file_bytes) truncated(start.file_bytes);
  if (file_bytes > start.file_bytes)
    corrupted(path, file_bytes - start.file_bytes, " bytes follow after its end");
  if (start.meta_bytes > kMaxMetaBytes || start.records > kMaxRecords ||
      kStartBytes + start.meta_bytes + start.records * kEntryBytes > file_bytes)
    corrupted(path, "a text of ", start.meta_bytes, " bytes and ", start.records, " records in a file of ",
              file_bytes, " bytes");
  return start;
}

RecordEntry read_entry(ByteReader& in) {
  const auto fail = [](const auto&... why) { throw Error(Error::Kind::format, why...); };
  RecordEntry entry;
  entry.offset = in.number<uint64_t>();
  entry.note_bytes = in.number<uint32_t>();
  entry.note_crc = in.number<uint32_t>();
  const auto bands = in.number<uint32_t>();
  if (entry.note_bytes > kMaxNoteBytes) fail("a note of ", entry.note_bytes, " bytes");
  if (bands < 1 || bands > kMaxBands) fail(bands, " bands");
  entry.bands = static_cast<int>(bands);
  uint64_t all = 0;
  for (RecordEntry::Part& part : entry.parts) {
    part.window.x = in.number<int64_t>();
    part.window.y = in.number<int64_t>();
    const uint64_t w = in.number<uint32_t>(), h = in.number<uint32_t>();
    const auto type = in.number<uint32_t>();
    part.crc = in.number<uint32_t>();
    if (type >= kTypes) fail("sample type ", type);
    part.type = static_cast<SampleType>(type);
    uint64_t bytes = w * h;  // two numbers of 32 bits
    if (bytes < 1 ||
        __builtin_mul_overflow(bytes, uint64_t{bands} * static_cast<uint64_t>(sr::bytes_of(part.type)),
                               &bytes) ||
        (all += std::min(bytes, kMaxRecordBytes + 1)) > kMaxRecordBytes)
      fail(w, " x ", h, " pixels of ", bands, " bands");
    part.window.w = static_cast<int64_t>(w);
    part.window.h = static_cast<int64_t>(h);
  }
  return entry;
}

// The records must lie one after the other between the meta text and the index: no byte belongs to none.
std::vector<RecordEntry> read_index(std::string_view bytes, uint64_t first, uint64_t end,
                                    const std::string& path) {
  std::vector<RecordEntry> index;
  index.reserve(bytes.size() / kEntryBytes);
  ByteReader in(bytes_of(bytes), path);
  uint64_t offset = first;
  while (in.left() > 0) {
    try {
      index.push_back(read_entry(in));
      if (index.back().offset != offset)
        throw Error(Error::Kind::format, "it does not begin where the one before it ends");
      offset += index.back().bytes();
      if (offset > end) throw Error(Error::Kind::format, "it reaches into the index");
    } catch (const Error& error) {
      corrupted(path, "index: record ", in.position() / kEntryBytes, ": ", error.what());
    }
  }
  if (offset != end) corrupted(path, "index: ", end - offset, " bytes belong to no record");
  return index;
}

}  // namespace

uint64_t RecordEntry::bytes() const {
  uint64_t sum = note_bytes;
  // The sizes were checked to multiply without overflow.
  for (const Part& part : parts)
    sum += static_cast<uint64_t>(part.window.pixels() * bands * sr::bytes_of(part.type));
  return sum;
}

struct RecordWriter::Impl {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  PartialFile partial;
  std::string meta;
  std::unique_ptr<std::FILE, Close> file;
  std::vector<RecordEntry> index;
  uint64_t position = 0;

  Impl(const std::string& path, std::string meta_text)
      : partial(path), meta(std::move(meta_text)), file(std::fopen(partial.temporary().c_str(), "r+b")) {
    if (!file) throw cannot_write(path, errno);
    const std::vector<std::byte> room(kStartBytes);  // the start is written last
    write(room);
    write(bytes_of(meta));
  }

  void write(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;  // fwrite wants an address even then
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
      throw cannot_write(partial.path(), errno);
    position += bytes.size();
  }
};

RecordWriter::RecordWriter(const std::string& path, std::string meta) {
  if (meta.size() > kMaxMetaBytes)
    throw Error(Error::Kind::limit, "writing ", path, ": a meta text of ", meta.size(), " bytes; at most ",
                kMaxMetaBytes, " are allowed");
  impl_ = std::make_unique<Impl>(path, std::move(meta));
}

RecordWriter::~RecordWriter() = default;
RecordWriter::RecordWriter(RecordWriter&&) noexcept = default;
RecordWriter& RecordWriter::operator=(RecordWriter&&) noexcept = default;

int64_t RecordWriter::size() const {
  return static_cast<int64_t>(impl_->index.size());
}

void RecordWriter::add(const TileRecord& record) {
  check_record(record, impl_->partial.path());
  if (impl_->index.size() >= kMaxRecords)
    throw Error(Error::Kind::limit, "writing ", impl_->partial.path(), ": more than ", kMaxRecords,
                " records; begin another file");
  RecordEntry entry;
  entry.offset = impl_->position;
  entry.note_bytes = static_cast<uint32_t>(record.note.size());
  entry.note_crc = crc32c(bytes_of(record.note));
  entry.bands = record.gt.bands;
  impl_->write(bytes_of(record.note));
  for (size_t i = 0; i < 3; ++i) {
    const Raster& raster = record.*kRecordParts[i];
    entry.parts[i] = {raster.window, raster.type, crc32c(raster.samples)};
    impl_->write(raster.samples);
  }
  impl_->index.push_back(entry);
}

void RecordWriter::finish() {
  ByteWriter index, start;
  for (const RecordEntry& entry : impl_->index) append(index, entry);
  impl_->write(index.bytes());
  append(start, Start{.meta_bytes = static_cast<uint32_t>(impl_->meta.size()),
                      .file_bytes = impl_->position,
                      .records = impl_->index.size(),
                      .meta_crc = crc32c(bytes_of(impl_->meta)),
                      .index_crc = crc32c(index.bytes()),
                      .crc = 0});
  if (std::fseek(impl_->file.get(), 0, SEEK_SET) != 0) throw cannot_write(impl_->partial.path(), errno);
  impl_->write(start.bytes());
  if (std::fclose(impl_->file.release()) != 0) throw cannot_write(impl_->partial.path(), errno);
  impl_->partial.commit();
}

RecordReader::RecordReader(const std::string& path) : path_(path), bytes_(file_bytes(path)) {
  const std::string head = read_file_part(path, 0, kStartBytes);
  const Start start = read_start(head, bytes_, path);
  checksum_ = start.crc;
  meta_ = read_file_part(path, kStartBytes, start.meta_bytes);
  if (crc32c(bytes_of(meta_)) != start.meta_crc) corrupted(path, "the checksum of its meta text is wrong");
  const uint64_t index_bytes = start.records * kEntryBytes, end = bytes_ - index_bytes;
  const std::string index = read_file_part(path, end, index_bytes);
  if (crc32c(bytes_of(index)) != start.index_crc) corrupted(path, "the checksum of its index is wrong");
  index_ = read_index(index, kStartBytes + start.meta_bytes, end, path);
}

const RecordEntry& RecordReader::entry(int64_t i) const {
  if (i < 0 || i >= size())
    throw Error(Error::Kind::usage, "record ", i, " of ", path_, ": it holds ", size());
  return index_[static_cast<size_t>(i)];
}

TileRecord RecordReader::read(int64_t i) const {
  const RecordEntry& known = entry(i);
  const std::string bytes = read_file_part(path_, known.offset, known.bytes());
  ByteReader in(bytes_of(bytes), path_);
  TileRecord record;
  record.note = in.text(known.note_bytes);
  if (crc32c(bytes_of(record.note)) != known.note_crc)
    corrupted(path_, "record ", i, ": the checksum of its note is wrong");
  for (size_t p = 0; p < 3; ++p) {
    const RecordEntry::Part& part = known.parts[p];
    Raster& raster = record.*kRecordParts[p];
    raster = Raster(part.window, known.bands, part.type);
    in.numbers(std::span(raster.data<uint8_t>(), raster.samples.size()));
    if (crc32c(raster.samples) != part.crc)
      corrupted(path_, "record ", i, ": the checksum of ", kPartNames[p], " is wrong");
  }
  return record;
}

}  // namespace sr
