#include <gtest/gtest.h>

#include "app/world.h"
#include "base/text.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/rng.h"
#include "test/store/dbs.h"

// Data directories of released builds (test/corpus/datadir, written by test/e2e/datadir.py) are
// brought to this build's schema. What the server says of them: test/e2e/smoke_datadir.py.
namespace slip::app {
namespace {

using codec::Json;

constexpr const char* kKept = "test/corpus/datadir";
constexpr int64_t kFileMax = 64 << 20;
constexpr size_t kTarBlock = 512;

int64_t octal(std::string_view field) {
  int64_t n = 0;
  for (const char c : field)
    if (c >= '0' && c <= '7') n = n * 8 + (c - '0');
  return n;
}

// A USTAR archive of folders and files, parents first.
void unpack(std::string_view tar, const std::string& dir) {
  while (tar.size() >= kTarBlock && tar[0] != '\0') {
    const std::string_view header = tar.substr(0, kTarBlock);
    const std::string_view name = header.substr(0, 100);
    const std::string path = concat({dir, "/", name.substr(0, name.find('\0'))});
    const size_t size = static_cast<size_t>(octal(header.substr(124, 12)));
    tar.remove_prefix(kTarBlock);
    if (header[156] == '5') {
      ASSERT_TRUE(real_fs().make_dirs(path).ok()) << path;
      continue;
    }
    ASSERT_EQ(header[156], '0') << path;
    ASSERT_LE(size, tar.size()) << path;
    ASSERT_TRUE(write_file_atomic(real_fs(), path, tar.substr(0, size)).ok()) << path;
    tar.remove_prefix((size + kTarBlock - 1) / kTarBlock * kTarBlock);
  }
}

class KeptDatadir : public testing::TestWithParam<std::string> {
 protected:
  KeptDatadir()
      : dir_(testing::TempDir() + "slip-kept-" + new_uuid7(real_clock(), real_rng()).hex()) {}
  ~KeptDatadir() override { ignore(real_fs().remove_all(dir_), "a leftover"); }

  void SetUp() override {
    const std::string packed =
        read_file(real_fs(), concat({kKept, "/", GetParam(), ".tar.gz"}), kFileMax).value();
    ASSERT_TRUE(real_fs().make_dirs(dir_).ok());
    unpack(codec::gzip_decompress(packed, kFileMax).value(), dir_);
    const std::string text =
        read_file(real_fs(), concat({kKept, "/", GetParam(), ".json"}), kFileMax).value();
    facts_ = *codec::parse_json(text).value().find("facts");
  }
  std::unique_ptr<store::Db> open_db() {
    return store::open_sqlite({real_fs(), real_clock(), real_executor(), null_log()},
                              dir_ + "/slipway.db", {})
        .value();
  }

  const std::string dir_;
  Json facts_;
};

std::vector<std::string> kept() {
  std::vector<std::string> out;
  const auto files = real_fs().list(kKept);
  if (!files.ok()) return out;  // Not run from the root of the repository: NoneIsForgotten fails.
  for (const FileInfo& file : *files)
    if (file.name.ends_with(".tar.gz")) out.push_back(file.name.substr(0, file.name.size() - 7));
  return out;
}

TEST(KeptDatadirs, NoneIsForgotten) { EXPECT_GE(kept().size(), 1U); }

INSTANTIATE_TEST_SUITE_P(Of, KeptDatadir, testing::ValuesIn(kept()), [](const auto& made) {
  std::string name = made.param;
  for (char& c : name)
    if (!isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST_P(KeptDatadir, ComesToTodaysSchema) {
  test::TempDb fresh;
  const std::vector<store::Migration> steps = all_migrations();
  ASSERT_TRUE(store::migrate(*fresh, steps).ok());
  const std::unique_ptr<store::Db> db = open_db();
  const Status migrated = store::migrate(*db, steps);
  ASSERT_TRUE(migrated.ok()) << migrated.error().text;
  EXPECT_EQ(test::schema_of(*db), test::schema_of(*fresh));
  std::string integrity;
  int64_t events = 0;
  const Status read = db->read([&](store::Tx& tx) -> Status {
    TRY(tx.first("PRAGMA integrity_check", {},
                 [&](const store::Row& row) { integrity = row.str(0); }));
    TRY(tx.first("SELECT count(*) FROM ledger_event", {},
                 [&](const store::Row& row) { events = row.i64(0); }));
    return {};
  });
  ASSERT_TRUE(read.ok()) << read.error().text;
  EXPECT_EQ(integrity, "ok");
  EXPECT_EQ(events, static_cast<int64_t>(facts_.find("ledger")->items().size()));
}

// `./dev gen` writes schema.sql anew when this fails.
TEST(WholeSchema, IsWhatTheStepsComeTo) {
  test::TempDb by_steps, at_once, again;
  const std::vector<store::Migration> steps = all_migrations();
  ASSERT_TRUE(store::migrate(*by_steps, steps).ok());
  const auto text = store::dump_schema(*by_steps, steps);
  ASSERT_TRUE(text.ok()) << text.error().text;
  EXPECT_TRUE(*text == whole_schema());
  ASSERT_TRUE(store::migrate(*at_once, steps, *text).ok());
  EXPECT_EQ(store::dump_schema(*at_once, steps).value(), *text);
  EXPECT_EQ(test::schema_of(*at_once), test::schema_of(*by_steps));
  EXPECT_TRUE(store::migrate(*at_once, steps, *text).ok());  // Every step counts as taken.
  // What other steps came to is passed over: here it would make nothing at all.
  ASSERT_TRUE(store::migrate(*again, steps, "-- steps 0\n").ok());
  EXPECT_EQ(test::schema_of(*again), test::schema_of(*by_steps));
}

TEST_P(KeptDatadir, OpensAndHasEveryBlob) {
  Config config =
      Config::resolve({real_fs(), real_process(), {{"data_dir", dir_}, {"db", ""}}, ""}).value();
  auto world = World::open(
      {real_fs(), real_clock(), real_rng(), real_process(), real_executor(), null_log()},
      std::move(config));
  ASSERT_TRUE(world.ok()) << world.error().text;
  World& w = **world;
  int64_t blobs = 0;
  const auto keep = [&](const store::Digest& digest) {
    const Status sound = w.blobs->verify(digest);
    EXPECT_TRUE(sound.ok()) << sound.error().text;
    ++blobs;
  };
  ASSERT_TRUE(w.data->mark(keep).ok());
  ASSERT_TRUE(w.tracking->artifacts.mark(keep).ok());
  ASSERT_TRUE(w.registry->mark(keep).ok());
  ASSERT_TRUE(w.archive->mark(keep).ok());
  EXPECT_GE(blobs, 4);
}

}  // namespace
}  // namespace slip::app
