#include "serving/batch_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace slip::serving {

BatchQueue::BatchQueue(const BatchSettings& settings)
    : ageing_ns_(settings.ageing_us * 1000),
      levels_(static_cast<size_t>(settings.priority_levels) + 2) {}

uint32_t BatchQueue::add(const BatchItem& item, const Entry& entry) {
  CHECK(item.rows > 0 && entry.piece_rows > 0 && !requests_.contains(item.id));
  Request& r = requests_[item.id];
  r.item = item;
  r.level = entry.level;
  r.arrived_ns = entry.now_ns;
  if (item.deadline_ns > 0) r.deadline_ns = item.deadline_ns;
  r.due_ns = r.deadline_ns;
  if (entry.timeout_ns > 0) r.due_ns = std::min(r.due_ns, entry.now_ns + entry.timeout_ns);
  if (r.due_ns != INT64_MAX) due_.emplace(r.due_ns, item.id);
  for (int64_t row = 0; row < item.rows; row += entry.piece_rows)
    r.pieces.push_back({.first_row = row, .rows = std::min(entry.piece_rows, item.rows - row)});
  r.left = r.pieces.size();
  ++level_at(r.level).requests;
  for (uint32_t i = 0; i < r.pieces.size(); ++i) enter(r, {item.id, i});
  return static_cast<uint32_t>(r.pieces.size());
}

const BatchQueue::Request* BatchQueue::find(uint64_t id) const {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : &it->second;
}

const BatchQueue::Piece& BatchQueue::piece(Key key) const {
  return requests_.at(key.first).pieces[key.second];
}

BatchQueue::Order BatchQueue::order_of(Key key) const {
  const Request& r = requests_.at(key.first);
  return {r.level, r.pieces[key.second].start, key};
}

const BatchQueue::Shape* BatchQueue::shape(uint64_t id) const {
  const auto it = shapes_.find(id);
  return it == shapes_.end() ? nullptr : &it->second;
}

int64_t BatchQueue::overdue_ns(const Request& request) const {
  return request.arrived_ns + (request.level - 1) * ageing_ns_;
}

// A piece takes its place on the request's level, among those that aren't seated.
void BatchQueue::enter(Request& request, Key key) {
  Level& level = level_at(request.level);
  Tenant& tenant = level.tenants[request.item.tenant];
  Piece& p = request.pieces[key.second];
  p.start = std::max(level.now, tenant.finish);
  tenant.finish = p.start + p.rows;
  if (tenant.rows == 0) ++level.active;
  tenant.rows += p.rows;
  level.rows += p.rows;
  Shape& shape = shapes_[request.item.shape];
  shape.waiting.insert({request.level, p.start, key});
  if (request.level > 1) shape.overdue_at.emplace(overdue_ns(request), key);
}

// The opposite; `served`: what it was given counts against its tenant.
void BatchQueue::leave(Request& request, Key key, bool served) {
  Piece& p = request.pieces[key.second];
  if (p.seated) unseat(key);
  Level& level = level_at(request.level);
  const auto tenant = level.tenants.find(request.item.tenant);
  CHECK(tenant != level.tenants.end());
  if (served) level.now = std::max(level.now, p.start);
  level.rows -= p.rows;
  tenant->second.rows -= p.rows;
  if (tenant->second.rows == 0) {
    --level.active;
    if (!served || tenant->second.finish <= level.now) level.tenants.erase(tenant);
  }
  const auto shape = shapes_.find(request.item.shape);
  shape->second.waiting.erase({request.level, p.start, key});
  shape->second.overdue_at.erase({overdue_ns(request), key});
  p.waits = false;
  p.kept = false;
}

void BatchQueue::remove(uint64_t id, Request& request) {
  Level& level = level_at(request.level);
  --level.requests;
  if (level.rows == 0) {
    level = Level{};
  } else if (level.tenants.size() > level.sweep_at) {
    std::erase_if(level.tenants, [&](const auto& t) {
      return t.second.rows == 0 && t.second.finish <= level.now;
    });
    level.sweep_at = std::max<size_t>(64, 2 * level.tenants.size());
  }
  due_.erase({request.due_ns, id});
  requests_.erase(id);
}

void BatchQueue::drop_if_empty(uint64_t shape) {
  const auto it = shapes_.find(shape);
  if (it != shapes_.end() && it->second.waiting.empty() && it->second.seated.empty())
    shapes_.erase(it);
}

void BatchQueue::seat(Key key) {
  Request& r = requests_.at(key.first);
  Piece& p = r.pieces[key.second];
  CHECK(p.waits && !p.seated);
  Shape& shape = shapes_.at(r.item.shape);
  shape.waiting.erase({r.level, p.start, key});
  shape.seated.push_back(key);
  shape.seated_rows += p.rows;
  p.seated = true;
  note_seated(shape, key);
}

