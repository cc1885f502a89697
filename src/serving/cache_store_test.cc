#include "serving/cache_store.h"

#include <cstring>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "sys/sim/sim_rng.h"

namespace slip::serving {
namespace {

constexpr int64_t kForever = INT64_MAX / 4;

Tensor floats(std::string name, std::vector<int64_t> shape, std::string bytes) {
  Tensor t;
  t.name = std::move(name);
  t.shape = std::move(shape);
  t.data = std::move(bytes);
  return t;
}

Tensor texts(std::string name, std::vector<std::string> values) {
  Tensor t;
  t.name = std::move(name);
  t.type = DataType::kBytes;
  t.shape = {static_cast<int64_t>(values.size())};
  t.strings = std::move(values);
  return t;
}

struct Asked {
  std::string scope;
  std::vector<Tensor> inputs;
  std::vector<std::string> outputs;
};

CacheKey key_of(const Asked& a, uint64_t seed = 7) {
  return CacheQuestion(a.scope, a.inputs, a.outputs, seed).key();
}

// Whatever differs in what decides an answer differs in the key, and nothing else does.
TEST(CacheKey, HasAllThatDecides) {
  const Tensor x = floats("x", {1, 2}, std::string("\1\0\0\0\2\0\0\0", 8));
  const Tensor y = floats("y", {1}, "abcd");
  const auto as = [&](auto edit) {
    Tensor t = x;
    edit(t);
    return t;
  };
  const std::vector<Asked> different = {
      {"s", {x}, {}},
      {"s2", {x}, {}},
      {"s", {x}, {"a"}},
      {"s", {x}, {"a", "b"}},
      {"s", {x}, {"b", "a"}},
      {"s", {x}, {"ab"}},
      {"s", {}, {}},
      {"s", {x, y}, {}},
      {"s", {as([](Tensor& t) { t.name = "z"; })}, {}},
      {"s", {as([](Tensor& t) { t.type = DataType::kInt32; })}, {}},
      {"s", {as([](Tensor& t) { t.shape = {2, 1}; })}, {}},
      {"s", {as([](Tensor& t) { t.shape = {2}; })}, {}},
      {"s", {as([](Tensor& t) { t.data[7] = 1; })}, {}},
      {"s", {as([](Tensor& t) { t.data += '\0'; })}, {}},
      {"s", {floats("x", {1}, std::string("\0\0\xc0\x7f", 4))}, {}},  // NaN,
      {"s", {floats("x", {1}, std::string("\1\0\xc0\x7f", 4))}, {}},  // and another one;
      {"s", {floats("x", {1}, std::string("\0\0\0\0", 4))}, {}},      // 0,
      {"s", {floats("x", {1}, std::string("\0\0\0\x80", 4))}, {}},    // and -0.
      {"s", {texts("t", {"ab", "c"})}, {}},
      {"s", {texts("t", {"a", "bc"})}, {}},
      {"s", {texts("t", {"abc", ""})}, {}},
      {"s", {texts("t", {"abc"})}, {}},
      {"s", {texts("t", {std::string("ab\0", 3)})}, {}},
  };
  std::set<codec::Hash128> hashes;
  for (size_t i = 0; i < different.size(); ++i) {
    const Asked& a = different[i];
    const CacheQuestion question(a.scope, a.inputs, a.outputs, 7);
    EXPECT_TRUE(hashes.insert(question.hash()).second) << i;
    for (size_t k = 0; k < different.size(); ++k)
      EXPECT_EQ(question.is(key_of(different[k])), i == k) << i << " and " << k;
  }
  // The order of inputs decides nothing.
  EXPECT_EQ(key_of({"s", {x, y}, {}}).hash, key_of({"s", {y, x}, {}}).hash);
  EXPECT_TRUE(CacheQuestion("s", std::vector<Tensor>{y, x}, {}, 7).is(key_of({"s", {x, y}, {}})));
  EXPECT_NE(key_of({"s", {x}, {}}, 7).hash, key_of({"s", {x}, {}}, 8).hash);
}

class Store {
 public:
  explicit Store(int64_t bytes_max) : store(bytes_max) {}

