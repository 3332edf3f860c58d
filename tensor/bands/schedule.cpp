#include "tensor/bands/schedule.h"

#include <algorithm>

namespace sr::bands {

Schedule::Schedule(const Program& program, int64_t height, int64_t band, int64_t align, int64_t origin)
    : stages_(&program.stages()),
      channels_(&program.channels()),
      height_(height),
      band_(band),
      align_(align),
      image_rows_(-origin),
      done_(stages_->size(), 0),
      kept_(channels_->size()) {
  std::vector<int64_t> of_rows(channels_->size(), origin);
  for (const Stage& stage : *stages_) {
    const int64_t phase = (of_rows[static_cast<size_t>(stage.from.index)] + stage.after) % align;
    phases_.push_back(phase);
    for (const Rows& rows : stage.to) of_rows[static_cast<size_t>(rows.index)] = phase;
  }
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
      stage_ = 0;
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
