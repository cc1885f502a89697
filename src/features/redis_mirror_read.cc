#include <algorithm>

#include "base/text.h"
#include "features/redis_mirror.h"
#include "features/redis_servers.h"
#include "sys/clock.h"
#include "sys/log.h"

// Reading from Redis, and what there is to know of it: who writes there, whether it is whole.
namespace slip::features {
namespace {

using store::RedisReply;

constexpr int64_t kInfoUs = 30'000'000;
constexpr int64_t kClaimsUs = 5'000'000;

Error filling() {
  return unavailable("redis.filling",
                     "Redis was found empty, or older than it was, and is being filled again: "
                     "read a little later");
}

std::map<std::string, int64_t, std::less<>> counts_of(const RedisReply& reply) {
  std::map<std::string, int64_t, std::less<>> out;
  for (const auto& [server, text] : pairs_of(reply)) out[server] = parse_int(text).value_or(0);
  return out;
}

int64_t count_in(const std::map<std::string, int64_t, std::less<>>& counts,
                 const std::string& server) {
  const auto found = counts.find(server);
  return found == counts.end() ? 0 : found->second;
}

Error waited_for(std::string_view why) {
  return unavailable("redis.filling",
                     concat({why, ", and another server has not filled it again yet"}))
      .with_hint(
          "if that server is gone for good: slipway feature materialize "
          "--rebuild-online");
}

std::string info_field(std::string_view info, std::string_view name) {
  for (const std::string_view line : split(info, '\n'))
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':')
      return std::string(trim(line.substr(name.size() + 1)));
  return "";
}

}  // namespace

const std::string_view kFlushCount =
    "local n=tonumber(redis.call('HGET',KEYS[1],ARGV[1]) or '0') or 0 "
    "if n<tonumber(ARGV[2]) then return n end "
    "n=math.max(n,tonumber(ARGV[3])) "
    "redis.call('HSET',KEYS[1],ARGV[1],string.format('%.0f',n)) "
    "return n";

RedisMirror::Known RedisMirror::known() const {
  const sys::Lock lock(mutex_);
  return {generation_.load(), note_.flushes, others_};
}

void RedisMirror::ask_servers(store::RedisCommands* out) const {
  out->add({"HGETALL", servers_key_});
  out->add({"HGETALL", flushes_key_});
}

Status RedisMirror::read(std::span<const RedisAsk> asked, std::vector<EntityRead>* out) {
  const Known before = known();
  {
    const sys::Lock lock(mutex_);
    if (lost_) return filling();
    if (behind_)
      return unavailable("redis.behind", "Redis lacks rows that were taken while it was gone");
  }
  store::RedisCommands commands;
  layout_->ask(asked, &commands);
  // Last, so that what was read before was read from a whole one.
  ask_servers(&commands);
  const std::vector<RedisReply> replies = TRY(deps_.reads.run(commands, store::Redis::Types::kAny));
  const size_t rows = replies.size() - 2;
  TRY(check_servers(std::span(replies).subspan(rows), before));
  out->assign(asked.size(), {});
  Status done;
  for (size_t i = 0; i < asked.size(); ++i) {
    Status read = layout_->answer(asked[i], replies[i], &(*out)[i]);
    if (read.ok()) continue;
    if (read.error().code == Code::kCorrupt) mend(asked[i]);
    if (done.ok()) done = std::move(read).error().within(concat({"view ", asked[i].view->name}));
  }
  return done;
}

Status RedisMirror::check_servers(std::span<const RedisReply> replies, const Known& before) {
  const Servers servers = pairs_of(replies[0]);
  const Counts counts = counts_of(replies[1]);
  const auto own = servers.find(note_.writer);
  const int64_t flushes = count_in(counts, note_.writer);
  const sys::Lock lock(mutex_);
  if (own == servers.end() || own->second != server_state(before.generation, "ready") ||
      flushes < before.flushes) {
    const bool gone = own == servers.end() || own->second == kServerOwes ||
                      own->second == kServerForgotten || flushes < before.flushes;
    if (gone && before.generation == generation_.load()) lose(flushes);
    return filling();
  }
  for (const auto& [writer, state] : servers) {
    if (state == kServerOwes) return waited_for("Redis is to be filled again");
    if (!is_ready(state)) return filling();
  }
  for (const std::string& writer : note_.seen)
    if (!servers.contains(writer)) return waited_for("Redis was found empty");
  for (const auto& [writer, seen] : *before.others) {
    const auto found = servers.find(writer);
    const bool forgotten = found != servers.end() && found->second == kServerForgotten;
    if (!forgotten && count_in(counts, writer) < seen)
      return waited_for("Redis is older than it was");
  }
  note_others(counts);
  return {};
}