  // The answer to question `n` is its number and `stamp`.
  bool put(int64_t n, int64_t stamp, int64_t now_ns, int64_t ttl_ns = kForever,
           size_t more_bytes = 0) {
    CacheEntry e;
    e.key = std::make_shared<const CacheKey>(key_of(asked(n)));
    std::string bytes(16 + more_bytes, '\0');
    std::memcpy(bytes.data(), &n, 8);
    std::memcpy(bytes.data() + 8, &stamp, 8);
    e.outputs = std::make_shared<const std::vector<Tensor>>(1, floats("y", {4}, std::move(bytes)));
    e.made_ns = now_ns;
    e.ttl_ns = ttl_ns;
    e.bytes = entry_bytes(*e.key, *e.outputs);
    return store.put(std::move(e), now_ns);
  }
  // Its stamp; -1: not known.
  int64_t get(int64_t n, int64_t now_ns, int64_t ttl_ns = kForever) {
    const Asked a = asked(n);
    const CacheQuestion question(a.scope, a.inputs, a.outputs, 7);
    const CacheStore::Found found = store.find(question.hash(), now_ns, ttl_ns);
    if (!found.outputs) return -1;
    EXPECT_TRUE(question.is(*found.key));
    int64_t got = 0, stamp = 0;
    std::memcpy(&got, (*found.outputs)[0].data.data(), 8);
    std::memcpy(&stamp, (*found.outputs)[0].data.data() + 8, 8);
    EXPECT_EQ(got, n);
    return stamp;
  }
  static Asked asked(int64_t n) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &n, 8);
    return {"s", {floats("x", {2}, std::move(bytes))}, {}};
  }
  static int64_t one() {
    Store probe(1 << 20);
    probe.put(1, 1, 0);
    return probe.store.stats().bytes;
  }

  CacheStore store;
};

// Against a map that never forgets: what is found is what was last put, and young enough; the room
// is never exceeded; what was just put is there.
TEST(CacheStore, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    sim::SimRng rng(seed);
    const int64_t room = Store::one() * static_cast<int64_t>(3 + rng.u64() % 40);
    Store s(room);
    struct Put {
      int64_t stamp, at_ns, ttl_ns;
    };
    std::map<int64_t, Put> oracle;
    int64_t now = 0, hits = 0;
    for (int64_t i = 0; i < 4000; ++i) {
      now += static_cast<int64_t>(rng.u64() % 10);
      const auto n = static_cast<int64_t>(rng.u64() % 60);
      if (rng.u64() % 3 == 0) {
        const Put put{i, now, static_cast<int64_t>(1 + rng.u64() % 500)};
        if (s.put(n, put.stamp, put.at_ns, put.ttl_ns, rng.u64() % 300)) {
          oracle[n] = put;
          EXPECT_EQ(s.get(n, now), i);
        }
      } else {
        const auto ttl = static_cast<int64_t>(1 + rng.u64() % 500);
        const int64_t got = s.get(n, now, ttl);
        if (got < 0) continue;
        ++hits;
        const Put& put = oracle.at(n);
        EXPECT_EQ(got, put.stamp);
        EXPECT_LT(now - put.at_ns, std::min(ttl, put.ttl_ns));
      }
      ASSERT_LE(s.store.stats().bytes, room);
    }
    EXPECT_GT(hits, 50) << seed;
    while (s.store.evict_one(now)) {}
    EXPECT_EQ(s.store.stats().bytes, 0);
    EXPECT_EQ(s.store.stats().entries, 0);
  }
}

TEST(CacheStore, TellsTheMomentOfItsEnd) {
  Store s(1 << 20);
  s.put(1, 5, 1000, 100);
  EXPECT_EQ(s.get(1, 1099), 5);
  EXPECT_EQ(s.get(1, 1050, 51), 5);   // Of the asker's own limit, too:
  EXPECT_EQ(s.get(1, 1050, 50), -1);  // what he doesn't want goes.
  s.put(1, 6, 2000, 100);
  EXPECT_EQ(s.get(1, 2100), -1);
  EXPECT_EQ(s.store.stats().entries, 0);
  EXPECT_EQ(s.store.stats().expired, 2);
}

TEST(CacheStore, RefusesWhatIsTooLarge) {
  Store s(Store::one() * 10);
  EXPECT_FALSE(s.put(1, 1, 0, kForever, static_cast<size_t>(Store::one()) * 5));
  EXPECT_TRUE(s.put(1, 1, 0, kForever, static_cast<size_t>(Store::one()) * 3));
}

// Requests that come once must not take the place of those that come again.
TEST(CacheStore, AScanLeavesWhatIsUsed) {
  const int64_t kHot = 50;
  Store s(Store::one() * 100);
  int64_t now = 0;
  const auto ask = [&](int64_t n) {
    ++now;
    if (s.get(n, now) >= 0) return true;
    s.put(n, n, now);
    return false;
  };
  for (int round = 0; round < 4; ++round)
    for (int64_t n = 0; n < kHot; ++n) ask(n);
  int64_t hits = 0, asked = 0, once = 1000;
  for (int round = 0; round < 40; ++round) {
    for (int64_t k = 0; k < 200; ++k) ask(once++);
    for (int64_t n = 0; n < kHot; ++n) {
      ++asked;
      hits += ask(n) ? 1 : 0;
    }
  }
  EXPECT_GT(hits * 10, asked * 9) << hits << " of " << asked;
}

}  // namespace
}  // namespace slip::serving