// What is known of the seated ones without looking at each.
void BatchQueue::note_seated(Shape& shape, Key key) {
  const Order order = order_of(key);
  shape.best = shape.oldest_ns == INT64_MAX ? order : std::min(shape.best, order);
  shape.lowest_level = std::max(shape.lowest_level, order.level);
  shape.oldest_ns = std::min(shape.oldest_ns, arrived_of(key));
  shape.tightest_ns = std::min(shape.tightest_ns, deadline_of(key));
}

void BatchQueue::keep(Key key) { requests_.at(key.first).pieces[key.second].kept = true; }

void BatchQueue::unseat(Key key) {
  Request& r = requests_.at(key.first);
  Piece& p = r.pieces[key.second];
  CHECK(p.seated);
  Shape& shape = shapes_.at(r.item.shape);
  shape.seated.erase(std::find(shape.seated.begin(), shape.seated.end(), key));
  shape.seated_rows -= p.rows;
  shape.waiting.insert({r.level, p.start, key});
  p.seated = false;
  shape.oldest_ns = shape.tightest_ns = INT64_MAX;
  shape.lowest_level = 0;
  for (const Key& other : shape.seated) note_seated(shape, other);
}

std::vector<BatchPart> BatchQueue::take(uint64_t shape) {
  std::vector<BatchPart> parts;
  Shape& from = shapes_.at(shape);
  const std::vector<Key> keys = std::exchange(from.seated, {});
  from.seated_rows = 0;
  from.oldest_ns = from.tightest_ns = INT64_MAX;
  from.lowest_level = 0;
  for (const Key& key : keys) {
    Request& r = requests_.at(key.first);
    Piece& p = r.pieces[key.second];
    p.seated = false;
    parts.push_back({.id = key.first,
                     .first_row = p.first_row,
                     .rows = p.rows,
                     .level = r.level,
                     .arrived_ns = r.arrived_ns,
                     .deadline_ns = r.deadline_ns});
    leave(r, key, true);
    if (--r.left == 0) remove(key.first, r);
  }
  drop_if_empty(shape);
  return parts;
}

bool BatchQueue::erase(uint64_t id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return false;
  Request& r = it->second;
  const uint64_t shape = r.item.shape;
  for (uint32_t i = 0; i < r.pieces.size(); ++i)
    if (r.pieces[i].waits) leave(r, {id, i}, false);
  remove(id, r);
  drop_if_empty(shape);
  return true;
}

void BatchQueue::demote(uint64_t id) {
  Request& r = requests_.at(id);
  due_.erase({r.due_ns, id});
  r.due_ns = r.deadline_ns;
  if (r.due_ns != INT64_MAX) due_.emplace(r.due_ns, id);
  std::vector<Key> waiting;
  for (uint32_t i = 0; i < r.pieces.size(); ++i)
    if (r.pieces[i].waits) waiting.emplace_back(id, i);
  for (const Key& key : waiting) leave(r, key, false);
  Level& left = level_at(r.level);
  --left.requests;
  if (left.rows == 0) left = Level{};
  r.level = overtime_level();
  ++level_at(r.level).requests;
  for (const Key& key : waiting) {
    r.pieces[key.second].waits = true;
    enter(r, key);
  }
}

int64_t BatchQueue::rows() const {
  int64_t n = 0;
  for (const Level& level : levels_) n += level.rows;
  return n;
}

std::vector<uint64_t> BatchQueue::ids() const {
  std::vector<uint64_t> all;
  all.reserve(requests_.size());
  for (const auto& [id, request] : requests_) all.push_back(id);
  std::sort(all.begin(), all.end());
  return all;
}

int64_t BatchQueue::oldest_arrival_ns() const {
  int64_t oldest = INT64_MAX;
  for (const auto& [id, request] : requests_) oldest = std::min(oldest, request.arrived_ns);
  return oldest;
}

int64_t BatchQueue::rows_ahead(const BatchItem& item, int64_t level) const {
  int64_t rows = 0;
  for (int64_t l = 1; l < level; ++l) rows += levels_[static_cast<size_t>(l)].rows;
  const Level& own = levels_[static_cast<size_t>(level)];
  const auto tenant = own.tenants.find(item.tenant);
  const int64_t mine = tenant == own.tenants.end() ? 0 : tenant->second.rows;
  // Others get no more than a fair share before it does.
  const int64_t tenants = std::max<int64_t>(own.active + (mine == 0 ? 1 : 0), 1);
  return rows + std::min(own.rows, mine * tenants);
}

}  // namespace slip::serving