void RedisMirror::note_others(const Counts& counts) {
  const auto newer = [&](const auto& one) {
    return one.first != note_.writer && one.second > count_in(*others_, one.first);
  };
  if (std::none_of(counts.begin(), counts.end(), newer)) return;
  auto all = std::make_shared<Counts>(*others_);
  for (const auto& one : counts)
    if (newer(one)) (*all)[one.first] = one.second;
  others_ = std::move(all);
}

Status RedisMirror::fits_and_held(const CompiledView& view, int64_t latest) const {
  Status fine = layout_->fits(view, view.plan.has_value());
  if (!fine.ok()) return conflict(fine.error().reason, fine.error().text);
  if (layout_->holds(view, latest)) return {};
  return conflict("feature.redis_version",
                  concat({"version ", std::to_string(view.version), " of view ", view.name,
                          " isn't in Redis, which holds the latest one under that name"}))
      .with_hint("serve with --redis-versioned-names, or apply the service again");
}

// ---- whose windows

Result<bool> RedisMirror::owns(const CompiledView& view) {
  const std::string claim = layout_->claim_of(view);
  {
    const sys::Lock lock(mutex_);
    if (note_.claims.contains(claim)) return true;
    if (note_.elsewhere.contains(claim)) return false;
  }
  store::RedisCommands commands;
  commands.add({"SET", claim, note_.writer, "NX"});
  commands.add({"GET", claim});
  const std::vector<RedisReply> replies =
      TRY(deps_.writes.run(commands, store::Redis::Types::kAny));
  const bool ours = replies[1].text == note_.writer;
  {
    const sys::Lock lock(mutex_);
    (ours ? note_.claims : note_.elsewhere).insert(claim);
  }
  TRY(save());
  return ours;
}

Status RedisMirror::claim(std::span<const ViewPtr> views) {
  for (const ViewPtr& view : views) {
    if (!view->view().online || layout_->claim_of(*view).empty() || TRY(owns(*view))) continue;
    return conflict("feature.redis_writer",
                    concat({"the windows of view ", view->name,
                            " are counted by another server, which takes the rows of source ",
                            view->source_name}))
        .with_hint(
            "push there; if it is gone for good: slipway feature materialize "
            "--rebuild-online");
  }
  return {};
}

// Another server may have taken windows over.
void RedisMirror::refresh_claims() {
  std::vector<std::string> claims;
  {
    const sys::Lock lock(mutex_);
    const int64_t now_us = deps_.clock.now_us();
    if (now_us - asked_claims_us_ < kClaimsUs) return;
    asked_claims_us_ = now_us;
    claims.assign(note_.claims.begin(), note_.claims.end());
  }
  store::RedisCommands commands;
  for (const std::string& claim : claims) commands.add({"GET", claim});
  const Result<std::vector<RedisReply>> replies =
      deps_.writes.run(commands, store::Redis::Types::kAny);
  if (!replies.ok()) return;
  const sys::Lock lock(mutex_);
  for (size_t i = 0; i < claims.size(); ++i) {
    if ((*replies)[i].text == note_.writer) continue;
    if ((*replies)[i].is_nil()) continue;  // Redis was emptied: who fills it claims it again.
    note_.claims.erase(claims[i]);
    note_.elsewhere.insert(claims[i]);
  }
}

// ---- from time to time

Status RedisMirror::greet(int64_t within_ms) {
  return tend_until(deps_.clock.steady_ns() + within_ms * 1'000'000);
}

Status RedisMirror::tend() { return tend_until(INT64_MAX); }

