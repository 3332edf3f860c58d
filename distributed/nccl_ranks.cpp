#include "distributed/nccl_ranks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <sstream>
#include <utility>

#include "distributed/placement.h"
#include "tensor/error.h"

namespace sr {
namespace {

bool goes_well(nccl::Result result) {
  return result == nccl::kDone || result == nccl::kGoesOn;
}

NcclOffer offer(const std::string& gpu) {
  NcclOffer mine;
  mine.host = placement(0).host;
  mine.gpu = gpu;
  try {
    mine.version = nccl::library().version;
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::unsupported) throw;
    mine.missing = e.what();
  }
  return mine;
}

std::string to_text(const NcclOffer& offer) {
  return std::to_string(offer.version) + '\n' + offer.host + '\n' + offer.gpu + '\n' + offer.missing;
}

NcclOffer offer_in(const std::string& text) {
  NcclOffer offer;
  std::istringstream in(text);
  std::string version;
  std::getline(in, version);
  offer.version = std::stoi(version);
  std::getline(in, offer.host);
  std::getline(in, offer.gpu);
  std::getline(in, offer.missing);
  return offer;
}

}  // namespace

std::string why_not_nccl(const std::vector<NcclOffer>& all) {
  for (size_t i = 0; i < all.size(); ++i) {
    const NcclOffer& o = all[i];
    const std::string rank = "rank " + std::to_string(i);
    if (o.version == 0) return rank + " has no NCCL (" + o.missing + ")";
    if (o.version != all[0].version)
      return rank + " has NCCL " + nccl::version_name(o.version) + ", rank 0 " +
             nccl::version_name(all[0].version);
    for (size_t k = 0; k < i; ++k)
      if (all[k].host == o.host && all[k].gpu == o.gpu)
        return "ranks " + std::to_string(k) + " and " + std::to_string(i) + " share a GPU of " + o.host;
  }
  return "";
}

std::string why_not_nccl(Ranks& ranks, const std::string& gpu) {
  std::vector<NcclOffer> all;
  for (const std::string& text : ranks.gather(to_text(offer(gpu)))) all.push_back(offer_in(text));
  std::array<char, 500> why{};
  if (ranks.first()) std::strncpy(why.data(), why_not_nccl(all).c_str(), why.size() - 1);
  ranks.broadcast(why.data(), std::ssize(why));
  return why.data();
}

NcclRanks::NcclRanks(Ranks& ranks) : ranks_(ranks), nccl_(nccl::library()) {
  nccl::UniqueId id{};
  if (ranks.first()) check(nccl_.GetUniqueId(&id));
  ranks.broadcast(&id, sizeof id);
  nccl::Config config;
  check(nccl_.CommInitRankConfig(&comm_, ranks.size(), id, ranks.rank(), &config));
  settle();
}

NcclRanks::~NcclRanks() {
  if (std::uncaught_exceptions() > 0)
    give_up();
  else if (comm_)
    nccl_.CommDestroy(comm_);
}

void NcclRanks::give_up() {
  if (comm_) nccl_.CommAbort(std::exchange(comm_, nullptr));
}

void NcclRanks::check(nccl::Result result) {
  if (goes_well(result)) return;
  const char* const more = nccl_.GetLastError(comm_);
  const std::string why = more && *more ? std::string(": ") + more : "";
  give_up();
  throw Error(Error::Kind::device, "NCCL, rank ", ranks_.rank(), ": ", nccl_.GetErrorString(result), why,
              "; SR_NCCL=off in the environment of all does without it");
}

nccl::Result NcclRanks::state() {
  nccl::Result state = nccl::kDone;
  check(nccl_.CommGetAsyncError(comm_, &state));
  check(state);
  return state;
}

// What was asked for is done as far as the processor is concerned; before that nothing else may be asked.
void NcclRanks::settle() {
  wait_until([&] { return state() == nccl::kDone; });
}

void NcclRanks::wait_until(const std::function<bool()>& ready) {
  try {
    ranks_.wait_until([&] {
      if (ready()) return true;
      state();
      return false;
    });
  } catch (...) {
    give_up();
    throw;
  }
}

// An error in between is looked at when the group is closed: until then nothing can be given up.
void NcclRanks::start(std::span<const Transfer> transfers, CUstream_st* stream) {
  if (transfers.empty()) return;
  nccl::Result result = nccl_.GroupStart();
  for (const Transfer& t : transfers) {
    if (!goes_well(result)) break;
    const auto count = static_cast<size_t>(t.count);
    const auto rank = static_cast<int>(t.rank);
    result = t.kind == Transfer::Kind::send
                 ? nccl_.Send(t.numbers, count, nccl::kFloat32, rank, comm_, stream)
                 : nccl_.Recv(t.numbers, count, nccl::kFloat32, rank, comm_, stream);
  }
  const nccl::Result closed = nccl_.GroupEnd();
  check(goes_well(result) ? closed : result);
  settle();
}

}  // namespace sr
