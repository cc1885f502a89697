#include "ui/pack.h"

#include <gtest/gtest.h>

#include "test/gen/dice.h"
#include "test/gen/ui_pack.h"

namespace slip::ui {
namespace {

using gen::make_ui_pack;
using gen::PackFile;
using gen::sample_ui_files;

TEST(UiPack, FindsWhatWasPacked) {
  const std::string bytes = make_ui_pack(sample_ui_files());
  const Result<Pack> pack = Pack::open(bytes);
  ASSERT_TRUE(pack.ok()) << pack.error().text;
  for (const PackFile& file : sample_ui_files()) {
    SCOPED_TRACE(file.path);
    const Entry* entry = pack->find(file.path);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->mime, file.mime);
    EXPECT_EQ(entry->immutable, file.immutable);
    for (size_t i = 0; i < kCodings; ++i) {
      EXPECT_EQ(entry->forms[i].bytes, file.forms[i]);
      EXPECT_EQ(entry->forms[i].present(), !file.forms[i].empty());
    }
  }
  for (const char* absent : {"", "assets", "assets/", "index.htm", "index.html2", "zzz"}) {
    EXPECT_EQ(pack->find(absent), nullptr) << absent;
  }
}

TEST(UiPack, NothingIsAPackOfNothing) {
  const Result<Pack> pack = Pack::open("");
  ASSERT_TRUE(pack.ok());
  EXPECT_TRUE(pack->entries().empty());
  EXPECT_EQ(pack->find("index.html"), nullptr);
}

TEST(UiPack, EmbeddedPackOpens) {
  const Result<Pack> pack = Pack::open(embedded_pack());
  ASSERT_TRUE(pack.ok()) << pack.error().text;
  if (!pack->entries().empty()) {
    EXPECT_NE(pack->find("index.html"), nullptr);
  }
}

// Every byte of a pack is covered by a digest, a length or a magic number.
TEST(UiPack, EveryFlippedBitIsNoticed) {
  const std::string good = make_ui_pack(sample_ui_files());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1 << (i % 8));
    const Result<Pack> pack = Pack::open(bad);
    ASSERT_FALSE(pack.ok()) << "byte " << i;
    EXPECT_TRUE(pack.error().reason == "ui.pack_corrupt" ||
                pack.error().reason == "ui.pack_version");
  }
}

TEST(UiPack, EveryShortenedPackIsRefused) {
  const std::string good = make_ui_pack(sample_ui_files());
  for (size_t n = 1; n < good.size(); ++n) {
    EXPECT_FALSE(Pack::open(std::string_view(good).substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(Pack::open(good + "x").ok());
}

TEST(UiPack, RefusesAnIndexThatLies) {
  struct Case {
    const char* name;
    std::vector<PackFile> files;
  };
  const PackFile a{"a", "text/plain", false, {"1", "", ""}};
  const PackFile b{"b", "text/plain", false, {"2", "", ""}};
  const Case cases[] = {
      {"out of order", {b, a}},
      {"twice", {a, a}},
      {"no path", {{"", "text/plain", false, {"1", "", ""}}}},
      {"no type", {{"a", "", false, {"1", "", ""}}}},
      {"no plain form", {{"a", "text/plain", false, {"", "gz", ""}}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string bytes = make_ui_pack(c.files);
    const Result<Pack> pack = Pack::open(bytes);
    ASSERT_FALSE(pack.ok());
    EXPECT_EQ(pack.error().reason, "ui.pack_corrupt");
  }
}

TEST(UiPack, TooManyEntriesAreRefused) {
  const auto pack_of = [](uint32_t count) {
    std::vector<PackFile> files;
    for (uint32_t i = 0; i < count; ++i) {
      files.push_back({std::to_string(10000 + i), "t", false, {"1", "", ""}});
    }
    return make_ui_pack(files);
  };
  const std::string full = pack_of(kEntriesMax);
  EXPECT_TRUE(Pack::open(full).ok());
  const std::string over = pack_of(kEntriesMax + 1);
  EXPECT_FALSE(Pack::open(over).ok());
}

// Random damage with repaired digests: whatever opens must point inside the file.
TEST(UiPack, DamagedIndexesNeverReachOutside) {
  const std::string good = make_ui_pack(sample_ui_files());
  const uint64_t index_bytes = 3 * (8 + 3 * 48) + std::string(
                                                      "assets/app-AbCd1234.js"
                                                      "text/javascript; charset=utf-8"
                                                      "assets/favicon.svgimage/svg+xml"
                                                      "index.htmltext/html; charset=utf-8")
                                                      .size();
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    gen::Dice dice = gen::Dice::seeded(seed);
    std::string bad = good;
    for (uint64_t n = 1 + dice.below(4); n > 0; --n) {
      bad[64 + dice.below(index_bytes)] = static_cast<char>(dice.below(256));
    }
    std::string digest;
    gen::put_digest(digest, std::string_view(bad).substr(64, index_bytes));
    bad.replace(32, 32, digest);
    const Result<Pack> pack = Pack::open(bad);
    if (!pack.ok()) continue;
    for (const Entry& entry : pack->entries()) {
      for (const Form& form : entry.forms) {
        if (!form.present()) continue;
        EXPECT_GE(form.bytes.data(), bad.data());
        EXPECT_LE(form.bytes.data() + form.bytes.size(), bad.data() + bad.size());
      }
    }
  }
}

}  // namespace
}  // namespace slip::ui