Status RedisMirror::tend_until(int64_t until_ns) {
  mark_due();
  if (deps_.writes.pausing()) return {};
  bool ask_info = false;
  {
    const sys::Lock lock(mutex_);
    ask_info = deps_.clock.now_us() - asked_info_us_ >= kInfoUs;
  }
  const Known before = known();
  store::RedisCommands commands;
  ask_servers(&commands);
  commands.add({"HGETALL", unreadable_key_});
  const Result<std::vector<RedisReply>> replies = deps_.writes.run(commands);
  Status looked = replies.ok() ? Status() : Status(replies.error());
  if (replies.ok()) {
    const Servers servers = pairs_of((*replies)[0]);
    look_around(servers, (*replies)[1], before);
    looked = forget_absent();
    if (looked.ok()) looked = mend_unknown((*replies)[2], servers);
  }
  if (!looked.ok()) {
    told(looked);
    return {};
  }
  if (ask_info) {
    store::RedisCommands info;
    info.add({"INFO", "memory"});
    const Result<std::vector<RedisReply>> told_memory = deps_.writes.run(info);
    const sys::Lock lock(mutex_);
    asked_info_us_ = deps_.clock.now_us();
    note_.counts.clear();
    note_.counts.insert(others_->begin(), others_->end());
    if (told_memory.ok()) eviction_ = info_field(told_memory->front().text, "maxmemory_policy");
  }
  refresh_claims();
  if (!write_until(until_ns, true).ok()) return {};  // Told already.
  told({});
  return save();
}

Status RedisMirror::leave() {
  stopping_ = false;
  const Status done = write_through();
  {
    const sys::Lock lock(mutex_);
    note_.counts.clear();
    note_.counts.insert(others_->begin(), others_->end());
  }
  TRY(save());
  return done;
}

void RedisMirror::look_around(const Servers& servers, const RedisReply& counted,
                              const Known& before) {
  const Counts counts = counts_of(counted);
  const int64_t flushes = count_in(counts, note_.writer);
  const sys::Lock lock(mutex_);
  note_others(counts);
  servers_ = static_cast<int64_t>(servers.size());
  const auto own = servers.find(note_.writer);
  const bool whole = own != servers.end() && flushes >= before.flushes &&
                     own->second == server_state(generation_.load(), "ready");
  if (!whole && before.generation == generation_.load()) lose(flushes);
  for (const auto& [writer, state] : servers) {
    if (state == kServerForgotten)
      note_.seen.erase(writer);
    else if (writer != note_.writer)
      note_.seen.insert(writer);
  }
}

// A change is told once.
void RedisMirror::told(const Status& status) {
  bool before = false;
  {
    const sys::Lock lock(mutex_);
    before = std::exchange(up_, status.ok());
    if (before == up_ && (up_ || told_)) return;
    told_ = true;
  }
  if (status.ok())
    deps_.notes.info("Redis answers", {{"url", std::string_view(deps_.writes.url().shown())}});
  else
    deps_.notes.warn("Redis doesn't take what is written",
                     {{"reason", std::string_view(status.error().reason)},
                      {"error", std::string_view(status.error().text)}});
}

Status RedisMirror::save() {
  const sys::Lock one(saving_);
  RedisNote now;
  {
    const sys::Lock lock(mutex_);
    if (note_ == saved_) return {};
    now = note_;
  }
  TRY(write_redis_note(deps_.fs, deps_.dir, now));
  const sys::Lock lock(mutex_);
  saved_ = std::move(now);
  return {};
}

RedisMirror::Facts RedisMirror::facts() const {
  Facts out;
  out.layout = layout_->name();
  out.url = deps_.writes.url().shown();
  out.written = written_.load();
  out.refills = refills_.load();
  out.returns = returns_.load();
  out.damaged = damaged_.load();
  out.failures = deps_.writes.counts().failures.load() + deps_.reads.counts().failures.load();
  out.connects = deps_.writes.counts().connects.load() + deps_.reads.counts().connects.load();
  const sys::Lock lock(mutex_);
  out.up = up_;
  out.filling = lost_;
  out.pending = static_cast<int64_t>(pending_.size() + working_.size());
  if (oldest_us_ != 0) out.lag_s = static_cast<double>(deps_.clock.now_us() - oldest_us_) * 1e-6;
  out.servers = servers_;
  out.eviction = eviction_;
  return out;
}

}  // namespace slip::features
