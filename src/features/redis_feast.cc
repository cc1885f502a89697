#include <algorithm>

#include "base/text.h"
#include "engine/window/bytes.h"
#include "features/packed.h"
#include "features/redis_layout.h"

// The layout of Feast's own Redis online store (0.66): a hash an entity and project, in it a field
// a feature and the event time of each view. It holds one row a view, the newest; nothing but its
// event time orders rows, and windows have no place in it.
namespace slip::features {
namespace {

using engine::Type;
using store::RedisCommands;
using store::RedisReply;
using window::put;

// Numbers of feast.types.ValueType.
constexpr uint32_t kBytes = 1;
constexpr uint32_t kString = 2;
constexpr uint32_t kInt32 = 3;
constexpr uint32_t kInt64 = 4;
constexpr uint32_t kUnixTimestamp = 8;

// Of a view without keys Feast writes one entity, under this name.
constexpr std::string_view kNobody = "__dummy_id";

constexpr uint32_t rotl(uint32_t v, int by) { return v << by | v >> (32 - by); }

// MurmurHash3_x86_32 with seed 0. https://github.com/aappleby/smhasher (public domain)
uint32_t murmur3(std::string_view text) {
  constexpr uint32_t c1 = 0xcc9e2d51;
  constexpr uint32_t c2 = 0x1b873593;
  uint32_t h = 0;
  std::string_view in = text;
  uint32_t block = 0;
  while (window::take(in, block)) h = rotl(h ^ rotl(block * c1, 15) * c2, 13) * 5 + 0xe6546b64;
  uint32_t tail = 0;
  for (size_t i = in.size(); i > 0; --i) tail = tail << 8 | static_cast<uint8_t>(in[i - 1]);
  h ^= rotl(tail * c1, 15) * c2;
  h ^= static_cast<uint32_t>(text.size());
  h = (h ^ h >> 16) * 0x85ebca6b;
  h = (h ^ h >> 13) * 0xc2b2ae35;
  return h ^ h >> 16;
}

uint32_t value_type(const FeatureType& type) {
  if (type.type == Type::kBytes) return kBytes;
  if (type.type == Type::kText) return kString;
  if (type.type == Type::kTimestampUs) return kUnixTimestamp;
  return type.narrow ? kInt32 : kInt64;
}

std::string value_bytes(const Cell& cell, uint32_t type) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  const auto* number = std::get_if<int64_t>(&cell);
  const int64_t n = number == nullptr ? 0 : *number;
  std::string out;
  if (type == kInt32)
    put(out, static_cast<int32_t>(n));
  else
    put(out, type == kUnixTimestamp ? n / 1'000'000 - (n % 1'000'000 < 0 ? 1 : 0) : n);
  return out;
}

std::string key_names(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string out;
  put(out, static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) {
    put(out, kString);
    window::put_text(out, name);
  }
  return out;
}

class Feast final : public RedisLayout {
 public:
  Feast(const FeastMessages& messages, FeastLayoutOptions options)
      : messages_(messages), options_(options) {}

  std::string_view name() const override { return "feast"; }

  Status fits(const CompiledView& view, bool windowed) const override {
    if (windowed)
      return invalid("feature.redis_layout",
                     concat({"view ", view.name, " has windows, which change as time goes by:",
                             " Feast's layout holds values alone"}))
          .with_hint("serve with --redis-layout packed, or say `online: false`");
    for (const FeatureField& key : view.join_keys)
      if (key.type.type == Type::kBool || key.type.type == Type::kDouble)
        return invalid("feature.redis_layout",
                       concat({"view ", view.name, ": Feast's layout has no keys of type ",
                               key.type.text(), " (", key.name, ")"}))
            .with_hint("serve with --redis-layout packed, or make the key an integer or text");
    return {};
  }

  bool holds(const CompiledView& view, int64_t latest) const override {
    return options_.versioned || view.version == latest;
  }

  RedisDrop drop_of(const CompiledView& view) const override {
    std::vector<std::string> names;
    for (const FeatureField& key : view.join_keys) names.push_back(key.name);
    if (names.empty()) names.emplace_back(kNobody);
    RedisDrop out;
    out.values = static_cast<int64_t>(names.size());
    out.head = key_names(std::move(names));
    out.project = view.project;
    out.pattern = concat({redis_pattern(out.head), "*", redis_pattern(view.project)});
    out.fields = fields_of(view);
    return out;
  }
  std::string claim_of(const CompiledView&) const override { return ""; }
  std::string place_of(const CompiledView&, std::string_view) const override { return ""; }
  bool holds_future() const override { return false; }

