#include "tensor/bands/schedule.h"

#include <algorithm>

namespace sr::bands {

namespace {

/// Rows (or columns) first .. last that are needed.
struct Needed {
  int64_t first = 0, last = -1;

  void add(int64_t from, int64_t to) {
    const bool none = last < first;
    first = none ? from : std::min(first, from);
    last = none ? to : std::max(last, to);
  }
};

int64_t floor_to_grid(int64_t row, int64_t align, int64_t phase) {
  const int64_t in_tile = ((row + phase) % align + align) % align;
  return row - in_tile;
}

// What one pixel of the result needs of each Rows.
std::vector<Needed> needed_by(int64_t pixel, const Program& program, int64_t align,
                              const std::vector<bool>& in_tiles) {
  const std::vector<int64_t> phases = grid_phases(program, align, 0);
  std::vector<Needed> needed(program.channels().size());
  for (size_t i = program.stages().size(); i-- > 0;) {
    const Stage& stage = program.stages()[i];
    Needed made;
    if (stage.kind == Stage::Kind::upsampling) made.add(pixel, pixel);
    for (const Rows& rows : stage.to) {
      const Needed& of_rows = needed[static_cast<size_t>(rows.index)];
      if (of_rows.first <= of_rows.last) made.add(of_rows.first, of_rows.last);
    }
    if (made.last < made.first) continue;
    for (const Rows& rows : stage.added) needed[static_cast<size_t>(rows.index)].add(made.first, made.last);
    if (in_tiles[i]) {
      // Of the six inputs of a tile's row the first goes into the first output alone, the last into the last
      // alone.
      const int64_t first = floor_to_grid(made.first, align, phases[i]);
      const int64_t last = floor_to_grid(made.last, align, phases[i]) + align - 1;
      made = {made.first == first ? first : first + 1, made.last == last ? last : last - 1};
    }
    needed[static_cast<size_t>(stage.from.index)].add(made.first - stage.before, made.last + stage.after);
  }
  return needed;
}

}  // namespace

std::vector<int64_t> grid_phases(const Program& program, int64_t align, int64_t origin) {
  std::vector<int64_t> of_rows(program.channels().size(), origin), phases;
  for (const Stage& stage : program.stages()) {
    phases.push_back((of_rows[static_cast<size_t>(stage.from.index)] + stage.after) % align);
    for (const Rows& rows : stage.to) of_rows[static_cast<size_t>(rows.index)] = phases.back();
  }
  return phases;
}

Span span_of(const Program& program, int64_t align, const std::vector<bool>& in_tiles) {
  Span span;
  for (int64_t pixel = 0; pixel < align; ++pixel) {
    const Needed image = needed_by(pixel, program, align, in_tiles)[0];
    span = {std::max(span.before, pixel - image.first), std::max(span.after, image.last - pixel)};
  }
  return span;
}

Schedule::Schedule(const Program& program, int64_t height, int64_t band, int64_t align, int64_t origin)
    : stages_(&program.stages()),
      channels_(&program.channels()),
      height_(height),
      band_(band),
      align_(align),
      image_rows_(-origin),
      phases_(grid_phases(program, align, origin)),
      done_(stages_->size(), 0),
      kept_(channels_->size()) {
  for (const int64_t channels : *channels_) {
    const bool known =
        std::any_of(places_.begin(), places_.end(), [&](const Places& p) { return p.channels == channels; });
    if (!known) places_.push_back({channels, 0, {}});
  }
  stage_ = stages_->size();  // next() begins with a band
}

bool Schedule::next() {
  if (working_) finish();
  while (done_.back() < height_) {
    if (stage_ == stages_->size()) {
      stage_ = 0, ++bands_;
      image_rows_ = std::min(image_rows_ + band_, height_);
      kept_[0].end = image_rows_;
    }
    const int64_t last = reachable((*stages_)[stage_], stage_);
    if (last > done_[stage_]) {
      begin(stage_, last);
      return true;
    }
    ++stage_;
  }
  return false;
}

int64_t Schedule::reachable(const Stage& stage, size_t index) const {
  const int64_t made = kept_[static_cast<size_t>(stage.from.index)].end;
  if (made == height_) return height_;
  const int64_t rows = made - stage.after + phases_[index];
  return rows < 0 ? 0 : rows / align_ * align_ - phases_[index];
}

void Schedule::begin(size_t stage, int64_t last) {
  stage_ = stage, first_ = done_[stage], last_ = last, working_ = true;
  for (const Rows& rows : (*stages_)[stage].to) {
    Kept& kept = kept_[static_cast<size_t>(rows.index)];
    Places& places = places_of(rows.channels);
    for (; kept.end < last; ++kept.end) {
      if (places.free.empty()) places.free.push_back(places.all++);
      kept.places.push_back(places.free.back());
      places.free.pop_back();
    }
  }
}

void Schedule::finish() {
  working_ = false;
  done_[stage_] = last_;
  release((*stages_)[stage_].from);
  for (const Rows& rows : (*stages_)[stage_].added) release(rows);
  ++stage_;
}

// Rows that no stage will read again give their places back.
void Schedule::release(const Rows& rows) {
  if (rows.index == 0) return;  // the image's own
  int64_t needed = height_;
  for (size_t i = 0; i < stages_->size(); ++i) {
    const Stage& reader = (*stages_)[i];
    if (reader.from.index == rows.index) needed = std::min(needed, done_[i] - reader.before);
    for (const Rows& added : reader.added)
      if (added.index == rows.index) needed = std::min(needed, done_[i]);
  }
  Kept& kept = kept_[static_cast<size_t>(rows.index)];
  if (needed <= kept.first) return;
  const auto count = static_cast<ptrdiff_t>(std::min(needed, kept.end) - kept.first);
  Places& places = places_of(rows.channels);
  places.free.insert(places.free.end(), kept.places.begin(), kept.places.begin() + count);
  kept.places.erase(kept.places.begin(), kept.places.begin() + count);
  kept.first += count;
}

Schedule::Places& Schedule::places_of(int64_t channels) {
  return *std::find_if(places_.begin(), places_.end(),
                       [&](const Places& p) { return p.channels == channels; });
}

int Schedule::place(const Rows& rows, int64_t row) const {
  if (row < 0 || row >= height_) return kOutside;
  const Kept& kept = kept_[static_cast<size_t>(rows.index)];
  return kept.places[static_cast<size_t>(row - kept.first)];
}

int Schedule::places(int64_t channels) const {
  return std::find_if(places_.begin(), places_.end(), [&](const Places& p) { return p.channels == channels; })
      ->all;
}

}  // namespace sr::bands
