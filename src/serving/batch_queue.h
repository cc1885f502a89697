#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serving/batch_settings.h"

// Who waits for a run, in which order. A request larger than a batch waits as several pieces.
// Private to the batcher's policy. Pure; one thread.
//
// Order: strictly by level; within one, by start-time fair queueing (Goyal, Vin, Cheng 1996) over
// tenants: a piece's start is where its tenant's rows before it end, but not before what runs now;
// the least start goes first. It shares rows as deficit round robin does, with a closer bound and
// across shapes: two tenants that both have pieces waiting never differ by more than a batch of
// each shape and one piece of each. Pieces of one tenant stay in order of arrival.
//
// Age: on level p a piece is overdue after (p - 1) times `ageing_us`; the policy gives it a place
// whatever its level says. Requests in overtime (TimeoutAction::kDelay) wait a level further down.
//
// A shape's next batch is made while it waits: its pieces are "seated", the others aren't yet.
namespace slip::serving {

struct BatchItem {
  uint64_t id = 0;     // Rising with arrival; never used twice.
  uint64_t shape = 0;  // Only requests of one shape share a batch.
  uint64_t tenant = 0;
  int64_t rows = 1;         // ≥ 1
  int64_t priority = 0;     // 0: the default level.
  int64_t deadline_ns = 0;  // 0: none.
  int64_t timeout_us = 0;   // 0: none.
};

// Rows of a request in a batch.
struct BatchPart {
  uint64_t id = 0;
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t level = 1;
  int64_t arrived_ns = 0;
  int64_t deadline_ns = INT64_MAX;
  bool gone = false;  // Refused or forgotten since.
};

class BatchQueue {
 public:
  using Key = std::pair<uint64_t, uint32_t>;  // Request, piece.
  struct Order {
    int64_t level = 0;
    int64_t start = 0;
    Key key;
    auto operator<=>(const Order&) const = default;
  };
  struct Piece {
    int64_t first_row = 0;
    int64_t rows = 0;
    int64_t start = 0;
    bool waits = true;
    bool seated = false;
    bool kept = false;  // Seated by age: nobody takes that place.
  };
  struct Request {
    BatchItem item;
    int64_t level = 1;
    int64_t arrived_ns = 0;
    int64_t deadline_ns = INT64_MAX;
    int64_t due_ns = INT64_MAX;  // The deadline, or the end of its time to wait.
    size_t left = 0;             // Pieces that wait.
    std::vector<Piece> pieces;
  };
  struct Shape {
    std::vector<Key> seated;  // In order of joining.
    int64_t seated_rows = 0;
    std::set<Order> waiting;                       // The others.
    std::set<std::pair<int64_t, Key>> overdue_at;  // Of all below level 1.
    // Of the seated ones.
    int64_t oldest_ns = INT64_MAX;
    int64_t tightest_ns = INT64_MAX;  // Deadline.
    Order best;
    int64_t lowest_level = 0;
  };

  explicit BatchQueue(const BatchSettings& settings);

  int64_t overtime_level() const { return static_cast<int64_t>(levels_.size()) - 1; }

  struct Entry {
    int64_t level = 1;
    int64_t timeout_ns = 0;  // 0: none.
    int64_t piece_rows = 0;
    int64_t now_ns = 0;
  };
  // The number of its pieces.
  uint32_t add(const BatchItem& item, const Entry& entry);
  const Request* find(uint64_t id) const;
  const Piece& piece(Key key) const;
  Order order_of(Key key) const;
  int64_t deadline_of(Key key) const { return requests_.at(key.first).deadline_ns; }
  int64_t arrived_of(Key key) const { return requests_.at(key.first).arrived_ns; }

  const std::map<uint64_t, Shape>& shapes() const { return shapes_; }
  const Shape* shape(uint64_t id) const;
  void seat(Key key);
  void keep(Key key);
  void unseat(Key key);
  // The seated pieces leave for a run.
  std::vector<BatchPart> take(uint64_t shape);
  // What waits of a request goes. False when nothing did.
  bool erase(uint64_t id);

  // INT64_MAX: nobody.
  int64_t next_due_ns() const { return due_.empty() ? INT64_MAX : due_.begin()->first; }
  uint64_t next_due_id() const { return due_.begin()->second; }
  // Its time to wait has ended, its deadline not: behind all others.
  void demote(uint64_t id);

  size_t size() const { return requests_.size(); }
  int64_t requests(int64_t level) const { return levels_[static_cast<size_t>(level)].requests; }
  int64_t rows() const;
  int64_t oldest_arrival_ns() const;  // INT64_MAX: none.
  std::vector<uint64_t> ids() const;  // In order of arrival.
  // At least so many rows go before a new request of this tenant.
  int64_t rows_ahead(const BatchItem& item, int64_t level) const;

 private:
  struct Tenant {
    int64_t finish = 0;  // Where its rows so far end.
    int64_t rows = 0;    // That wait.
  };
  struct Level {
    int64_t now = 0;  // The greatest start that was run.
    int64_t rows = 0;
    int64_t requests = 0;
    int64_t active = 0;  // Tenants with rows that wait.
    size_t sweep_at = 64;
    std::unordered_map<uint64_t, Tenant> tenants;
  };

  Level& level_at(int64_t level) { return levels_[static_cast<size_t>(level)]; }
  void enter(Request& request, Key key);
  void leave(Request& request, Key key, bool served);
  void note_seated(Shape& shape, Key key);
  void remove(uint64_t id, Request& request);
  void drop_if_empty(uint64_t shape);
  int64_t overdue_ns(const Request& request) const;

  const int64_t ageing_ns_;
  std::vector<Level> levels_;  // By level; the last is overtime, the first isn't used.
  std::unordered_map<uint64_t, Request> requests_;
  std::map<uint64_t, Shape> shapes_;  // Only those with somebody in.
  std::set<std::pair<int64_t, uint64_t>> due_;
};

}  // namespace slip::serving
