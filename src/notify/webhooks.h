#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/search/page.h"
#include "notify/types.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
struct Event;
}  // namespace slip::ledger

// Webhooks: who wants to be told of what, and the outbox that tells them. An event of the ledger
// becomes a row of the outbox for each webhook that asks for it, in the transaction that moves the
// cursor past it: none is lost, none is doubled. A row is sent until the receiver takes it or
// kAttemptsMax attempts have failed; a crash in between repeats an attempt, with the same id.
//
// Invariant: at most one attempt for a webhook is under way, so a slow receiver delays nobody else.
// Any thread.
namespace slip::notify {

// Carries one request to where it leads, within a bounded time. Any thread.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual Answer send(const Outgoing& request) = 0;
};

class Webhooks {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Sender& sender;
    Clock& clock;
    Rng& rng;
  };
  struct Options {
    bool allow_http = false;
    bool allow_private = false;  // Addresses that are not public.
  };
  Webhooks(Deps deps, Options options) : deps_(deps), options_(options) {}

  // A client that knows one form finds no webhook of another.
  using Only = std::optional<Form>;

  // kInvalid `webhook.name|webhook.url|webhook.events|webhook.field_too_long|webhook.credentials`,
  // kExhausted `webhook.limit`, kNotFound `webhook.not_found`.
  Result<Webhook> create(const Ctx& ctx, const Webhook& wanted);
  Result<Webhook> get(const Ctx& ctx, const std::string& uid, Only form = {});
  Result<Webhook> update(const Ctx& ctx, const std::string& uid, const Change& change,
                         Only form = {});
  Status remove(const Ctx& ctx, const std::string& uid, Only form = {});
  // Newest first.
  struct Query {
    bool mlflow_only = false;  // Those that ask for one of MLflow's events.
    Only form = {};
    std::string model_uid = {};            // Those of this model; "": whatever they are told of.
    std::vector<std::string> events = {};  // Those that ask for one of these; empty: all.
    int64_t max_results = 100;
    std::string page_token = {};
  };
  Result<search::Page<Webhook>> list(const Ctx& ctx, const Query& query);
  // Sends an example, once, and returns what came back. `event` "": the first that it asks for.
  Result<Answer> test(const Ctx& ctx, const std::string& uid, std::string_view event,
                      Only form = {});

  // Newest first.
  Result<search::Page<Delivery>> deliveries(const Ctx& ctx, const std::string& uid,
                                            const Query& query);
  // Sends what has ended once more, as a delivery of its own. kNotFound `delivery.not_found`,
  // kConflict `delivery.pending`.
  Result<Delivery> replay(const Ctx& ctx, const std::string& uid, const std::string& delivery);

  // ---- what the duties do
  // Turns new events into rows of the outbox; true when there was something to read.
  Result<bool> collect();
  // Takes what is due, of each webhook one.
  Result<std::vector<Due>> claim();
  // Sends and records it. True when it was taken.
  Result<bool> attempt(const Due& due);
  // Drops what has ended long ago and what a deleted webhook left, kWriteRowsMax rows; how many.
  Result<int64_t> tidy();

 private:
  Status check_url(const std::string& url) const;
  Status check(const Webhook& webhook) const;
  Status tell(store::Tx& tx, const ledger::Event& event);
  Outgoing signed_request(const Due& due);
  int64_t backoff_ms(int64_t attempts, int64_t retry_after_ms);

  const Deps deps_;
  const Options options_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::notify
