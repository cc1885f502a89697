#include <algorithm>

#include "features/redis_mirror.h"
#include "features/redis_servers.h"
#include "sys/clock.h"

// Filling Redis anew: whose part of it is there, and how servers make each other write theirs
// again. What says that it isn't whole is there before anything goes, and until all is back.
namespace slip::features {
namespace {

constexpr int64_t kShowUpNs = 5'000'000'000;  // Their duties look ten times in it.

Error owed() {
  return unavailable("redis.filling", "another server wants Redis to be filled again");
}

// One field, if it is still what it was.
void exchange(store::RedisCommands* out, std::string_view key, std::string_view field,
              std::string_view was, std::string_view now) {
  out->add({"EVAL", kFeastExchange, "1", key, field, was, "0", "0", field, now});
}

}  // namespace

// True: what this server has there is to be written anew.
Result<bool> RedisMirror::begin_filling() {
  bool asks = false;
  {
    const sys::Lock lock(mutex_);
    if (!lost_) return false;
    asks = asking_;
  }
  TRY(wipe());
  generation_.fetch_add(1);
  refills_.fetch_add(1);
  TRY(register_as("filling"));
  if (asks) TRY(ask_others());
  return true;
}

Status RedisMirror::register_as(std::string_view state) {
  const bool ready = state == "ready";
  const int64_t generation = generation_.load();
  store::RedisCommands commands;
  {
    const sys::Lock lock(mutex_);
    note_.generation = generation;
    if (!ready) note_.cursor = -1;
    for (const std::string& claim : note_.claims) commands.add({"SET", claim, note_.writer, "NX"});
  }
  TRY(save());
  const std::string now = server_state(generation, state);
  // What was written may be gone again by now, and is owed.
  if (ready)
    exchange(&commands, servers_key_, note_.writer, server_state(generation, "filling"), now);
  else
    commands.add({"HSET", servers_key_, note_.writer, now});
  const std::vector<store::RedisReply> replies = TRY(run_counted(std::move(commands), !ready));
  return !ready || replies.back().integer == 1 ? Status() : Status(owed());
}

// Whoever writes there has to do it all again, and is waited for; so is this server, which is at
// it. Who these are. Their numbers stay: each has to find out itself what it is that it lacks.
Result<std::set<std::string>> RedisMirror::owe_others(std::string_view state) {
  store::RedisCommands look;
  look.add({"HGETALL", servers_key_});
  const std::vector<store::RedisReply> there = TRY(deps_.writes.run(look));
  std::set<std::string> others;
  {
    const sys::Lock lock(mutex_);
    others = note_.seen;
  }
  for (const auto& [writer, known] : pairs_of(there[0])) {
    others.insert(writer);
    if (known == kServerForgotten) others.erase(writer);
  }
  others.erase(note_.writer);
  store::RedisCommands commands;
  commands.add({"HSET", servers_key_, note_.writer, server_state(generation_.load(), state)});
  for (const std::string& writer : others)
    commands.add({"HSET", servers_key_, writer, kServerOwes});
  TRY(deps_.writes.run(commands));
  return others;
}

// A Redis from before something was removed has it again, and nobody knows what it was: all goes,
// and whoever has written there writes it again; also what it has written while all went.
Status RedisMirror::wipe() {
  std::vector<RedisDrop> all;
  {
    const sys::Lock lock(mutex_);
    if (!note_.wipe) return {};
    for (const auto& [uid, what] : note_.views) all.push_back(what);
    all.insert(all.end(), note_.gone.begin(), note_.gone.end());
  }
  TRY(save());
  TRY(owe_others("wiping"));
  for (const RedisDrop& what : all) TRY(drop(what));
  TRY(owe_others("wiping"));
  const sys::Lock lock(mutex_);
  note_.wipe = false;
  return {};
}

// ---- by hand

Result<int64_t> RedisMirror::rebuild() {
  store::RedisCommands commands;
  std::vector<std::string> claims;
  const std::shared_ptr<const Shelves> shelves = table_->catalog.shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const auto& [key, view] : shelf->views)
      if (const std::string claim = layout_->claim_of(*view);
          !claim.empty() && view->view().online) {
        commands.add({"SET", claim, note_.writer});
        claims.push_back(claim);
      }
  TRY(deps_.writes.run(commands));
  const int64_t before = looked_.load();
  {
    const sys::Lock lock(mutex_);
    for (const std::string& claim : claims) note_.elsewhere.erase(claim);
    note_.claims.insert(claims.begin(), claims.end());
    asking_ = true;
    lost_ = true;
    ++marked_;
  }
  TRY(write_through(true));
  TRY(save());
  return looked_.load() - before;
}

