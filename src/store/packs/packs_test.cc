#include "store/packs/packs.h"

#include <map>

#include <gtest/gtest.h>

#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "test/gen/bytes.h"
#include "test/gen/dice.h"

namespace slip::store::packs {
namespace {

constexpr int64_t kSmallPacks = 300 << 10;
const std::string kDir = "/data/blobs";

struct FakeClock final : Clock {
  int64_t t = 1'000'000;
  int64_t now_us() override { return ++t; }
  int64_t steady_ns() override { return t * 1000; }
};

// A store on a simulated disk, opened, cut off and opened again.
struct Bench {
  sim::SimFs fs;
  FakeClock clock;
  std::unique_ptr<Blobs> blobs;

  explicit Bench(uint64_t seed) : fs(seed) { CHECK(fs.make_dirs("/data").ok()); }
  World world() { return {fs, clock, real_executor(), null_log()}; }
  Status open() {
    blobs.reset();
    blobs = TRY(packs::open(world(), kDir, {.pack_bytes_max = kSmallPacks}));
    return {};
  }
  void power_cut() {
    fs.freeze();
    blobs.reset();
    fs.power_cut();
  }
  std::vector<std::string> pack_files() {
    std::vector<std::string> out;
    for (const FileInfo& f : fs.list(kDir).value())
      if (f.name.ends_with(".pack")) out.push_back(kDir + "/" + f.name);
    return out;
  }
};

Status keep_all(const std::vector<Digest>& digests,
                const std::function<void(const Digest&)>& keep) {
  for (const Digest& d : digests) keep(d);
  return {};
}

TEST(Blobs, KeepsWhatItWasGiven) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  std::map<Digest, std::string> all;
  for (const size_t size : {0, 1, 100, 8191, 8192, 65536, 131072, 131073, 900'000}) {
    const std::string bytes = gen::noise(size, size);
    const Digest d = b.blobs->put(bytes).value();
    EXPECT_EQ(d, codec::sha256(bytes));
    all[d] = bytes;
  }
  const std::string text = gen::repetitive(3, 400'000);
  all[b.blobs->put(text).value()] = text;
  for (int round = 0; round < 2; ++round) {
    for (const auto& [digest, bytes] : all) {
      EXPECT_EQ(b.blobs->get(digest, 1 << 20).value(), bytes);
      EXPECT_EQ(b.blobs->size(digest).value(), static_cast<int64_t>(bytes.size()));
      EXPECT_TRUE(b.blobs->verify(digest).ok());
    }
    const BlobStats stats = b.blobs->stats().value();
    EXPECT_EQ(stats.blobs, static_cast<int64_t>(all.size()));
    EXPECT_LT(stats.stored_bytes, 1'500'000);  // The text was compressed.
    ASSERT_TRUE(b.open().ok());
  }
  const Digest unknown = codec::sha256("never stored");
  EXPECT_EQ(b.blobs->open(unknown).error().reason, "blob.not_found");
  EXPECT_EQ(b.blobs->size(unknown).error().reason, "blob.not_found");
  EXPECT_FALSE(b.blobs->contains(unknown).value());
  EXPECT_EQ(b.blobs->get(codec::sha256(text), 1000).error().reason, "blob.too_large");
}

TEST(Blobs, AnyRangeInAnyOrder) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  const std::string bytes = gen::repetitive(1, 300'000) + gen::noise(1, 300'000);
  const auto reader = b.blobs->open(b.blobs->put(bytes).value()).value();
  gen::Dice dice = gen::Dice::seeded(5);
  for (int i = 0; i < 200; ++i) {
    const size_t at = dice.below(bytes.size() + 1);
    std::string out(dice.below(dice.one_in(3) ? 300'000 : 50), '\0');
    const size_t n = reader->read_at(static_cast<int64_t>(at), out).value();
    ASSERT_EQ(n, std::min(out.size(), bytes.size() - at));
    ASSERT_EQ(out.substr(0, n), bytes.substr(at, n));
  }
  std::string one(1, '\0');
  EXPECT_EQ(reader->read_at(600'001, one).error().reason, "blob.range");
  EXPECT_EQ(reader->read_at(-1, one).error().reason, "blob.range");
}

TEST(Blobs, DraftsAreNothingUntilTheyAreCommitted) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  const std::string bytes = gen::noise(1, 200'000);
  const Digest right = codec::sha256(bytes);
  const Digest wrong = codec::sha256("else");
  {
    const auto draft = b.blobs->create().value();
    ASSERT_TRUE(draft->write(bytes).ok());
    EXPECT_EQ(draft->size(), 200'000);
  }
  EXPECT_FALSE(b.blobs->contains(right).value());
  const auto draft = b.blobs->create().value();
  for (size_t i = 0; i < bytes.size(); i += 777)
    ASSERT_TRUE(draft->write(std::string_view(bytes).substr(i, 777)).ok());
  EXPECT_EQ(draft->commit(&wrong).error().reason, "blob.digest_mismatch");
  EXPECT_FALSE(b.blobs->contains(right).value());
  const auto again = b.blobs->create().value();
  ASSERT_TRUE(again->write(bytes).ok());
  EXPECT_EQ(again->commit(&right).value(), right);
}

TEST(Blobs, EqualPartsAreStoredOnce) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  std::string bytes = gen::noise(1, 2 << 20);
  ASSERT_TRUE(b.blobs->put(bytes).ok());
  const int64_t before = b.blobs->stats().value().stored_bytes;
  ASSERT_TRUE(b.blobs->put(bytes).ok());
  EXPECT_EQ(b.blobs->stats().value().stored_bytes, before);
  bytes.insert(1 << 20, "an edit in the middle");
  ASSERT_TRUE(b.open().ok());
  ASSERT_TRUE(b.blobs->put(bytes).ok());
  EXPECT_LT(b.blobs->stats().value().stored_bytes - before, 300'000);
}

TEST(Blobs, OneProcessADirectory) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  EXPECT_EQ(packs::open(b.world(), kDir, {}).error().reason, "fs.locked");
}

TEST(Blobs, RefusesPacksOfANewerFormat) {
  Bench b(1);
  ASSERT_TRUE(b.fs.make_dirs(kDir).ok());
  const auto file = b.fs.open(kDir + "/00000001.pack", OpenMode::kCreate).value();
  ASSERT_TRUE(file->append(encode_pack_header({kPackFormat + 1, 1, 7})).ok());
  EXPECT_EQ(b.open().error().reason, "blob.format_newer");
}

TEST(Blobs, SweepKeepsTheMarkedAndTheYoung) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  std::vector<Digest> all;
  for (uint64_t i = 0; i < 12; ++i) all.push_back(b.blobs->put(gen::noise(i, 100'000)).value());
  auto open_reader = b.blobs->open(all[3]).value();
  const int64_t before = b.blobs->stats().value().stored_bytes;
  const int64_t fence = b.clock.now_us();
  const Digest young = b.blobs->put("young").value();
  ASSERT_TRUE(b.blobs->contains(all[1]).value());  // Found again: somebody may refer to it now.
  const auto mark = [&](const auto& keep) { return keep_all({all[0]}, keep); };
  const SweepResult swept = b.blobs->sweep(fence, mark).value();
  EXPECT_EQ(swept.blobs_removed, 10);
  EXPECT_GT(swept.bytes_freed, 500'000);
  EXPECT_LT(b.blobs->stats().value().stored_bytes, before / 2);
  std::string rest(100'000, '\0');  // A reader in the middle of a blob reads on.
  EXPECT_EQ(open_reader->read_at(0, rest).value(), rest.size());
  EXPECT_EQ(rest, gen::noise(3, 100'000));
  open_reader.reset();
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(b.blobs->verify(all[0]).ok());
    EXPECT_TRUE(b.blobs->verify(all[1]).ok());
    EXPECT_TRUE(b.blobs->verify(young).ok());
    for (size_t i = 2; i < all.size(); ++i) EXPECT_FALSE(b.blobs->contains(all[i]).value());
    ASSERT_TRUE(b.open().ok());
  }
  EXPECT_EQ(b.blobs->put(gen::noise(5, 100'000)).value(), all[5]);
  EXPECT_TRUE(b.blobs->verify(all[5]).ok());
  const auto failing = [](const auto&) -> Status { return unavailable("test.mark", "no"); };
  EXPECT_EQ(b.blobs->sweep(b.clock.now_us(), failing).error().reason, "test.mark");
  EXPECT_TRUE(b.blobs->contains(all[5]).value());
}

TEST(Blobs, AFullDiskRefusesAndLosesNothing) {
  Bench b(1);
  ASSERT_TRUE(b.open().ok());
  const Digest kept = b.blobs->put(gen::noise(1, 150'000)).value();
  b.fs.set_capacity(250'000);
  for (uint64_t i = 2; i < 6; ++i) {
    const Result<Digest> got = b.blobs->put(gen::noise(i, 150'000));
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().reason, "fs.full");
  }
  EXPECT_TRUE(b.blobs->verify(kept).ok());
  b.fs.set_capacity(260'000);
  const Digest small = b.blobs->put("fits").value();
  b.fs.set_capacity(INT64_MAX);
  const Digest later = b.blobs->put(gen::noise(2, 150'000)).value();
  b.power_cut();
  ASSERT_TRUE(b.open().ok());
  for (const Digest& d : {kept, small, later}) EXPECT_TRUE(b.blobs->verify(d).ok());
}

// Every byte of every pack, in steps: a flipped bit is told by the blob it belongs to, whether the
// pack is sealed or scanned, and by no other; storing the same bytes again heals it.
TEST(Blobs, ADamagedByteIsFoundAndStaysAlone) {
  for (const bool sealed : {true, false}) {
    for (int64_t step = 0; step < 60; ++step) {
      SCOPED_TRACE((sealed ? "sealed, step " : "scanned, step ") + std::to_string(step));
      Bench b(1);
      ASSERT_TRUE(b.open().ok());
      std::vector<std::string> texts;
      for (uint64_t i = 0; i < 6; ++i)
        texts.push_back(i % 2 ? gen::noise(i, 20'000) : gen::repetitive(i, 30'000));
      std::vector<Digest> all;
      for (const std::string& t : texts) all.push_back(b.blobs->put(t).value());
      ASSERT_TRUE(b.blobs->put("the last").ok());
      if (!sealed) b.power_cut();
      b.blobs.reset();
      const std::string path = b.pack_files()[0];
      const int64_t size = b.fs.stat(path).value().size;
      const int64_t end = sealed ? size - 1200 : size - 600;  // Before the footer, the last frames.
      b.fs.flip_bit(path, end * step / 60, static_cast<int>(step % 8));
      ASSERT_TRUE(b.open().ok());
      int damaged = 0;
      for (size_t i = 0; i < all.size(); ++i) {
        const Status read = b.blobs->verify(all[i]);
        if (!read.ok()) {
          ++damaged;
          EXPECT_TRUE(read.error().reason == "blob.corrupt" ||
                      (!sealed && read.error().reason == "blob.not_found"))
              << read.error().text;
        }
        EXPECT_EQ(b.blobs->put(texts[i]).value(), all[i]);
        EXPECT_TRUE(b.blobs->verify(all[i]).ok());
      }
      EXPECT_LE(damaged, 1);
    }
  }
}

// ---- faults

// A fixed history that rolls packs, finds chunks again, sweeps and rewrites. Returns what the store
// acknowledged and nothing has allowed it to forget.
std::map<Digest, std::string> history(Bench& b) {
  std::map<Digest, std::string> acked;
  const auto put = [&](const std::string& bytes) {
    if (!b.blobs) return;
    const Result<Digest> got = b.blobs->put(bytes);
    if (got.ok()) acked[*got] = bytes;
  };
  std::string base = gen::noise(1, 250'000);
  for (uint64_t i = 0; i < 4; ++i) {
    base.insert(50'000 * i, "edit " + std::to_string(i));
    put(base);
    put("small " + std::to_string(i));
    put(gen::repetitive(i, 60'000));
  }
  if (!b.blobs) return acked;
  const int64_t fence = b.clock.now_us();
  std::map<Digest, std::string> kept;
  for (const auto& [digest, bytes] : acked)
    if (digest.bytes[0] % 3 == 0) kept[digest] = bytes;
  ignore(b.blobs->sweep(fence,
                        [&](const auto& keep) -> Status {
                          for (const auto& [digest, bytes] : kept) keep(digest);
                          return {};
                        }),
         "a fault may hit it");
  acked = kept;
  put(base);
  put("after the sweep");
  return acked;
}

void expect_all(Bench& b, const std::map<Digest, std::string>& acked) {
  for (const auto& [digest, bytes] : acked) {
    const Result<std::string> got = b.blobs->get(digest, 1 << 20);
    ASSERT_TRUE(got.ok()) << got.error().text << " " << bytes.substr(0, 20);
    ASSERT_EQ(*got, bytes);
  }
}

// Fail the Nth change for every N, as an I/O error and as a full disk, then go on, then crash.
TEST(Blobs, SurvivesEveryNthFault) {
  for (const sim::SimFs::Fault fault : {sim::SimFs::Fault::kIo, sim::SimFs::Fault::kFull}) {
    for (int64_t n = 1;; ++n) {
      SCOPED_TRACE("change " + std::to_string(n));
      Bench b(static_cast<uint64_t>(n));
      ASSERT_TRUE(b.open().ok());
      b.fs.fail_nth_change(n, fault);
      const std::map<Digest, std::string> acked = history(b);
      const bool happened = b.fs.fault_happened();
      b.fs.fail_nth_change(0);
      expect_all(b, acked);
      const Digest later = b.blobs->put("after the fault").value();
      if (n % 2 == 0) b.power_cut();
      const Status opened = b.open();
      ASSERT_TRUE(opened.ok()) << opened.error().text;
      expect_all(b, acked);
      EXPECT_TRUE(b.blobs->verify(later).ok());
      if (!happened) break;
    }
  }
}

// Freeze at every change (the process dies there), cut the power, open: opening itself may die too.
TEST(Blobs, SurvivesAPowerCutAtAnyMoment) {
  for (int64_t n = 1; n < 400; ++n) {
    SCOPED_TRACE("change " + std::to_string(n));
    Bench b(static_cast<uint64_t>(n) * 7919);
    ASSERT_TRUE(b.open().ok());
    b.fs.fail_nth_change(n);
    std::map<Digest, std::string> acked;
    bool cut = false;
    for (uint64_t i = 0; i < 14 && !cut; ++i) {
      const std::string bytes =
          i % 3 == 0 ? gen::noise(i / 6, 90'000 + i) : gen::repetitive(i, 50'000);
      const Result<Digest> got = b.blobs->put(bytes);
      if (got.ok()) acked[*got] = bytes;
      cut = b.fs.fault_happened();
    }
    b.power_cut();
    b.fs.fail_nth_change(1 + n % 5);
    if (!b.open().ok()) b.power_cut();
    b.fs.fail_nth_change(0);
    const Status opened = b.open();
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    expect_all(b, acked);
    // Whatever is visible can be read, acknowledged or not; and the store goes on.
    for (uint64_t i = 0; i < 14; ++i) {
      const std::string bytes =
          i % 3 == 0 ? gen::noise(i / 6, 90'000 + i) : gen::repetitive(i, 50'000);
      const Status read = b.blobs->verify(codec::sha256(bytes));
      ASSERT_TRUE(read.ok() || read.error().reason == "blob.not_found") << read.error().text;
      ASSERT_TRUE(b.blobs->put(bytes).ok());
    }
    if (!cut) break;
  }
}

// ---- many at once

// Writers, a reader and a sweeper on one baton, then the power goes. Every seed another history.
TEST(Blobs, WritersReadersAndASweepAtOnce) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::SimFs fs(seed);
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    std::map<Digest, std::string> rooted;  // What somebody refers to.
    std::map<uint64_t, int64_t> storing;   // Since when a writer stores what it will refer to.
    sim::SimExecutor executor(seed);
    const World world{fs, executor.clock(), executor, null_log()};
    executor.run([&] {
      auto blobs = packs::open(world, kDir, {.pack_bytes_max = kSmallPacks}).value();
      const auto writer = [&](uint64_t id) {
        gen::Dice dice = gen::Dice::seeded(seed * 100 + id);
        for (int i = 0; i < 6; ++i) {
          const std::string bytes = gen::noise(dice.below(4), 10'000 * (1 + dice.below(9)));
          storing[id] = world.clock.now_us();
          const Digest digest = blobs->put(bytes).value();
          if (dice.one_in(2)) rooted[digest] = bytes;
          storing.erase(id);
          if (rooted.empty() || !dice.one_in(3)) continue;
          EXPECT_TRUE(blobs->verify(rooted.begin()->first).ok());
        }
      };
      const auto mark = [&](const std::function<void(const Digest&)>& keep) -> Status {
        for (const auto& [digest, bytes] : rooted) keep(digest);
        return {};
      };
      const auto sweeper = [&] {
        for (int i = 0; i < 4; ++i) {
          int64_t fence = world.clock.now_us();
          for (const auto& [id, since] : storing) fence = std::min(fence, since);
          EXPECT_TRUE(blobs->sweep(fence, mark).ok());
        }
      };
      {
        const auto a = executor.spawn("a", [&] { writer(1); });
        const auto b = executor.spawn("b", [&] { writer(2); });
        const auto c = executor.spawn("c", [&] { writer(3); });
        const auto s = executor.spawn("sweep", sweeper);
      }
      for (const auto& [digest, bytes] : rooted)
        EXPECT_EQ(blobs->get(digest, 1 << 20).value(), bytes);
      fs.freeze();
      blobs.reset();
      fs.power_cut();
      blobs = packs::open(world, kDir, {.pack_bytes_max = kSmallPacks}).value();
      for (const auto& [digest, bytes] : rooted)
        EXPECT_EQ(blobs->get(digest, 1 << 20).value(), bytes);
    });
  }
}

// Writers that share syncs on a disk that fails somewhere: whoever was told "done" was told the
// truth, also after the power went, and whoever was told no can send again.
TEST(Blobs, WritersAtOnceOnAFailingDisk) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::SimFs fs(seed);
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    std::map<Digest, std::string> acked;
    sim::SimExecutor executor(seed);
    const World world{fs, executor.clock(), executor, null_log()};
    executor.run([&] {
      auto blobs = packs::open(world, kDir, {.pack_bytes_max = kSmallPacks}).value();
      const auto fault = seed % 2 ? sim::SimFs::Fault::kIo : sim::SimFs::Fault::kFull;
      fs.fail_nth_change(static_cast<int64_t>(1 + seed % 31), fault);
      const auto writer = [&](uint64_t id) {
        gen::Dice dice = gen::Dice::seeded(seed * 100 + id);
        for (int i = 0; i < 5; ++i) {
          const std::string bytes = gen::noise(dice.below(5), 10'000 * (1 + dice.below(9)));
          Result<Digest> got = blobs->put(bytes);
          if (!got.ok()) got = blobs->put(bytes);
          EXPECT_TRUE(got.ok()) << got.error().text;
          if (got.ok()) acked[*got] = bytes;
        }
      };
      {
        const auto a = executor.spawn("a", [&] { writer(1); });
        const auto b = executor.spawn("b", [&] { writer(2); });
        const auto c = executor.spawn("c", [&] { writer(3); });
      }
      for (const auto& [digest, bytes] : acked)
        EXPECT_EQ(blobs->get(digest, 1 << 20).value(), bytes);
      fs.freeze();
      blobs.reset();
      fs.power_cut();
      blobs = packs::open(world, kDir, {.pack_bytes_max = kSmallPacks}).value();
      for (const auto& [digest, bytes] : acked) {
        const Result<std::string> got = blobs->get(digest, 1 << 20);
        ASSERT_TRUE(got.ok()) << got.error().text;
        EXPECT_EQ(*got, bytes);
      }
    });
  }
}

}  // namespace
}  // namespace slip::store::packs
