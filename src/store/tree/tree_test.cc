#include "store/tree/tree.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "store/tree/range_internal.h"
#include "test/gen/dice.h"
#include "test/store/mem_blobs.h"

namespace slip::store::tree {
namespace {

constexpr Shape kSmall{.entries_target = 8, .entries_max = 20};

using Model = std::map<std::string, Entry>;

Entry make(const std::string& path, uint64_t content) {
  return {path, codec::sha256(std::to_string(content)), static_cast<int64_t>(content % 1000),
          content % 3 ? "" : "meta " + std::to_string(content)};
}

std::string any_path(gen::Dice& dice) {
  std::string out = "d" + std::to_string(dice.below(4));
  for (uint64_t i = dice.below(3); i > 0; --i) out += "/" + std::to_string(dice.below(30));
  return out + "/f" + std::to_string(dice.below(60));
}

std::vector<Entry> entries_of(const Model& model) {
  std::vector<Entry> out;
  for (const auto& [path, entry] : model) out.push_back(entry);
  return out;
}

Model model_of(Blobs& blobs, const Digest& root) {
  Model out;
  CHECK(scan(blobs, root, "", "", [&](const Entry& e) {
          out[e.path] = e;
          return true;
        }).ok());
  return out;
}

Entry before_of(const Model& model, const std::string& path) {
  const auto found = model.find(path);
  return found == model.end() ? Entry{} : found->second;
}

TEST(Tree, ChecksPaths) {
  for (const char* good : {"a", "a/b", ".hidden", "a..b", "\xc3\xa9/x y"})
    EXPECT_TRUE(check_path(good).ok()) << good;
  for (const std::string& bad :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string("a/../b"), std::string("a/./b"), std::string("\xff"), std::string("a\0b", 3),
        std::string(1025, 'x')})
    EXPECT_EQ(check_path(bad).error().reason, "tree.path") << bad.substr(0, 20);
}

TEST(Tree, RefusesWhatIsNoMap) {
  test::MemBlobs blobs;
  EXPECT_EQ(build(blobs, {make("a", 1), make("a", 2)}).error().reason, "tree.duplicate");
  EXPECT_EQ(build(blobs, {make("../a", 1)}).error().reason, "tree.path");
  const Digest root = build(blobs, {}).value();
  EXPECT_EQ(apply(blobs, root, {{"a", {}, make("b", 1)}}).error().reason, "tree.path");
  EXPECT_EQ(apply(blobs, root, {{"a", {}, {}}, {"a", {}, {}}}).error().reason, "tree.duplicate");
  EXPECT_EQ(find(blobs, root, "a").error().reason, "tree.not_found");
  EXPECT_EQ(find(blobs, codec::sha256("none"), "a").error().reason, "tree.not_found");
  EXPECT_EQ(find(blobs, blobs.put("not a tree").value(), "a").error().reason, "tree.corrupt");
  Entry fat = make("a", 1);
  fat.meta = std::string(kMetaBytesMax + 1, 'm');
  EXPECT_EQ(build(blobs, {fat}).error().reason, "tree.entry");
}

// Any history of changes ends at the root that building the final map gives; diff and scan agree
// with the map.
TEST(Tree, IsAMapWhateverItsHistory) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    test::MemBlobs blobs;
    Model model;
    Digest root = build(blobs, {}, kSmall).value();
    for (int step = 0; step < 12; ++step) {
      const Model before = model;
      const Digest before_root = root;
      std::map<std::string, Change> changes;
      for (uint64_t i = dice.below(dice.one_in(4) ? 200 : 6); i > 0; --i) {
        std::string path = any_path(dice);
        if (dice.one_in(3) && !model.empty())
          path = std::next(model.begin(), static_cast<int64_t>(dice.below(model.size())))->first;
        Change c{path, {}, {}};
        if (!dice.one_in(3)) c.after = make(path, dice.below(50));
        changes[path] = c;
      }
      std::vector<Change> list;
      for (const auto& [path, c] : changes) {
        list.push_back(c);
        model.erase(path);
        if (c.after) model[path] = *c.after;
      }
      std::reverse(list.begin(), list.end());
      root = apply(blobs, root, list, kSmall).value();
      ASSERT_EQ(root, build(blobs, entries_of(model), kSmall).value());
      ASSERT_EQ(model_of(blobs, root), model);
      Model patched = before;
      std::string last;
      ASSERT_TRUE(diff(blobs, before_root, root, [&](const Change& c) {
                    EXPECT_LT(last, c.path);
                    last = c.path;
                    EXPECT_EQ(c.before.has_value(), patched.contains(c.path));
                    EXPECT_EQ(c.before.value_or(Entry{}), before_of(patched, c.path));
                    patched.erase(c.path);
                    if (c.after) patched[c.path] = *c.after;
                    return true;
                  }).ok());
      ASSERT_EQ(patched, model);
    }
  }
}

