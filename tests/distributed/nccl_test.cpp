// Which NCCL there is, and when several processes talk by it.
#include "distributed/nccl.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>

#include "distributed/nccl_ranks.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

TEST(Nccl, HasAllFunctionsThatAreAskedForWhereItIs) {
  unsetenv("SR_NCCL");
  const std::string text = nccl::description();
  if (text.find("No such file") != std::string::npos) GTEST_SKIP() << text;
  const nccl::Library& library = nccl::library();  // has loaded them all
  EXPECT_GE(library.version, 21400);
  EXPECT_EQ(text, nccl::version_name(library.version));
  EXPECT_STREQ(library.GetErrorString(nccl::kDone), "no error");
  EXPECT_NE(std::string(library.GetErrorString(nccl::kGoesOn)).find("in progress"), std::string::npos);
}

// As in nccl.h of 2.14 and later, for 64 bits.
TEST(Nccl, StructuresLieAsInItsHeader) {
  EXPECT_EQ(sizeof(nccl::UniqueId), 128u);
  EXPECT_EQ(offsetof(nccl::Config, magic), 8u);
  EXPECT_EQ(offsetof(nccl::Config, version), 12u);
  EXPECT_EQ(offsetof(nccl::Config, blocking), 16u);
}

TEST(Nccl, VersionsHaveTheirNames) {
  EXPECT_EQ(nccl::version_name(22809), "2.28.9");
  EXPECT_EQ(nccl::version_name(21400), "2.14.0");
  EXPECT_EQ(nccl::version_name(2708), "2.7.8");
}

TEST(Nccl, IsNotThereWhereTheEnvironmentSaysOffAndOtherWordsAreRefused) {
  setenv("SR_NCCL", "off", 1);
  EXPECT_EQ(nccl::description(), "none; SR_NCCL=off in the environment");
  expect_error(Error::Kind::unsupported, "SR_NCCL=off", [] { nccl::library(); });
  setenv("SR_NCCL", "no", 1);
  expect_error(Error::Kind::usage, "SR_NCCL=no: want off", [] { nccl::description(); });
  unsetenv("SR_NCCL");
}

NcclOffer offer(int version, const std::string& host, const std::string& gpu) {
  NcclOffer offer;
  offer.version = version, offer.host = host, offer.gpu = gpu;
  return offer;
}

TEST(Nccl, IsTakenWhereAllHaveTheSameAndAGpuEach) {
  const NcclOffer first = offer(22809, "a", "0000:17:00");
  EXPECT_EQ(why_not_nccl({first, offer(22809, "a", "0000:65:00"), offer(22809, "b", "0000:17:00")}), "");
  EXPECT_EQ(why_not_nccl({first, offer(22809, "b", "0000:17:00"), offer(22809, "a", "0000:17:00")}),
            "ranks 0 and 2 share a GPU of a");
  EXPECT_EQ(why_not_nccl({first, offer(22005, "b", "0000:17:00")}), "rank 1 has NCCL 2.20.5, rank 0 2.28.9");
  NcclOffer none = offer(0, "b", "0000:17:00");
  none.missing = "libnccl.so.2: cannot open shared object file";
  EXPECT_EQ(why_not_nccl({first, none}), "rank 1 has no NCCL (libnccl.so.2: cannot open shared object file)");
}

}  // namespace
}  // namespace sr
