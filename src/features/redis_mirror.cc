#include "features/redis_mirror.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rng.h"

// What was marked, and its way to Redis.
namespace slip::features {
namespace {

constexpr size_t kEntitiesAtOnce = 500;  // Of one exchange.
constexpr int64_t kPatienceMs = 2000;
constexpr int kRoundsMax = 20;  // Others write the same entities meanwhile.
constexpr std::string_view kScanCount = "1000";
// More flushes than a run of the server has since its note was last saved: those of the next run
// have greater numbers, whatever the note lacks. Redis's scripts count exactly up to 2^53.
constexpr int64_t kFlushesOfRun = int64_t{1} << 24;
constexpr int64_t kRemovalsAtOnce = 64;  // Flushes that one note of them is for.
constexpr size_t kGoneMax = 1000;        // Views.

Error busy() {
  return unavailable("redis.behind", "Redis is still busy with what was taken before");
}

}  // namespace

RedisMirror::RedisMirror(Deps deps, RedisNote note, std::unique_ptr<RedisLayout> layout)
    : deps_(std::move(deps)),
      layout_(std::move(layout)),
      servers_key_(concat({"slipway:servers:", layout_->name()})),
      flushes_key_(concat({servers_key_, ":flushes"})),
      unreadable_key_(concat({servers_key_, ":unreadable"})),
      note_(note),
      saved_(std::move(note)),
      flush_(note_.flushes_from),
      others_(std::make_shared<const Counts>(note_.counts.begin(), note_.counts.end())) {
  generation_ = note_.generation;
}

Result<std::unique_ptr<RedisMirror>> RedisMirror::open(Deps deps, Options options) {
  RedisNote note = TRY(read_redis_note(deps.fs, deps.dir));
  const std::string target = concat({options.feast == nullptr         ? "packed "
                                     : options.feast_layout.versioned ? "feast-versioned "
                                                                      : "feast ",
                                     deps.writes.url().shown()});
  if (note.target != target) {
    const RedisNote before = std::exchange(note, {});
    note.target = target;
    note.writer = before.writer;
    note.flushes_from = before.flushes_from;
  }
  const int64_t counted = std::max(note.flushes, note.flushes_from);
  note.flushes_from = (counted / kFlushesOfRun + 1) * kFlushesOfRun;
  if (note.writer.empty()) {
    const uint64_t id = deps.rng.u64();
    note.writer = to_hex({reinterpret_cast<const char*>(&id), sizeof id});
  }
  const std::string bytes = from_hex(note.writer).value_or("");
  uint64_t writer = 0;
  std::memcpy(&writer, bytes.data(), std::min(bytes.size(), sizeof writer));
  std::unique_ptr<RedisLayout> layout = options.feast == nullptr
                                            ? packed_layout(writer)
                                            : feast_layout(*options.feast, options.feast_layout);
  // The name and the numbers are kept before anything is written under them.
  TRY(write_redis_note(deps.fs, deps.dir, note));
  return std::unique_ptr<RedisMirror>(
      new RedisMirror(std::move(deps), std::move(note), std::move(layout)));
}

void RedisMirror::attach(Table table) {
  table_.emplace(std::move(table));
  table_->online.tell(this);
}

void RedisMirror::begin(int64_t snapshot_seq) {
  table_->online.each_future([&](std::string_view full, int64_t due_us) {
    if (!layout_->holds_future()) future_.emplace(due_us, full);
  });
  const sys::Lock lock(mutex_);
  if (note_.cursor < snapshot_seq) {
    all_owed_ = true;
    ++marked_;
  } else if (note_.cursor == table_->applied_seq()) {
    pending_.clear();
    written_through_ = marked_;
  }
  if (written_through_ == marked_) ++marked_;  // Whether Redis is as it was is to be found out.
}

Status RedisMirror::fits(const std::vector<Definition>& definitions) const {
  CompiledView view;
  std::map<std::string, FeatureField> entities;
  for (const Definition& d : definitions)
    if (d.kind == Kind::kEntity) entities[d.name] = d.entity.join_key;
  for (const Definition& d : definitions) {
    if (d.kind != Kind::kView || !d.view.online) continue;
    view.name = d.name;
    view.join_keys = d.view.join_keys;
    for (const std::string& name : d.view.entities)
      if (const auto known = entities.find(name); known != entities.end())
        view.join_keys.push_back(known->second);
    TRY(layout_->fits(view, d.view.windowed()));
  }
  return {};
}

// ---- marks

void RedisMirror::changed(const CompiledView& view, std::string_view key, bool replaced) {
  const sys::Lock lock(mutex_);
  mark(online_key(view, key), replaced);
}

void RedisMirror::mark(std::string full, bool replaced) {
  ++marked_;
  if (oldest_us_ == 0) oldest_us_ = deps_.clock.now_us();
  bool& known = pending_[std::move(full)];
  known = known || replaced;
}

void RedisMirror::mark_all() {
  for (const auto& [number, view] : by_number_) {
    if (!view->view().online) continue;
    for (const std::string& key : table_->online.keys(*view)) {
      const sys::Lock lock(mutex_);
      mark(online_key(*view, key), false);
    }
  }
}

RedisMirror::Unlogged::~Unlogged() {
  if (!begun_) return;
  const sys::Lock lock(mirror_->mutex_);
  --mirror_->unlogged_;
  ++mirror_->marked_;  // The next writing may set the cursor again.
}

Status RedisMirror::Unlogged::begin() {
  if (mirror_ == nullptr) return {};
  {
    const sys::Lock lock(mirror_->mutex_);
    ++mirror_->unlogged_;
    mirror_->note_.cursor = -1;
    begun_ = true;
  }
  return mirror_->save();
}

bool RedisMirror::settled() const {
  const sys::Lock lock(mutex_);
  return !behind_ && !lost_ && written_through_ == marked_;
}

bool RedisMirror::owes_removal() const {
  const sys::Lock lock(mutex_);
  for (const Marks* marks : {&pending_, &working_})
    for (const auto& [key, replaced] : *marks)
      if (replaced) return true;
  return false;
}

void RedisMirror::await_future(const Entry& entry, const Online::State& state) {
  if (layout_->holds_future()) return;
  const int64_t now_us = deps_.clock.now_us();
  for (const OnlineRow& row : state.rows) {
    if (row.event_us <= now_us) continue;
    std::string full;
    full.append(reinterpret_cast<const char*>(&entry.number), sizeof entry.number);
    full += entry.key;
    const sys::Lock lock(mutex_);
    future_.emplace(row.event_us, std::move(full));
    return;  // Writing that one awaits the next.
  }
}

void RedisMirror::mark_due() {
  const sys::Lock lock(mutex_);
  const int64_t now_us = deps_.clock.now_us();
  auto at = future_.begin();
  for (; at != future_.end() && at->first <= now_us; ++at) mark(at->second, false);
  future_.erase(future_.begin(), at);
}

// ---- who writes, and for whom

Status RedisMirror::write_through(bool patient) {
  // Who only adds a row doesn't fill all of it, nor find out whether it is back.
  if (patient) return write_until(INT64_MAX, true);
  return write_until(deps_.clock.steady_ns() + kPatienceMs * 1'000'000, false);
}

Status RedisMirror::write_until(int64_t until_ns, bool fills) {
  sys::Lock lock(mutex_);
  const int64_t ticket = marked_;
  while (written_through_ < ticket) {
    if (flushing_) {
      if (!done_.wait_until(lock, until_ns)) return busy();
      continue;
    }
    if (deps_.writes.pausing() || (!fills && (lost_ || all_owed_))) {
      behind_ = true;
      return unavailable("redis.behind", "Redis is written to when it is back");
    }
    flushing_ = true;
    lock.unlock();
    const Result<bool> done = flush(until_ns);
    told(done.ok() ? Status() : Status(done.error()));
    lock.lock();
    flushing_ = false;
    behind_ = !done.ok() || (behind_ && !*done);
    done_.notify_all();
    if (!TRY(done)) return busy();
  }
  return {};
}

// By one at a time.
Result<bool> RedisMirror::flush(int64_t until_ns) {
  TRY(notice_views());
  const bool lost = TRY(begin_filling());
  if (!TRY(finish(until_ns))) return false;
  const int64_t seq = table_->applied_seq();  // Whatever is applied by now is marked.
  bool all = false;
  {
    const sys::Lock lock(mutex_);
    all = std::exchange(all_owed_, false) || lost;
  }
  if (all) mark_all();
  {
    const sys::Lock lock(mutex_);
    working_.swap(pending_);
    working_through_ = marked_;
    working_seq_ = seq;
  }
  if (!TRY(fill(until_ns))) return false;
  if (lost) TRY(register_as("ready"));
  TRY(settle_numbers());
  written(lost);
  return true;
}

// Others may have seen numbers of the last run that its note lacks; and of a removal whose reply
// was lost only Redis knows the number.
Status RedisMirror::settle_numbers() {
  bool known = false;
  {
    const sys::Lock lock(mutex_);
    known = counted_ && note_.flushes >= note_.removed;
  }
  if (!known) TRY(run_counted({}));
  {
    const sys::Lock lock(mutex_);
    note_.removed = std::min(note_.removed, note_.flushes);
    if (note_.removed == saved_.removed && saved_.flushes >= note_.removed) return {};
  }
  return save();
}

// Before it is sent: should its reply be lost, or this server die, an older Redis has again what
// went, and that is known all the same.
Status RedisMirror::note_removal() {
  {
    const sys::Lock lock(mutex_);
    if (saved_.removed > flush_ && saved_.gone == note_.gone) return {};
    note_.removed = std::max(note_.removed, flush_ + kRemovalsAtOnce);
  }
  return save();
}

Result<std::vector<store::RedisReply>> RedisMirror::run_counted(store::RedisCommands commands,
                                                                bool anew) {
  int64_t last = 0;
  int64_t next = 0;
  {
    const sys::Lock lock(mutex_);
    if (!anew) last = note_.flushes;
    next = ++flush_;
  }
  commands.add({"EVAL", kFlushCount, "1", flushes_key_, note_.writer, std::to_string(last),
                std::to_string(next)});
  std::vector<store::RedisReply> replies = TRY(deps_.writes.run(commands));
  const int64_t there = replies.back().integer;
  replies.pop_back();
  const sys::Lock lock(mutex_);
  if (there < next) {
    lose(there);
    return unavailable("redis.filling", "Redis lacks what was written before, and is filled again");
  }
  note_.flushes = there;
  flush_ = std::max(flush_, there);
  counted_ = true;
  return replies;
}

void RedisMirror::lose(int64_t flushes) {
  const bool older = flushes > 0 && flushes < note_.flushes;
  if (older && flushes < note_.removed) note_.wipe = true;
  if (lost_) return;
  lost_ = true;
  ++marked_;
  if (older) returns_.fetch_add(1);
}

// What somebody has begun and left.
Result<bool> RedisMirror::finish(int64_t until_ns) {
  {
    const sys::Lock lock(mutex_);
    if (working_.empty()) return true;
  }
  if (!TRY(fill(until_ns))) return false;
  written(false);
  return true;
}

void RedisMirror::written(bool whole) {
  const sys::Lock lock(mutex_);
  if (whole) lost_ = asking_;
  written_through_ = std::max(written_through_, working_through_);
  if (unlogged_ == 0 && !all_owed_ && !lost_) note_.cursor = working_seq_;
  oldest_us_ = pending_.empty() ? 0 : deps_.clock.now_us();
}

Result<bool> RedisMirror::fill(int64_t until_ns) {
  for (;;) {
    std::vector<Entry> some;
    {
      const sys::Lock lock(mutex_);
      for (const auto& [full, replaced] : working_) {
        Entry& e = some.emplace_back();
        std::memcpy(&e.number, full.data(), sizeof e.number);
        e.key = full.substr(sizeof e.number);
        e.replaced = replaced;
        if (some.size() == kEntitiesAtOnce) break;
      }
    }
    if (some.empty()) return true;
    if (stopping_ || deps_.clock.steady_ns() > until_ns) return false;
    TRY(write_some(some));
    const sys::Lock lock(mutex_);
    for (const Entry& e : some) {
      std::string full(reinterpret_cast<const char*>(&e.number), sizeof e.number);
      working_.erase(full + e.key);
    }
  }
}

ViewPtr RedisMirror::view_of(uint32_t number) {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

const CompiledView* RedisMirror::latest_of(const CompiledView& view) {
  const auto shelf = noticed_->find(view.project);
  if (shelf == noticed_->end()) return nullptr;
  const auto latest = shelf->second->latest_views.find(view.name);
  return latest == shelf->second->latest_views.end() ? nullptr : latest->second.get();
}

// What is to be done about entities: views that are gone, or that this server doesn't write, need
// nothing.
Result<bool> RedisMirror::prepare(const Entry& entry, Online::State* state, RedisPut* put) {
  const ViewPtr view = view_of(entry.number);
  if (!view || !view->view().online || !layout_->fits(*view, view->plan.has_value()).ok())
    return false;
  if (!layout_->claim_of(*view).empty() && !TRY(owns(*view))) return false;
  put->view = view.get();
  put->key = entry.key;
  put->replaced = entry.replaced;
  put->now_us = deps_.clock.now_us();
  const CompiledView* latest = latest_of(*view);
  if (latest != nullptr && !layout_->holds(*view, latest->version)) {
    put->held = latest;
    return entry.replaced;
  }
  std::optional<Online::State> known = table_->online.state(*view, entry.key, put->now_us);
  if (!known) return true;
  await_future(entry, *known);
  *state = std::move(*known);
  put->state = state;
  return true;
}

Status RedisMirror::write_some(std::vector<Entry> entries) {
  for (int round = 0; round < kRoundsMax && !entries.empty(); ++round) {
    std::vector<Online::State> states(entries.size());
    std::vector<RedisPut> puts;
    std::vector<size_t> of;
    store::RedisCommands looks;
    for (size_t i = 0; i < entries.size(); ++i) {
      RedisPut put;
      if (!TRY(prepare(entries[i], &states[i], &put))) continue;
      layout_->look(put, &looks);
      puts.push_back(put);
      of.push_back(i);
    }
    const std::vector<store::RedisReply> there =
        TRY(deps_.writes.run(looks, store::Redis::Types::kAny));
    if (round == 0) looked_.fetch_add(static_cast<int64_t>(puts.size()));
    store::RedisCommands exchanges;
    std::vector<size_t> sent;
    bool removes = false;
    for (size_t i = 0; i < puts.size(); ++i) {
      if (!TRY(layout_->exchange(puts[i], there[i], &exchanges))) continue;
      sent.push_back(of[i]);
      removes = removes || puts[i].replaced;
    }
    if (sent.empty()) return {};
    if (removes) TRY(note_removal());
    const std::vector<store::RedisReply> done = TRY(run_counted(std::move(exchanges)));
    std::vector<Entry> again;
    for (size_t i = 0; i < sent.size(); ++i)
      if (done[i].integer != 1) again.push_back(std::move(entries[sent[i]]));
    written_.fetch_add(static_cast<int64_t>(sent.size() - again.size()), std::memory_order_relaxed);
    entries = std::move(again);
  }
  if (entries.empty()) return {};
  return unavailable("redis.contended", "others write the same entities without a pause");
}

// ---- views that come and go

Status RedisMirror::notice_views() {
  const std::shared_ptr<const Shelves> now = table_->catalog.shelves().load();
  if (now == noticed_) return {};
  std::map<std::string, RedisDrop> present;
  std::map<uint32_t, ViewPtr> by_number;
  for (const auto& [project, shelf] : *now)
    for (const auto& [key, view] : shelf->views) {
      by_number[view->number] = view;
      if (view->view().online && layout_->fits(*view, view->plan.has_value()).ok())
        present[view->uid] = layout_->drop_of(*view);
    }
  std::map<std::string, RedisDrop> known;
  {
    const sys::Lock lock(mutex_);
    known = note_.views;
    for (const auto& [uid, drop] : present) note_.views[uid] = drop;
  }
  TRY(save());
  for (const auto& [uid, what] : known) {
    if (present.contains(uid)) continue;
    // The same rows may be another's by now: a view that was made again.
    const auto same = [&](const auto& p) { return p.second == what; };
    if (std::none_of(present.begin(), present.end(), same)) {
      remember_gone(what);
      TRY(note_removal());
      TRY(drop(what));
    }
    const sys::Lock lock(mutex_);
    note_.views.erase(uid);
  }
  noticed_ = now;
  by_number_ = std::move(by_number);
  return {};
}

void RedisMirror::remember_gone(const RedisDrop& what) {
  const sys::Lock lock(mutex_);
  std::erase(note_.gone, what);
  note_.gone.push_back(what);
  if (note_.gone.size() > kGoneMax) note_.gone.erase(note_.gone.begin());
}

Status RedisMirror::drop(const RedisDrop& what) {
  std::string cursor = "0";
  do {
    store::RedisCommands scan;
    scan.add({"SCAN", cursor, "MATCH", what.pattern, "COUNT", kScanCount});
    const std::vector<store::RedisReply> found = TRY(deps_.writes.run(scan));
    if (found[0].items.size() != 2)
      return unavailable("redis.protocol", "SCAN answers something else");
    cursor = found[0].items[0].text;
    store::RedisCommands removals;
    for (const store::RedisReply& key : found[0].items[1].items) {
      if (!what.concerns(key.text)) continue;
      std::vector<std::string_view> words = {what.fields.empty() ? "DEL" : "HDEL", key.text};
      words.insert(words.end(), what.fields.begin(), what.fields.end());
      removals.add(words);
    }
    TRY(deps_.writes.run(removals, store::Redis::Types::kAny));
  } while (cursor != "0");
  return {};
}

}  // namespace slip::features
