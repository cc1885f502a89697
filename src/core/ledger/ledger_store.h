#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ledger/ledger.h"

// The ledger's SQL and nothing else: no clock, no policy. Private to core/ledger.
namespace slip::ledger::sql {

struct Head {
  int64_t seq = 0;
  int64_t ts_us = 0;
};
// Takes the next number; the answer's ts_us is `now_us` or the last event's, whichever is later.
Result<Head> advance_head(store::Tx& tx, int64_t now_us);
Result<Head> read_head(store::Tx& tx);
// Keeps other numbering nodes out until this transaction ends.
Result<Head> lock_head(store::Tx& tx);
Status set_head(store::Tx& tx, const Head& head);

// `salt` empty: no body row. seq 0: unnumbered.
Status insert(store::Tx& tx, const Event& event, std::string_view salt, std::string_view content);
Result<std::vector<Event>> list(store::Tx& tx, const Filter& filter, std::span<const Scope> scopes);
Result<std::string> object_of(store::Tx& tx, int64_t seq, std::span<const Scope> scopes);  // Or "".

Result<int64_t> seq_of(store::Tx& tx, std::string_view project, std::string_view id);  // Or 0.

struct Pending {
  std::string project;
  std::string id;
  int64_t ts_us = 0;
  std::string leaf;
};
Result<std::vector<Pending>> pending(store::Tx& tx, int64_t limit);
Status number(store::Tx& tx, const Pending& event, int64_t seq);

Result<int64_t> read_cursor(store::Tx& tx, std::string_view name);
Status set_cursor(store::Tx& tx, std::string_view name, int64_t seq);

Result<int64_t> erase_body(store::Tx& tx, std::string_view project, std::string_view id);

struct Count {
  std::string project;
  std::string actor_uid;
  std::string actor_kind;
  std::string verb;
  Subject subject;
  int64_t minute = 0;
  int64_t n = 0;
  std::string digest;
};
// Adds what is counted already under the same key to `n` and takes its digest; whether there was.
Result<bool> add_to_count(store::Tx& tx, Count* count);
Status put_count(store::Tx& tx, const Count& count, bool known);
Result<std::vector<Count>> counts_before(store::Tx& tx, int64_t minute, int64_t limit);
Status drop_count(store::Tx& tx, const Count& count);

}  // namespace slip::ledger::sql
