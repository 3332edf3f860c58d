#include "io/formats/event_log.h"

#include <io/formats/event.pb.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "io/bytes.h"
#include "io/crc32c.h"
#include "io/formats/picture.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int kSessionStart = 1;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  std::string text = name;
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// TensorBoard reads a folder's files in the order of their names. A run that begins in the same second as the
// one before it must come after it.
std::string new_file_in(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw cannot_write(folder, error.value());
  const std::string host = host_name();
  for (auto seconds = static_cast<int64_t>(seconds_since_1970());; ++seconds) {
    const fs::path path = fs::path(folder) / ("events.out.tfevents." + std::to_string(seconds) + "." + host);
    if (!fs::exists(path, error)) return path.string();
  }
}

sr_event::Event event_at(int64_t step) {
  sr_event::Event event;
  event.set_wall_time(seconds_since_1970());
  event.set_step(step);
  return event;
}

// A checksum of data that hold their own checksum is a constant; TensorFlow's records avoid that so.
uint32_t masked_crc32c(std::span<const std::byte> bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

EventLog::EventLog(const std::string& folder, int64_t first_step) : file_(new_file_in(folder)) {
  sr_event::Event version = event_at(0);
  version.set_file_version("brain.Event:2");
  append(version.SerializeAsString());
  sr_event::Event start = event_at(first_step);
  start.mutable_session_log()->set_status(kSessionStart);
  append(start.SerializeAsString());
}

void EventLog::scalar(const std::string& tag, int64_t step, double value) {
  sr_event::Event event = event_at(step);
  sr_event::Value* entry = event.mutable_summary()->add_value();
  entry->set_tag(tag);
  entry->set_simple_value(static_cast<float>(value));
  append(event.SerializeAsString());
}

void EventLog::image(const std::string& tag, int64_t step, const Raster& picture) {
  sr_event::Event event = event_at(step);
  sr_event::Value* entry = event.mutable_summary()->add_value();
  entry->set_tag(tag);
  sr_event::Image* image = entry->mutable_image();
  image->set_encoded_image_string(encode_png(picture));
  image->set_height(static_cast<int32_t>(picture.window.h));
  image->set_width(static_cast<int32_t>(picture.window.w));
  image->set_colorspace(picture.bands);
  append(event.SerializeAsString());
}

void EventLog::append(const std::string& event) {
  ByteWriter record;
  record.number(uint64_t{event.size()});
  record.number(masked_crc32c(record.bytes()));
  record.append(event);
  record.number(masked_crc32c(std::as_bytes(std::span(event))));
  file_.append({reinterpret_cast<const char*>(record.bytes().data()), record.bytes().size()});
}

}  // namespace sr
