#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "codec/hash.h"
#include "engine/window/bytes.h"
#include "features/packed.h"
#include "features/redis_layout.h"

// Our own layout. A key is the project, the view's name, a digest of what the view means and the
// entity; a value is a kind, the checksum of what follows, then rows or windows. A view that means
// something else has other keys, so no server reads bytes of another meaning.
namespace slip::features {
namespace {

using store::RedisCommands;
using store::RedisReply;
using window::put;
using window::put_text;
using window::take;
using window::take_text;

constexpr std::string_view kPrefix = "slipway:row:1:";
constexpr uint8_t kRows = 1;
constexpr uint8_t kWindows = 2;
constexpr size_t kHeadBytes = 1 + sizeof(uint64_t);

Error damaged() { return corrupt("feature.redis_value", "a value in Redis is damaged"); }

// A row and whose it is: the order of all rows of an entity, whoever has written them.
struct SharedRow {
  OnlineRow row;
  uint64_t writer = 0;
  auto rank() const { return std::tie(row.event_us, row.created_us, row.seq, writer); }
};

struct Value {
  std::vector<SharedRow> rows;  // By rank.
  EntityWindows windows;
  int64_t newest_event_us = 0;
  bool windowed = false;
};

void put_field(std::string& out, const FeatureField& f) {
  put_text(out, f.name);
  put_text(out, f.type.text());
}

std::string prefix_of(const CompiledView& view) {
  std::string meaning = view.digest;
  for (const FeatureField& f : view.join_keys) put_field(meaning, f);
  meaning += '|';
  for (const FeatureField& f : view.features) put_field(meaning, f);
  std::string out(kPrefix);
  put_text(out, view.project);
  put_text(out, view.name);
  put(out, codec::xxh3(meaning));
  return out;
}

std::string sealed(uint8_t kind, std::string_view body) {
  std::string out;
  put(out, kind);
  put(out, codec::xxh3(body));
  out.append(body);
  return out;
}

std::string rows_text(std::span<const SharedRow> rows) {
  std::string out;
  put(out, static_cast<uint32_t>(rows.size()));
  for (const SharedRow& r : rows) {
    put(out, r.row.event_us);
    put(out, r.row.created_us);
    put(out, r.row.seq);
    put(out, r.writer);
    put<uint8_t>(out, r.row.deleted ? 1 : 0);
    put_text(out, r.row.packed);
  }
  return sealed(kRows, out);
}

bool take_row(const CompiledView& view, std::string_view& in, SharedRow* out) {
  uint8_t deleted = 0;
  OnlineRow& row = out->row;
  if (!take(in, row.event_us) || !take(in, row.created_us) || !take(in, row.seq) ||
      !take(in, out->writer) || !take(in, deleted) || deleted > 1 || !take_text(in, row.packed))
    return false;
  row.deleted = deleted == 1;
  return row.deleted || packed_whole(row.packed, view.features);
}

Result<Value> parse(const CompiledView& view, std::string_view in) {
  Value out;
  uint8_t kind = 0;
  uint64_t sum = 0;
  if (!take(in, kind) || !take(in, sum) || sum != codec::xxh3(in)) return damaged();
  out.windowed = kind == kWindows;
  if (out.windowed != view.plan.has_value() || (kind != kRows && kind != kWindows))
    return damaged();
  if (out.windowed) {
    if (!take(in, out.newest_event_us)) return damaged();
    out.windows = TRY(EntityWindows::parse(*view.plan, in));
    return out;
  }
  uint32_t n = 0;
  if (!take(in, n) || n > kFutureRowsMax + 1) return damaged();
  for (uint32_t i = 0; i < n; ++i)
    if (!take_row(view, in, &out.rows.emplace_back())) return damaged();
  if (!in.empty()) return damaged();
  return out;
}

// The newest row whose time has come, and those of the future, of all that anybody has written.
std::vector<SharedRow> merged(std::vector<SharedRow> rows, int64_t now_us) {
  std::sort(rows.begin(), rows.end(),
            [](const SharedRow& a, const SharedRow& b) { return a.rank() < b.rank(); });
  const auto same = [](const SharedRow& a, const SharedRow& b) { return a.rank() == b.rank(); };
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  size_t due = 0;
  while (due < rows.size() && rows[due].row.event_us <= now_us) ++due;
  if (due > 1) rows.erase(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(due) - 1);
  const size_t kept = kFutureRowsMax + (due > 0 ? 1 : 0);
  if (rows.size() > kept) rows.resize(kept);  // The farthest go.
  return rows;
}

class Packed final : public RedisLayout {
 public:
  explicit Packed(uint64_t writer) : writer_(writer) {}

