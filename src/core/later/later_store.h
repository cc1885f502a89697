#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/later/types.h"
#include "store/db.h"

// SQL of requests that are answered later. No policy.
namespace slip::later::sql {

// Bytes in the row, or the digest of a blob.
struct Bytes {
  std::string inside;
  std::string digest;
};

struct NewJob {
  Job job;
  std::string key;  // Unique of an actor in a project.
  std::string fingerprint;
  std::string head;
  Bytes body;
};
Status insert(store::Tx& tx, const NewJob& made);

Result<std::optional<Job>> find(store::Tx& tx, std::string_view project, std::string_view uid);
struct Known {
  Job job;
  std::string fingerprint;
};
Result<std::optional<Known>> find_key(store::Tx& tx, const Job& whose, std::string_view key);

struct Waiting {
  int64_t all = 0;
  int64_t own = 0;  // Of one actor in one project.
  int64_t bytes = 0;
};
Result<Waiting> waiting(store::Tx& tx, std::string_view project, std::string_view actor_uid);

struct Query {
  std::string project;
  std::string actor_uid;  // "": of everybody.
  std::optional<State> state;
  std::string before;  // A uid; "": from the newest.
  int64_t limit = 100;
};
Result<std::vector<Job>> list(store::Tx& tx, const Query& query);  // Newest first.

// The oldest that is due of each tenant.
struct Due {
  std::string project;
  std::string actor_uid;
  std::string uid;
};
Result<std::vector<Due>> due(store::Tx& tx, int64_t now_ms);
struct Lease {
  std::string token;
  int64_t until_ms = 0;
};
// False: somebody else has it.
Result<bool> take(store::Tx& tx, const Due& what, const Lease& lease, int64_t now_ms);
struct Request {
  std::string head;
  Bytes body;
};
Result<Request> request_of(store::Tx& tx, const Job& job);
Status extend(store::Tx& tx, std::string_view token, int64_t until_ms);

// What an attempt came to. Only who holds the lease can say so; false: he has lost it.
struct Outcome {
  Job job;  // State, attempts, next_ms, ended_ms, expires_ms, status, answer_bytes, error.
  std::string answer_head;
  Bytes answer;
  bool forgets_request = false;  // It won't be asked again.
};
Result<bool> settle(store::Tx& tx, const Outcome& outcome, std::string_view token);
struct Answered {
  std::string head;
  Bytes body;
};
Result<Answered> answer_of(store::Tx& tx, const Job& job);

// From any state but those that have ended. False: it had.
Result<bool> cancel(store::Tx& tx, const Job& job);
// From `failed`, with all attempts before it. False: it hasn't failed.
Result<bool> requeue(store::Tx& tx, const Job& job, int64_t now_ms);

// Running ones whose lease has ended by `now_ms`.
Result<std::vector<Job>> lapsed(store::Tx& tx, int64_t now_ms);
// That one, if nobody has taken it anew; `after` says what becomes of it.
Result<bool> take_back(store::Tx& tx, const Job& after, int64_t now_ms);
Result<int64_t> expire(store::Tx& tx, int64_t now_ms, int64_t limit);
Result<int64_t> remove_expired(store::Tx& tx, int64_t now_ms, int64_t limit);

struct Counts {
  int64_t queued = 0;
  int64_t running = 0;
  int64_t oldest_ms = 0;  // When the oldest that waits came; 0: none.
};
Result<Counts> counts(store::Tx& tx);
Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& tell);

}  // namespace slip::later::sql