Status RedisMirror::ask_others() {
  std::set<std::string> others = TRY(owe_others("filling"));
  {
    const sys::Lock lock(mutex_);
    asking_ = false;
    note_.asked = std::move(others);
    asked_until_ns_ = deps_.clock.steady_ns() + kShowUpNs;
    note_.counts.clear();
    others_ = std::make_shared<const Counts>();
  }
  return save();
}

// Who was asked and didn't say a word is waited for no longer, here and elsewhere.
Status RedisMirror::forget_absent() {
  std::vector<std::string> asked;
  {
    const sys::Lock lock(mutex_);
    if (note_.asked.empty()) return {};
    const int64_t now_ns = deps_.clock.steady_ns();
    if (asked_until_ns_ == 0) asked_until_ns_ = now_ns + kShowUpNs;  // Before a restart.
    if (now_ns < asked_until_ns_) return {};
    asked.assign(note_.asked.begin(), note_.asked.end());
  }
  store::RedisCommands commands;
  for (const std::string& writer : asked)
    exchange(&commands, servers_key_, writer, kServerOwes, kServerForgotten);
  const std::vector<store::RedisReply> replies = TRY(deps_.writes.run(commands));
  const sys::Lock lock(mutex_);
  note_.asked.clear();
  asked_until_ns_ = 0;
  auto counts = std::make_shared<Counts>(*others_);
  for (size_t i = 0; i < asked.size(); ++i) {
    if (replies[i].integer != 1) continue;
    note_.seen.erase(asked[i]);
    counts->erase(asked[i]);
  }
  others_ = std::move(counts);
  return {};
}

// ---- what nobody can read

void RedisMirror::mend(const RedisAsk& asked) {
  damaged_.fetch_add(1, std::memory_order_relaxed);
  const bool known = table_->online.state(*asked.view, asked.key, asked.want.now_us).has_value();
  std::string place = known ? "" : layout_->place_of(*asked.view, asked.key);
  const sys::Lock lock(mutex_);
  if (known)
    mark(online_key(*asked.view, asked.key), false);
  else if (!place.empty() && unreadable_.size() < kUnreadableMax)
    unreadable_.insert(std::move(place));
}

// Which entity has that place: it is to be written, should anybody mend it.
std::optional<RedisMirror::Found> RedisMirror::find_place(std::string_view place) const {
  const std::shared_ptr<const Shelves> shelves = table_->catalog.shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const auto& [name, view] : shelf->views) {
      if (!view->view().online) continue;
      const std::string prefix = layout_->place_of(*view, "");
      if (place.starts_with(prefix)) return Found{view, std::string(place.substr(prefix.size()))};
    }
  return std::nullopt;
}

// Of an entity whose value can't be read, and that isn't known here, another server may know: they
// all say so, each in its time. Who knows it writes it again; when nobody does it goes.
Status RedisMirror::mend_unknown(const store::RedisReply& listed, const Servers& servers) {
  std::map<std::string, std::string> open = pairs_of(listed);
  std::set<std::string> wanted = {note_.writer};
  {
    const sys::Lock lock(mutex_);
    for (const std::string& place : unreadable_)
      if (open.size() < kUnreadableMax) open.try_emplace(place);
    unreadable_.clear();
    wanted.insert(note_.seen.begin(), note_.seen.end());
  }
  if (open.empty()) return {};
  for (const auto& [writer, state] : servers)
    if (state != kServerForgotten) wanted.insert(writer);
  store::RedisCommands commands;
  for (const auto& [place, said] : open) {
    const std::optional<Found> found = find_place(place);
    const bool known =
        found && table_->online.state(*found->view, found->key, deps_.clock.now_us());
    const std::vector<std::string_view> words = split(said, ' ');
    std::set<std::string> denied(words.begin(), words.end());
    const bool fresh = denied.insert(note_.writer).second;
    const bool nobodys = std::ranges::includes(denied, wanted);
    if (known || (nobodys && found && TRY(may_write(*found->view)))) {
      const sys::Lock lock(mutex_);
      mark(online_key(*found->view, found->key), false);
      commands.add({"HDEL", unreadable_key_, place});
    } else if (!known && fresh) {
      exchange(&commands, unreadable_key_, place, said,
               said.empty() ? note_.writer : concat({said, " ", note_.writer}));
    }
  }
  TRY(deps_.writes.run(commands));
  return {};
}

Result<bool> RedisMirror::may_write(const CompiledView& view) {
  if (layout_->claim_of(view).empty()) return true;
  return owns(view);
}

}  // namespace slip::features