  std::string_view name() const override { return "packed"; }
  Status fits(const CompiledView&, bool) const override { return {}; }
  bool holds(const CompiledView&, int64_t) const override { return true; }
  RedisDrop drop_of(const CompiledView& view) const override {
    return {concat({redis_pattern(prefix_of(view)), "*"}), {}, {}, 0, {}};
  }
  // The windows of an entity are a state that can't be merged with another.
  std::string claim_of(const CompiledView& view) const override {
    return view.plan ? concat({prefix_of(view), "\xffowner"}) : "";
  }
  std::string place_of(const CompiledView& view, std::string_view key) const override {
    return concat({prefix_of(view), key});
  }
  bool holds_future() const override { return true; }

  // Not MGET, which says of a key of another type that there is none.
  void ask(std::span<const RedisAsk> asked, RedisCommands* out) const override {
    std::string prefix;
    const CompiledView* of = nullptr;
    for (const RedisAsk& one : asked) {
      if (one.view != of) prefix = prefix_of(*one.view);
      of = one.view;
      out->add({"GET", concat({prefix, one.key})});
    }
  }

  Status answer(const RedisAsk& asked, const RedisReply& reply, EntityRead* out) const override {
    if (reply.is_error()) return damaged();
    if (reply.is_nil()) {
      read_absent(asked.want, ReadStatus::kNotFound, out);
      return {};
    }
    const Value value = TRY(parse(*asked.view, reply.text));
    if (value.windowed)
      return read_windows(*asked.view, value.windows, value.newest_event_us, asked.want, out);
    const OnlineRow* served = nullptr;
    for (const SharedRow& r : value.rows)
      if (r.row.event_us <= asked.want.now_us) served = &r.row;
    if (served == nullptr)
      read_absent(asked.want, ReadStatus::kNotFound, out);
    else
      read_row(*asked.view, *served, asked.want, out);
    return {};
  }

  void look(const RedisPut& what, RedisCommands* out) const override {
    const std::string key = concat({prefix_of(*what.view), what.key});
    if (what.view->plan)
      out->add({"GETRANGE", key, "0", std::to_string(kHeadBytes - 1)});
    else
      out->add({"GET", key});
  }

  Result<bool> exchange(const RedisPut& what, const RedisReply& there,
                        RedisCommands* out) const override {
    const std::string key = concat({prefix_of(*what.view), what.key});
    if (there.is_error()) {
      out->add({"EVAL", kDropOther, "1", key, "string"});
      return true;
    }
    const std::string wanted = value_of(what, there.text);
    const std::string_view head = std::string_view(there.text).substr(0, kHeadBytes);
    if (std::string_view(wanted).substr(0, kHeadBytes) == head) return false;
    out->add({"EVAL", kPackedExchange, "1", key, head, wanted});
    return true;
  }

 private:
  // What is to lie there: "" for nothing. Windows are one server's (RedisMirror sees to it); what
  // can't be read was written by nobody here, and goes.
  std::string value_of(const RedisPut& what, std::string_view there) const {
    if (what.view->plan) {
      if (what.state == nullptr) return "";
      std::string body;
      put(body, what.state->newest_event_us);
      body += what.state->windows;
      return sealed(kWindows, body);
    }
    std::vector<SharedRow> rows;
    if (what.state != nullptr)
      for (const OnlineRow& row : what.state->rows) rows.push_back({row, writer_});
    if (!what.replaced && !there.empty())
      if (Result<Value> known = parse(*what.view, there); known.ok())
        std::move(known->rows.begin(), known->rows.end(), std::back_inserter(rows));
    rows = merged(std::move(rows), what.now_us);
    return rows.empty() ? "" : rows_text(rows);
  }

  const uint64_t writer_;
};

}  // namespace

const std::string_view kPackedExchange =
    "if redis.call('GETRANGE',KEYS[1],0,8)~=ARGV[1] then return 0 end "
    "if ARGV[2]=='' then redis.call('DEL',KEYS[1]) else redis.call('SET',KEYS[1],ARGV[2]) end "
    "return 1";

const std::string_view kDropOther =
    "if redis.call('TYPE',KEYS[1])['ok']~=ARGV[1] then redis.call('DEL',KEYS[1]) end "
    "return 0";

std::string redis_sealed_rows(std::string_view body) { return sealed(kRows, body); }

std::unique_ptr<RedisLayout> packed_layout(uint64_t writer) {
  return std::make_unique<Packed>(writer);
}

}  // namespace slip::features