TEST(Tree, FindsAndScansByPrefix) {
  gen::Dice dice = gen::Dice::seeded(4);
  test::MemBlobs blobs;
  Model model;
  for (uint64_t i = 0; i < 400; ++i) {
    const std::string path = any_path(dice);
    model[path] = make(path, i);
  }
  const Digest root = build(blobs, entries_of(model), kSmall).value();
  for (const auto& [path, entry] : model) ASSERT_EQ(find(blobs, root, path).value(), entry);
  EXPECT_EQ(find(blobs, root, "d1/zzz").error().reason, "tree.not_found");
  for (const char* prefix : {"d1", "d2/1", "d0/", "d9", ""}) {
    for (const char* from : {"", "d1/2", "d2/15/f3"}) {
      std::vector<std::string> want;
      for (const auto& [path, entry] : model)
        if (path.starts_with(prefix) && path >= from) want.push_back(path);
      std::vector<std::string> got;
      ASSERT_TRUE(scan(blobs, root, prefix, from, [&](const Entry& e) {
                    got.push_back(e.path);
                    return true;
                  }).ok());
      EXPECT_EQ(got, want) << prefix << " from " << from;
    }
  }
  int seen = 0;
  ASSERT_TRUE(scan(blobs, root, "", "", [&](const Entry&) { return ++seen < 5; }).ok());
  EXPECT_EQ(seen, 5);
}

// What a change costs: of many ranges, a few are read and a few written.
TEST(Tree, AChangeTouchesFewRanges) {
  test::MemBlobs blobs;
  Model model;
  for (uint64_t i = 0; i < 20'000; ++i) {
    const std::string path = "f" + std::to_string(i * 7919 % 1'000'000);
    model[path] = make(path, i);
  }
  const Digest root = build(blobs, entries_of(model), kSmall).value();
  const int64_t stored = blobs.count();
  blobs.reads = 0;
  const std::string path = std::next(model.begin(), 9000)->first;
  const Digest next = apply(blobs, root, {{path, {}, make(path, 999'999)}}, kSmall).value();
  EXPECT_LE(blobs.count() - stored, 4);
  EXPECT_LE(blobs.reads, 6);
  blobs.reads = 0;
  int changes = 0;
  ASSERT_TRUE(diff(blobs, root, next, [&](const Change&) { return ++changes > 0; }).ok());
  EXPECT_EQ(changes, 1);
  EXPECT_LE(blobs.reads, 4);
}

TEST(Tree, MarksEverythingItNeeds) {
  test::MemBlobs blobs;
  Model model;
  std::set<Digest> want;
  for (uint64_t i = 0; i < 300; ++i) {
    const std::string path = "p" + std::to_string(i);
    model[path] = make(path, i);
    want.insert(model[path].digest);
  }
  const Digest root = build(blobs, entries_of(model), kSmall).value();
  for (const Digest& d : blobs.all()) want.insert(d);
  std::set<Digest> got;
  ASSERT_TRUE(mark(blobs, root, [&](const Digest& d) { got.insert(d); }).ok());
  EXPECT_EQ(got, want);
}

TEST(Tree, DamagedRangesAreToldOrEqual) {
  const std::string leaf = encode_leaf(std::vector<Entry>{make("a", 3), make("b/c", 4)});
  const std::string root =
      encode_root(std::vector<Range>{{"a", 3, codec::sha256("x")}, {"b", 4, codec::sha256("y")}});
  for (const std::string& whole : {leaf, root}) {
    ASSERT_TRUE(decode_range(whole).ok());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(decode_range(whole.substr(0, i)).error().reason, "tree.corrupt");
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = whole;
        bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
        const Result<Decoded> got = decode_range(bad);
        if (!got.ok()) continue;
        EXPECT_EQ(got->is_root ? encode_root(got->ranges) : encode_leaf(got->entries), bad);
      }
    }
    EXPECT_FALSE(decode_range(whole + "x").ok());
  }
}

// The default shape, once: what is stored today has this digest for ever.
TEST(Tree, TheRootOfAKnownMapNeverChanges) {
  test::MemBlobs blobs;
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < 120'000; ++i) entries.push_back(make("k" + std::to_string(i), i));
  EXPECT_EQ(build(blobs, entries).value().hex(),
            "e71987f7cae1137ee73db8d9ce281ead547c4f1a72d992b68a995736a14d06a5");
  EXPECT_EQ(build(blobs, {}).value().hex(),
            "8cec2a95a9d15820df55eee7a156825e3aa6a0ae1d0562c3859eb3e68d43ee4c");
}

}  // namespace
}  // namespace slip::store::tree