  void ask(std::span<const RedisAsk> asked, RedisCommands* out) const override {
    for (const RedisAsk& one : asked) {
      const std::string name = name_of(*one.view);
      const std::string key = key_of(*one.view, one.key);
      std::vector<std::string> fields;
      for (const size_t i : one.want.features)
        fields.push_back(feast_field(name, one.view->features[i].name));
      fields.push_back(concat({"_ts:", name}));
      std::vector<std::string_view> words = {"HMGET", key};
      words.insert(words.end(), fields.begin(), fields.end());
      out->add(words);
    }
  }

  void look(const RedisPut& what, RedisCommands* out) const override {
    out->add({"HGET", key_of(*what.view, what.key), concat({"_ts:", name_of(*what.view)})});
  }

  Result<bool> exchange(const RedisPut& what, const RedisReply& there,
                        RedisCommands* out) const override {
    const CompiledView& view = *what.view;
    if (what.held != nullptr) {
      if (there.is_error()) return false;
      return forget(what, there, out);
    }
    const OnlineRow* row = served(what);
    if (row == nullptr && !what.replaced) return false;
    if (there.is_error()) {
      out->add({"EVAL", kDropOther, "1", key_of(view, what.key), "hash"});
      return true;
    }
    // What is no time was written by nobody: it goes. Of rows of one time ours comes last, and of
    // ours the one that was created last.
    int64_t known_us = INT64_MIN;
    if (const Result<int64_t> us = messages_.time_us(there.text); !there.text.empty() && us.ok())
      known_us = *us;
    if (!what.replaced && known_us > row->event_us) return false;
    const bool gone = row == nullptr || row->deleted;
    if (gone && there.is_nil() && !what.replaced) return false;
    std::vector<std::string> words = {"EVAL",
                                      std::string(kFeastExchange),
                                      "1",
                                      key_of(view, what.key),
                                      concat({"_ts:", name_of(view)}),
                                      there.text,
                                      std::to_string(gone ? 0 : options_.expire_s)};
    const std::vector<std::string> fields = fields_of(view);
    words.push_back(gone ? std::to_string(fields.size()) : "0");
    if (gone) {
      words.insert(words.end(), fields.begin(), fields.end());
    } else {
      add_pairs(view, *row, &words);
    }
    out->add(std::vector<std::string_view>(words.begin(), words.end()));
    return true;
  }

 private:
  static Error damaged() {
    return corrupt("feature.redis_value", "a value in Redis is none of Feast's");
  }

  Result<bool> forget(const RedisPut& what, const RedisReply& there, RedisCommands* out) const {
    std::vector<std::string> fields = fields_of(*what.view);
    const std::vector<std::string> kept = fields_of(*what.held);
    std::erase_if(fields, [&](const std::string& f) {
      return std::find(kept.begin(), kept.end(), f) != kept.end();
    });
    if (!what.replaced || fields.empty()) return false;
    std::vector<std::string> words = {"EVAL",
                                      std::string(kFeastExchange),
                                      "1",
                                      key_of(*what.view, what.key),
                                      concat({"_ts:", name_of(*what.view)}),
                                      there.text,
                                      "0",
                                      std::to_string(fields.size())};
    words.insert(words.end(), fields.begin(), fields.end());
    out->add(std::vector<std::string_view>(words.begin(), words.end()));
    return true;
  }

  static const OnlineRow* served(const RedisPut& what) {
    if (what.state == nullptr || what.state->rows.empty()) return nullptr;
    const OnlineRow& first = what.state->rows.front();
    return first.event_us <= what.now_us ? &first : nullptr;
  }

  std::string name_of(const CompiledView& view) const {
    return options_.versioned ? concat({view.name, "_v", std::to_string(view.version)}) : view.name;
  }

  static std::string key_of(const CompiledView& view, std::string_view key) {
    static const std::vector<FeatureField> kNobodys = {
        {std::string(kNobody), {.type = Type::kText}}};
    if (view.join_keys.empty())
      return feast_entity_key(kNobodys, std::vector<Cell>{std::string()}) + view.project;
    const std::vector<Cell> cells = cells_of_key(key).value_or(std::vector<Cell>());
    return feast_entity_key(view.join_keys, cells) + view.project;
  }

