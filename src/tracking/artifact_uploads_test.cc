#include "tracking/artifact_uploads.h"

#include <memory>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/sim/faulty_db.h"
#include "test/store/mem_blobs.h"
#include "test/tracking/world.h"

namespace slip::tracking {
namespace {

class UploadTest : public test::DbTest {
 protected:
  void SetUp() override {
    migrated(test::tracking_steps());
    start_again();
  }
  void start_again() {
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    tracking = std::make_unique<Tracking>(Deps{db(), blobs, *events, clock, real_rng()});
  }
  Result<std::string> put(const std::string& id, int64_t number, std::string_view bytes) {
    const auto draft = blobs.create().value();
    TRY(draft->write(bytes));
    return tracking->uploads.put_part(id, number, *draft);
  }
  std::string content(const std::string& at) {
    const auto entry = tracking->artifacts.find(ctx, at);
    if (!entry.ok()) return std::string(entry.error().reason);
    return blobs.get(entry->digest, 1 << 20).value();
  }

  Ctx ctx;
  test::FakeClock clock;
  test::MemBlobs blobs;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Tracking> tracking;
  const std::string path = "0/r/artifacts/big.bin";
};

TEST_P(UploadTest, PartsInAnyOrderBecomeOneArtifact) {
  ArtifactUploads& uploads = tracking->uploads;
  const std::string id = uploads.begin(ctx, path, 3).value();
  const std::string third = put(id, 3, "cc").value();
  const std::string wrong = put(id, 1, "xx").value();
  const std::string first = put(id, 1, "aa").value();  // Replaces it.
  EXPECT_EQ(content(path), "artifact.not_found");
  start_again();  // As after a restart.
  const std::string second = put(id, 2, "bb").value();
  struct Case {
    std::vector<UploadPart> parts;
    const char* reason;
  };
  const Case cases[] = {{{{1, first}, {2, second}}, "upload.parts"},
                        {{{2, second}, {1, first}, {3, third}}, "upload.parts"},
                        {{{1, first}, {1, first}, {3, third}}, "upload.parts"},
                        {{{1, wrong}, {2, second}, {3, third}}, "upload.etag"},
                        {{{1, ""}, {2, second}, {3, third}}, "upload.etag"}};
  for (const Case& c : cases)
    EXPECT_EQ(tracking->uploads.complete(ctx, path, id, c.parts).error().reason, c.reason);
  EXPECT_EQ(content(path), "artifact.not_found");
  const std::vector<UploadPart> all = {{1, "\"" + first + "\""}, {2, second}, {3, third}};
  EXPECT_TRUE(tracking->uploads.complete(ctx, path, id, all).ok());
  EXPECT_EQ(content(path), "aabbcc");
  EXPECT_TRUE(tracking->uploads.complete(ctx, path, id, all).ok());  // The reply was lost.
  EXPECT_EQ(put(id, 1, "zz").error().reason, "upload.not_found");
  EXPECT_TRUE(tracking->uploads.abort(ctx, path, id).ok());
  EXPECT_EQ(content(path), "aabbcc");
}

// Whoever is not the one who began an upload, or names another path, can neither end nor end it up
// somewhere else.
TEST_P(UploadTest, AnUploadBelongsToWhoBeganIt) {
  const std::string id = tracking->uploads.begin(ctx, path, 1).value();
  const std::vector<UploadPart> parts = {{1, put(id, 1, "mine").value()}};
  Ctx other = ctx;
  other.actor_uid = "mallory";
  Ctx elsewhere = ctx;
  elsewhere.project.text = "other";
  EXPECT_EQ(tracking->uploads.complete(other, path, id, parts).error().reason, "upload.not_found");
  EXPECT_EQ(tracking->uploads.complete(elsewhere, path, id, parts).error().reason,
            "upload.not_found");
  EXPECT_EQ(tracking->uploads.complete(ctx, "0/victim/artifacts/m", id, parts).error().reason,
            "upload.not_found");
  EXPECT_TRUE(tracking->uploads.abort(other, path, id).ok());  // And changes nothing.
  EXPECT_TRUE(tracking->uploads.complete(ctx, path, id, parts).ok());
  EXPECT_EQ(content(path), "mine");
}

TEST_P(UploadTest, WhatNobodyCompletesExpires) {
  const std::string old = tracking->uploads.begin(ctx, path, 2).value();
  put(old, 1, "a").value();
  clock.advance_ms(kUploadKeptMs / 2);
  put(old, 2, "b").value();  // Keeps it alive.
  const std::string idle = tracking->uploads.begin(ctx, path, 1).value();
  clock.advance_ms(kUploadKeptMs / 2 + 1);
  EXPECT_EQ(tracking->uploads.expire().value(), 0);
  int kept = 0;
  const auto count = [&](const store::Digest&) { ++kept; };
  EXPECT_TRUE(tracking->uploads.mark(count).ok());
  EXPECT_EQ(kept, 2);
  clock.advance_ms(kUploadKeptMs / 2);
  EXPECT_EQ(tracking->uploads.expire().value(), 2);
  EXPECT_EQ(put(old, 1, "a").error().reason, "upload.not_found");
  EXPECT_EQ(put(idle, 1, "a").error().reason, "upload.not_found");
  kept = 0;
  EXPECT_TRUE(tracking->uploads.mark(count).ok());
  EXPECT_EQ(kept, 0);

  const std::string given_up = tracking->uploads.begin(ctx, path, 1).value();
  put(given_up, 1, "x").value();
  EXPECT_TRUE(tracking->uploads.abort(ctx, path, given_up).ok());
  EXPECT_EQ(tracking->uploads.complete(ctx, path, given_up, {{1, "x"}}).error().reason,
            "upload.not_found");
  EXPECT_EQ(tracking->uploads.expire().value(), 1);
}

TEST_P(UploadTest, LimitsAndPaths) {
  EXPECT_EQ(tracking->uploads.begin(ctx, path, 0).error().reason, "upload.parts");
  EXPECT_EQ(tracking->uploads.begin(ctx, path, kUploadPartsMax + 1).error().reason, "upload.parts");
  for (const char* bad : {"", "0/r/artifacts", "../x", "/etc/passwd", "a/%2e%2e/b", "a\\b", "a#b"})
    EXPECT_EQ(tracking->uploads.begin(ctx, bad, 1).error().code, Code::kInvalid) << bad;
  const std::string id = tracking->uploads.begin(ctx, path, kUploadPartsMax).value();
  EXPECT_EQ(put(id, 0, "a").error().reason, "upload.number");
  EXPECT_EQ(put(id, kUploadPartsMax + 1, "a").error().reason, "upload.number");
  EXPECT_EQ(put("guessed", 1, "a").error().reason, "upload.not_found");
}

// Whatever write fails: the artifact is whole or not there, and trying again ends well.
TEST_P(UploadTest, FailuresLeaveNothingHalfVisible) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    test::FaultyDb bad(db(), gen::Dice::seeded(seed), 5);
    Tracking shaky(Deps{bad, blobs, *events, clock, real_rng()});
    const std::string at = "0/r/artifacts/f" + std::to_string(seed);
    const auto again = [](const auto& step) {
      for (int i = 0; i < 50; ++i)
        if (step()) return true;
      return false;
    };
    std::string id;
    std::vector<UploadPart> parts;
    ASSERT_TRUE(again([&] {
      const auto begun = shaky.uploads.begin(ctx, at, 2);
      if (begun.ok()) id = *begun;
      return begun.ok();
    }));
    for (int64_t n = 1; n <= 2; ++n)
      ASSERT_TRUE(again([&] {
        const auto draft = blobs.create().value();
        draft->write(n == 1 ? "one" : "two").value();
        const auto etag = shaky.uploads.put_part(id, n, *draft);
        if (etag.ok()) parts.push_back({n, *etag});
        return etag.ok();
      }));
    ASSERT_TRUE(again([&] {
      const std::string seen = content(at);
      EXPECT_TRUE(seen == "artifact.not_found" || seen == "onetwo") << seen;
      return shaky.uploads.complete(ctx, at, id, parts).ok();
    }));
    EXPECT_EQ(content(at), "onetwo");
  }
}

SLIP_EVERY_DB(UploadTest);

}  // namespace
}  // namespace slip::tracking
