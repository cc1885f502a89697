#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "features/online.h"
#include "store/redis.h"

// How entities lie in Redis. Two layouts: our own packed rows, a value an entity and view, which
// several servers write side by side; and the hashes of Feast's own online store, which its
// unmodified clients read and write.
//
// Writing is a comparison and an exchange: what lies there is read, merged here, and put in its
// place if it still lies there, by a script of a few words that Redis runs whole. So rows may be
// written in any order, twice and by several at once, and the newest stays. Immutable; any thread.
//
// Errors: kInvalid `feature.redis_layout` (such a view can't lie there), kCorrupt
// `feature.redis_value` (bytes that nobody here has written).
namespace slip::features {

// One entity of one view, as somebody reads it.
struct RedisAsk {
  const CompiledView* view = nullptr;
  std::string_view key;
  Online::Want want;
};

// One entity of one view, as it is to lie there.
struct RedisPut {
  const CompiledView* view = nullptr;
  std::string_view key;
  const Online::State* state = nullptr;  // Null: not known any more.
  bool replaced = false;                 // What lies there goes, were it newer.
  int64_t now_us = 0;
  // Of a version that isn't held: the one that is, under the same name. All that is to be done is
  // that what the former had besides goes.
  const CompiledView* held = nullptr;
};

// What goes with a view: keys that match the pattern, or these fields of them.
struct RedisDrop {
  std::string pattern;
  std::vector<std::string> fields;  // Empty: the whole key.
  // Of the hashes of Feast, where the pattern alone doesn't tell where a value ends.
  std::string head;
  int64_t values = 0;
  std::string project;
  bool concerns(std::string_view key) const;
  bool operator==(const RedisDrop&) const = default;
};

class RedisLayout {
 public:
  virtual ~RedisLayout() = default;
  virtual std::string_view name() const = 0;

  virtual Status fits(const CompiledView& view, bool windowed) const = 0;
  // Of several versions of a view; `latest` is the newest one's number.
  virtual bool holds(const CompiledView& view, int64_t latest) const = 0;
  virtual RedisDrop drop_of(const CompiledView& view) const = 0;
  // A key that names the one server which may write this view; "": any number may.
  virtual std::string claim_of(const CompiledView& view) const = 0;
  // The key that an entity of a view has to itself, which nobody but such servers writes; "":
  // others do. All of a view's begin with what an entity without a name has.
  virtual std::string place_of(const CompiledView& view, std::string_view key) const = 0;
  // Rows of the future lie there too. False: they are to be put when their time has come.
  virtual bool holds_future() const = 0;

  // One command each, and what its reply says: kCorrupt `feature.redis_value`, of that one alone.
  virtual void ask(std::span<const RedisAsk> asked, store::RedisCommands* out) const = 0;
  virtual Status answer(const RedisAsk& asked, const store::RedisReply& reply,
                        EntityRead* out) const = 0;

  // One command for what lies there; then one that puts the merged state in its place and answers
  // 1, or 0 where something else lies by then. False: nothing is to be done. A key of another type
  // was written by nobody here: it goes, is answered by 0, and is looked at again.
  virtual void look(const RedisPut& put, store::RedisCommands* out) const = 0;
  virtual Result<bool> exchange(const RedisPut& put, const store::RedisReply& there,
                                store::RedisCommands* out) const = 0;
};

// `writer` names this server: of rows that are alike in everything else the greater one's stays.
std::unique_ptr<RedisLayout> packed_layout(uint64_t writer);
// A value of that layout whose rows are these bytes: for tests of what is no rows.
std::string redis_sealed_rows(std::string_view body);

// What Feast's messages say, which only wire/ can read.
class FeastMessages {
 public:
  virtual ~FeastMessages() = default;
  virtual std::string value(const Cell& cell, const FeatureType& type) const = 0;
  virtual Result<Cell> cell(std::string_view value, const FeatureType& type) const = 0;
  virtual std::string time(int64_t us) const = 0;
  virtual Result<int64_t> time_us(std::string_view message) const = 0;
};
struct FeastLayoutOptions {
  bool versioned = false;  // Names end in _v{N}, as with enable_online_feature_view_versioning.
  int64_t expire_s = 0;    // key_ttl_seconds: of the whole entity, begun anew by each write.
};
std::unique_ptr<RedisLayout> feast_layout(const FeastMessages& messages,
                                          FeastLayoutOptions options);

// Feast's spelling of an entity (serialization version 3) and of a feature's field.
std::string feast_entity_key(std::span<const FeatureField> join_keys, std::span<const Cell> values);
std::string feast_field(std::string_view view, std::string_view feature);

std::string redis_pattern(std::string_view text);  // That matches the text alone.

// What Redis runs: KEYS[1] and arguments, 1 when the exchange was made.
extern const std::string_view kPackedExchange;  // Head as it was ("" none), whole value ("" none).
// Of a hash: a field (Feast's time), its value as it was ("" none), seconds to live, n, n fields
// that go, then pairs.
extern const std::string_view kFeastExchange;
extern const std::string_view kDropOther;  // The type that the key may have.
// KEYS[1], a hash of numbers by server: the server, its last number, the next one. It is set,
// unless what lies there is less than the last one; the answer is what lies there then.
extern const std::string_view kFlushCount;

}  // namespace slip::features
