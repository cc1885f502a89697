#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "http/parser.h"
#include "http/route.h"
#include "http/shared.h"
#include "http/target.h"

// One request and its answer. Filled by its connection, then lent to the handler, then given back
// by answer(), which any thread may call, once. Private to http/. The connection reuses it when no
// other thread has held it, so the common request allocates nothing for it.
namespace slip::http {

class Connection;
struct Core;

struct Exchange final : Responder::Impl, std::enable_shared_from_this<Exchange> {
  Exchange(Shared& shared_, const std::shared_ptr<Core>& core_)
      : shared(shared_), core(core_.get()), core_life(core_) {}

  void reset();
  // From the bytes of a head to a caller that may use the route; fills everything but the body.
  Status admit(std::string_view peer);
  Status reserve(int64_t bytes);  // kExhausted when too many bodies are in memory.
  // On the pool: decodes the body, runs the handler, makes the reply ready to be written.
  Reply run_blocking();
  void run_inline();  // On the loop; the body has been decoded.
  Result<Reply> run_handler();
  Result<Reply> run_once(std::string_view idempotency_key);
  Status decode_body();
  void compress(Reply* out) const;  // When the client takes gzip and it pays.
  Reply render(const Error& error);

  void answer(Reply reply_) override;
  void abandon() override;
  bool cancelled() const override { return ctx.cancelled(); }

  bool mutates() const { return method_known && request.method > Method::kHead; }

  Shared& shared;
  Core* core;  // Only touched on its thread, or through core_life.
  std::weak_ptr<Core> core_life;
  std::shared_ptr<Connection> conn;  // From start to the end of the reply; the loop's thread.
  std::atomic<bool> answered{false};
  bool answered_on_loop = false;  // So whoever still holds it does so on the loop's thread.
  int64_t start_ns = 0;
  int64_t body_bytes = 0;  // As decoded from chunks, still compressed.

  std::string block;  // The head's bytes; everything below points into it.
  RequestHead head;
  Request request;
  Ctx ctx;
  const Route* route = nullptr;
  bool method_known = false;
  bool options = false;    // OPTIONS: answered by the server.
  uint8_t methods = 0;     // For Allow.
  std::string moved_to;    // For Location.
  bool gzip_body = false;  // Content-Encoding: gzip or deflate.
  std::vector<Budget::Lease> leases;
  int64_t reserved = 0;
  std::string known_host;  // The policy has let it pass; a connection's requests all name one.

  Reply reply;

 private:
  Status identify();
  Status find_route();
  bool answers_without_doubled_slashes() const;
  Status moved();
  Status check_caller(const Target& target, std::string_view peer);
  Status check_body();
};

}  // namespace slip::http