  std::vector<std::string> fields_of(const CompiledView& view) const {
    const std::string name = name_of(view);
    std::vector<std::string> out = {concat({"_ts:", name})};
    for (const FeatureField& f : view.features) out.push_back(feast_field(name, f.name));
    return out;
  }

  void add_pairs(const CompiledView& view, const OnlineRow& row,
                 std::vector<std::string>* words) const {
    const std::string name = name_of(view);
    words->push_back(concat({"_ts:", name}));
    words->push_back(messages_.time(row.event_us));
    for (size_t i = 0; i < view.features.size(); ++i) {
      const FeatureField& f = view.features[i];
      words->push_back(feast_field(name, f.name));
      words->push_back(
          messages_.value(unpack_cell(row.packed, view.features.size(), i, f.type), f.type));
    }
  }

  Status answer(const RedisAsk& asked, const RedisReply& reply, EntityRead* out) const override {
    const size_t n = asked.want.features.size();
    if (reply.items.size() != n + 1) return damaged();
    if (reply.items[n].is_nil()) {
      read_absent(asked.want, ReadStatus::kNotFound, out);
      return {};
    }
    const int64_t event_us = TRY(messages_.time_us(reply.items[n].text));
    if (event_us > asked.want.now_us) {  // Feast writes rows of the future too; here they wait.
      read_absent(asked.want, ReadStatus::kNotFound, out);
      return {};
    }
    out->event_us = event_us;
    const std::optional<int64_t>& ttl = asked.view->view().ttl_us;
    if (ttl && !asked.want.ignore_ttl && event_us < asked.want.now_us - *ttl) {
      read_absent(asked.want, ReadStatus::kOutsideMaxAge, out);
      return {};
    }
    for (size_t i = 0; i < n; ++i) {
      const FeatureField& f = asked.view->features[asked.want.features[i]];
      Cell cell = TRY(messages_.cell(reply.items[i].text, f.type));
      out->statuses.push_back(is_null(cell) ? ReadStatus::kNullValue : ReadStatus::kPresent);
      out->cells.push_back(std::move(cell));
    }
    return {};
  }

  const FeastMessages& messages_;
  const FeastLayoutOptions options_;
};

}  // namespace

const std::string_view kFeastExchange =
    "local t=redis.call('HGET',KEYS[1],ARGV[1]) or '' "
    "if t~=ARGV[2] then return 0 end "
    "local n=tonumber(ARGV[4]) "
    "if n>0 then redis.call('HDEL',KEYS[1],unpack(ARGV,5,4+n)) end "
    "if #ARGV>4+n then redis.call('HSET',KEYS[1],unpack(ARGV,5+n)) end "
    "if ARGV[3]~='0' then redis.call('EXPIRE',KEYS[1],ARGV[3]) end "
    "return 1";

std::string feast_entity_key(std::span<const FeatureField> join_keys,
                             std::span<const Cell> values) {
  std::vector<size_t> order;
  std::vector<std::string> names;
  for (size_t i = 0; i < join_keys.size(); ++i) {
    order.push_back(i);
    names.push_back(join_keys[i].name);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return join_keys[a].name < join_keys[b].name; });
  std::string out = key_names(std::move(names));
  for (const size_t i : order) {
    const uint32_t type = value_type(join_keys[i].type);
    put(out, type);
    window::put_text(out, value_bytes(i < values.size() ? values[i] : Cell(), type));
  }
  return out;
}

bool RedisDrop::concerns(std::string_view key) const {
  if (head.empty()) return true;
  if (!key.starts_with(head)) return false;
  key.remove_prefix(head.size());
  for (int64_t i = 0; i < values; ++i) {
    uint32_t type = 0;
    std::string value;
    if (!window::take(key, type) || !window::take_text(key, value)) return false;
  }
  return key == project;
}

std::string redis_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string feast_field(std::string_view view, std::string_view feature) {
  std::string out;
  put(out, murmur3(concat({view, ":", feature})));
  return out;
}

std::unique_ptr<RedisLayout> feast_layout(const FeastMessages& messages,
                                          FeastLayoutOptions options) {
  return std::make_unique<Feast>(messages, options);
}

}  // namespace slip::features
