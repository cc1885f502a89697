#include "http/connection.h"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include "base/text.h"
#include "http/reply.h"
#include "http/request_ids.h"

namespace slip::http {
namespace {

constexpr size_t kReadBytes = 8 << 10;      // Of a connection at rest.
constexpr size_t kReadBytesMax = 64 << 10;  // While a body or a long head comes in.
constexpr size_t kSpoolPieceBytes = 256 << 10;
constexpr size_t kSpoolPendingMax = 512 << 10;
constexpr size_t kBatchBytesMax = 32 << 10;  // Replies to pipelined requests in one write.

std::string peer_of(const Socket& socket) {
  boost::system::error_code ec;
  const auto end = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  return end.address().to_string() + ":" + std::to_string(end.port());
}

}  // namespace

Connection::Connection(std::shared_ptr<Core> core, Socket socket)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      timer_(this),
      peer_(peer_of(socket_)),
      gone_(std::make_shared<std::atomic<bool>>(false)) {
  core_->connections.insert(this);
  core_->shared.connections.add();
  if (core_->shared.tls) tls_ = std::make_unique<TlsSession>(*core_->shared.tls, "");
}

Connection::~Connection() {
  core_->connections.erase(this);
  core_->shared.connections.remove();
}

void Connection::start() {
  arm(timeouts().head_ms);
  read();
}

void Connection::read() {
  if (reading_ || ended_ || phase_ == Phase::kClosed) return;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  const size_t want = phase_ == Phase::kBody || phase_ == Phase::kHead ? kReadBytesMax : kReadBytes;
  if (in_begin_ == 0 && in_end_ == 0 && in_.size() != want) in_.resize(want);
  if (in_.size() - in_end_ < kReadBytes / 2) {
    in_.erase(0, in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
    in_.resize(std::max(want, in_end_));
  }
  if (in_.size() == in_end_) return;  // Full: read again when something was used up.
  if (tls_) raw_.resize(std::min(in_.size() - in_end_, size_t{16} << 10));
  reading_ = true;
  const auto space = tls_ ? asio::buffer(raw_.data(), raw_.size())
                          : asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
  socket_.async_read_some(
      space, [self = shared_from_this()](const auto& ec, size_t n) { self->on_read(ec, n); });
}

// Moves n bytes of the socket's into the input. False: the connection is being given up.
bool Connection::take_in(size_t n) {
  if (!tls_) {
    in_end_ += n;
    return true;
  }
  std::string plain;
  const Status got = tls_->receive({raw_.data(), n}, &plain, &tls_wire_);
  in_.resize(in_end_);
  in_.append(plain);
  in_end_ = in_.size();
  if (tls_->ended()) ended_ = true;
  if (got) return true;
  finish_or_linger();  // The alert goes out, then we are done.
  return false;
}

void Connection::on_read(const boost::system::error_code& ec, size_t n) {
  core_->read_clock();
  core_->end_turn_if_long();  // While this read still counts as under way.
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (ec || n == 0) {  // n is 0 without an error when the reactor has let go of the descriptor.
    ended_ = true;
    gone_->store(true, std::memory_order_relaxed);
    // A client that has only stopped sending may still want its answer.
    const bool busy =
        phase_ == Phase::kHandling || phase_ == Phase::kPulling || writing_ || !out_.empty();
    if (ec != asio::error::eof || !busy || phase_ == Phase::kLinger) close();
    return;
  }
  moved_ += static_cast<int64_t>(n);
  if (phase_ == Phase::kLinger) {
    lingered_ += static_cast<int64_t>(n);
    if (lingered_ > kLingerBytesMax) return close();
    in_begin_ = in_end_ = 0;
    return read();
  }
  if (take_in(n)) advance();
}

bool Connection::can_parse() const {
  return phase_ == Phase::kBody ||
         ((phase_ == Phase::kIdle || phase_ == Phase::kHead) && !close_after_ && !writing_ &&
          out_body_.empty() && out_.size() < kBatchBytesMax);
}

void Connection::advance() {
  if (advancing_ || phase_ == Phase::kClosed) return;
  advancing_ = true;
  while (can_parse() && step()) {}
  advancing_ = false;
  const bool ready = !writing_ && !(out_.empty() && out_body_.empty() && tls_wire_.empty());
  if (!ready && phase_ != Phase::kHandling) return settle();
  if (std::exchange(unsettled_, true)) return;
  core_->settle_at_turn_end(shared_from_this());
}

void Connection::settle() {
  unsettled_ = false;
  flush();
  if (phase_ == Phase::kClosed) return;
  if (ended_ && !writing_ && phase_ <= Phase::kBody) return close();
  if (close_after_ && phase_ == Phase::kIdle && !writing_) return finish_or_linger();
  // Once the reply has been taken, on_written() comes back here, and by then the next request may
  // have come; a read now would find nothing.
  if (writing_ && phase_ <= Phase::kHead) return;
  const bool paused = phase_ == Phase::kBody && spool_pending_.size() >= kSpoolPendingMax;
  if (!paused && phase_ != Phase::kLinger) read();
}

bool Connection::step() { return phase_ == Phase::kBody ? step_body() : step_head(); }

bool Connection::step_head() {
  while (phase_ == Phase::kIdle && unread().starts_with("\r\n")) in_begin_ += 2;
  if (unread().empty() || unread() == "\r") return false;
  const auto end = find_head(unread(), head_seen_);
  if (end && *end == 0) {
    head_seen_ = unread().size();
    if (phase_ == Phase::kIdle) arm(timeouts().head_ms);
    phase_ = Phase::kHead;
    return false;
  }
  head_seen_ = 0;
  begin_exchange(unread().substr(0, end ? *end : 0));
  in_begin_ += end ? *end : 0;
  const Status admitted = end ? exchange_->admit(peer_) : Status(end.error());
  if (!admitted) {
    refuse(admitted.error());
    return true;
  }
  if (exchange_->options) {
    Reply reply;
    reply.status = 204;
    reply.content_type.clear();
    reply.headers.emplace_back("Allow", Router::allow(exchange_->methods) + ", OPTIONS");
    unread_body_ = close_after_ = exchange_->head.has_body;
    exchange_->answer(std::move(reply));
    return true;
  }
  if (!exchange_->head.has_body) {
    body_done_ = true;
    dispatch();
    return true;
  }
  if (!exchange_->head.expect.empty() && unread().empty())
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  if (exchange_->head.chunked) {
    body_.start_chunked();
  } else {
    body_.start_length(exchange_->head.content_length);
  }
  moved_ = static_cast<int64_t>(unread().size());
  arm(timeouts().stall_ms);
  return true;
}

void Connection::begin_exchange(std::string_view head) {
  if (exchange_ && exchange_.use_count() == 1) {
    exchange_->reset();
  } else {
    exchange_ = std::make_shared<Exchange>(core_->shared, core_);
  }
  Exchange& x = *exchange_;
  x.conn = shared_from_this();
  x.block.assign(head);
  x.start_ns = core_->now_ns;
  make_request_id(core_->random(), &x.ctx.request_id);
  make_trace_id(core_->random(), core_->random(), &x.ctx.trace_id);
  x.ctx.deadline_ns = core_->now_ns + timeouts().handler_ms * 1'000'000;
  x.ctx.cancel = gone_;
  phase_ = Phase::kBody;
  body_done_ = spooling_ = false;
}

// Answers instead of the handler. What the client still sends can't be told apart from a next
// request, so the connection ends.
void Connection::refuse(const Error& error) {
  const Exchange& x = *exchange_;
  const bool clean = x.methods != 0 || x.route != nullptr || error.reason == "http.no_route" ||
                     error.reason == "http.moved";
  unread_body_ = x.head.has_body && !body_done_;
  if (!clean || unread_body_) close_after_ = true;
  spool_pending_.clear();
  exchange_->answer(exchange_->render(error));
}

bool Connection::step_body() {
  Exchange& x = *exchange_;
  if (body_done_ || spool_pending_.size() >= kSpoolPendingMax) return false;
  const bool spools = x.route->body.kind == BodyKind::kSpool;
  std::string& into = spools ? spool_pending_ : x.request.body;
  const size_t before = into.size();
  const auto used = body_.feed(unread(), &into);
  if (!used) {
    refuse(used.error());
    return true;
  }
  in_begin_ += *used;
  x.body_bytes += static_cast<int64_t>(into.size() - before);
  const int64_t limit = x.route->body.limit_bytes;
  if (x.body_bytes > limit) {
    refuse(limit == 0 ? invalid("http.body_unexpected", "no body belongs here")
                      : invalid("http.body_too_large",
                                concat({"the body may have at most ", format_size(limit)})));
    return true;
  }
  if (!spools && x.head.chunked) {
    const Status held = x.reserve(std::min(limit, (x.body_bytes + 0xffff) & ~int64_t{0xffff}));
    if (!held) {
      refuse(held.error());
      return true;
    }
  }
  body_done_ = body_.done();
  if (spools) {
    if (body_done_ || spool_pending_.size() >= kSpoolPieceBytes) spool();
    return false;
  }
  if (body_done_) {
    dispatch();
    return true;
  }
  return false;  // All that came is used up.
}

void Connection::dispatch() {
  if (exchange_->route->body.kind == BodyKind::kSpool) return spool();  // Of an empty body.
  phase_ = Phase::kHandling;
  disarm();
  if (exchange_->route->blocking) return run_on_pool();
  if (exchange_->gzip_body) return unpack_on_pool();
  run_inline();
}

void Connection::run_inline() {
  dispatching_ = true;
  answer_here_ = false;
  exchange_->run_inline();
  dispatching_ = false;
  if (answer_here_) deliver();
}

bool Connection::submit(std::function<void()> job) {
  return submit_to(&core_->shared.parts.pool, std::move(job));
}

bool Connection::submit_to(Pool* pool, std::function<void()> job) {
  Shared& shared = core_->shared;
  shared.jobs.add();
  const Status taken = pool->submit([&shared, core = core_.get(), job = std::move(job)]() mutable {
    job();
    // What the job holds may be the connection's last owner: it ends on its own loop.
    asio::post(core->io, [held = std::move(job)] {});
    shared.jobs.remove();
  });
  if (!taken) shared.jobs.remove();
  return taken.ok();
}

void Connection::run_on_pool() {
  Exchange* x = exchange_.get();  // Held by x->conn until it is answered.
  const ServerParts& parts = core_->shared.parts;
  Pool* pool = x->route->waits_for_others && parts.waiting_pool ? parts.waiting_pool : &parts.pool;
  const bool taken = submit_to(pool, [x, keep = exchange_] { x->answer(x->run_blocking()); });
  if (!taken) refuse(unavailable("http.overloaded", "the server has too much to do"));
}

// Inflating may take long, so it isn't done on the loop; the handler then runs where it belongs.
void Connection::unpack_on_pool() {
  const bool taken = submit([self = shared_from_this(), x = exchange_] {
    Status unpacked = x->decode_body();
    if (!unpacked) return x->answer(x->render(unpacked.error()));
    asio::post(self->core_->io, [self] {
      if (self->phase_ != Phase::kHandling) return;
      self->run_inline();
      self->advance();
    });
  });
  if (!taken) refuse(unavailable("http.overloaded", "the server has too much to do"));
}

// Hands what has arrived to the pool, which writes it into the draft; with the last piece the
// handler runs in the same turn.
void Connection::spool() {
  if (spooling_) return;
  spooling_ = true;
  auto piece = std::make_shared<std::string>(std::exchange(spool_pending_, {}));
  const bool last = body_done_;
  if (last) {
    phase_ = Phase::kHandling;
    disarm();
  }
  const auto job = [self = shared_from_this(), x = exchange_, piece, last] {
    const auto write = [&]() -> Status {
      if (!x->request.draft) x->request.draft = TRY(x->shared.parts.blobs->create());
      return piece->empty() ? Status() : x->request.draft->write(*piece);
    };
    Status written = write();
    if (written && last) return x->answer(x->run_blocking());
    if (!written) x->request.draft.reset();
    asio::post(self->core_->io, [self, written = std::move(written), n = piece->size()]() mutable {
      self->spooled(std::move(written), n);
    });
  };
  if (submit(job)) return;
  spooling_ = false;
  refuse(unavailable("http.overloaded", "the server has too much to do"));
}

void Connection::spooled(Status written, size_t n) {
  spooling_ = false;
  if (phase_ == Phase::kClosed) return;
  moved_ += static_cast<int64_t>(n);
  if (!written) {
    if (phase_ == Phase::kBody || phase_ == Phase::kHandling) refuse(written.error());
    return advance();
  }
  if (phase_ != Phase::kBody) return;
  if (body_done_ || spool_pending_.size() >= kSpoolPieceBytes) spool();
  advance();
}

void Connection::on_deadline() {
  const Shared& shared = core_->shared;
  switch (phase_) {
    case Phase::kHead:
      begin_exchange({});
      return refuse(invalid("http.timeout", "the request's header took too long"));
    case Phase::kBody:
      if (spooling_ || moved_ >= kProgressBytes) {
        moved_ = 0;
        return arm(timeouts().stall_ms);
      }
      return refuse(invalid("http.timeout", "the request's body took too long"));
    case Phase::kEvents:
      if (writing_ && moved_ < kProgressBytes) return close();
      if (writing_) {
        moved_ = 0;
        return arm(timeouts().stall_ms);
      }
      append_piece(": \n\n");
      arm(shared.options.timeouts.heartbeat_ms);
      return flush();
    case Phase::kPulling:
      if (retry_pull_) {
        retry_pull_ = false;
        return pull();
      }
      [[fallthrough]];
    default:
      if (writing_ && moved_ >= kProgressBytes) {
        moved_ = 0;
        return arm(timeouts().stall_ms);
      }
      return close();
  }
}

void Connection::on_answer() {
  if (dispatching_) {
    answer_here_ = true;
    return;
  }
  if (phase_ == Phase::kClosed) return;
  deliver();
  advance();  // Which does nothing when this is already inside it.
}

void Connection::drain() {
  close_after_ = true;
  if (phase_ == Phase::kIdle && !writing_ && out_.empty()) return close();
  if (phase_ == Phase::kEvents) finish_or_linger();
}

void Connection::abort() {
  gone_->store(true, std::memory_order_relaxed);
  close();
}

}  // namespace slip::http
