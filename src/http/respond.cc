#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "base/text.h"
#include "http/conditional.h"
#include "http/connection.h"
#include "http/event_stream.h"
#include "http/reply.h"

// The half of a connection that writes.
namespace slip::http {
namespace {

constexpr size_t kFlatBytesMax = 16 << 10;  // Bodies up to this are copied behind their head.
constexpr size_t kPieceBytes = 256 << 10;
constexpr int64_t kPullRetryMs = 250;

std::string quoted(std::string_view etag) { return concat({"\"", etag, "\""}); }

bool bodiless(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

// Any thread. The connection is held while it works: once its client has gone, `conn` may be all
// that keeps it alive, and the end of the exchange lets `conn` go.
void Exchange::answer(Reply reply_) {
  if (answered.exchange(true, std::memory_order_acq_rel)) return;
  reply = std::move(reply_);
  if (current_core() && current_core() == core) {
    answered_on_loop = true;
    if (const auto held = conn) held->on_answer();
    return;
  }
  const auto alive = core_life.lock();
  if (!alive) return;
  asio::post(alive->io, [self = shared_from_this()] {
    if (const auto held = self->conn) held->on_answer();
  });
}

void Connection::deliver() {
  Exchange& x = *exchange_;
  disarm();
  if (!x.head.keep_alive || !x.head.http11 || core_->shared.draining.load()) close_after_ = true;
  Reply& reply = x.reply;
  status_ = reply.status;
  body_out_ = 0;
  if (reply.events && x.request.method == Method::kHead) {
    reply.events->detach();
    reply.content_type = "text/event-stream";
    append_reply_head(reply, -1, x.head.http11);
    return finish_exchange();
  }
  if (reply.events) return deliver_events(&reply);
  const bool reads = x.request.method <= Method::kHead && reply.status == 200;
  const std::string_view known = reads ? x.request.header("if-none-match") : "";
  if (!known.empty()) {
    const std::string* tag = find_header(reply.headers, "etag");
    std::string_view bare = reply.blob ? std::string_view(reply.blob_etag) : "";
    if (tag && tag->size() > 1 && tag->ends_with('"'))
      bare = std::string_view(*tag).substr(tag->find('"') + 1, tag->size() - tag->find('"') - 2);
    if (matches_any(known, bare)) {
      if (reply.blob && !tag) reply.headers.emplace_back("ETag", quoted(reply.blob_etag));
      reply.blob.reset();
      reply.stream.reset();
      reply.body.clear();
      status_ = reply.status = 304;
    }
  }
  if (reply.blob) return deliver_blob(&reply);
  if (reply.stream) return deliver_stream(&reply);
  deliver_flat(&reply, x.request.method == Method::kHead && x.method_known);
}

void Connection::append_reply_head(const Reply& reply, int64_t length, bool chunked) {
  append_head(&out_, {.status = reply.status,
                      .date = core_->date,
                      .content_type = length == 0 && bodiless(reply.status)
                                          ? std::string_view()
                                          : std::string_view(reply.content_type),
                      .content_length = bodiless(reply.status) ? -1 : length,
                      .request_id = exchange_->ctx.request_id,
                      .chunked = chunked,
                      .close = close_after_,
                      .phrase_in_capitals = reply.phrase_in_capitals,
                      .headers = reply.headers});
}

void Connection::deliver_flat(Reply* reply, bool no_body) {
  append_reply_head(*reply, static_cast<int64_t>(reply->body.size()), false);
  if (!no_body && !bodiless(reply->status)) {
    body_out_ = static_cast<int64_t>(reply->body.size());
    if (reply->body.size() <= kFlatBytesMax) {
      out_.append(reply->body);
    } else {
      out_body_ = std::move(reply->body);
    }
  }
  finish_exchange();
}

void Connection::deliver_blob(Reply* reply) {
  Exchange& x = *exchange_;
  const int64_t size = reply->blob->size();
  RangeAnswer range{RangeAnswer::Kind::kWhole, 0, size};
  if (x.request.method == Method::kGet && reply->status == 200)
    range = answer_range(x.request.header("range"), x.request.header("if-range"), reply->blob_etag,
                         size);
  if (range.kind == RangeAnswer::Kind::kUnsatisfiable) {
    Reply refused = x.render(invalid("http.range", "the range lies beyond the end"));
    refused.headers.emplace_back("Content-Range", concat({"bytes */", std::to_string(size)}));
    x.reply = std::move(refused);
    status_ = x.reply.status;
    return deliver_flat(&x.reply, false);
  }
  reply->headers.emplace_back("Accept-Ranges", "bytes");
  if (!reply->blob_etag.empty()) reply->headers.emplace_back("ETag", quoted(reply->blob_etag));
  if (range.kind == RangeAnswer::Kind::kPart) {
    status_ = reply->status = 206;
    reply->headers.emplace_back(
        "Content-Range",
        concat({"bytes ", std::to_string(range.first), "-",
                std::to_string(range.first + range.size - 1), "/", std::to_string(size)}));
  }
  if (x.request.method == Method::kHead || range.size == 0) {
    append_reply_head(*reply, range.size, false);
    return finish_exchange();
  }
  pull_from_ = range.first;
  pull_left_ = range.size;
  chunked_ = head_sent_ = false;
  phase_ = Phase::kPulling;
  pull();
}

void Connection::deliver_stream(Reply* reply) {
  const Exchange& x = *exchange_;
  chunked_ = x.head.http11;
  if (x.request.method == Method::kHead) {
    append_reply_head(*reply, -1, chunked_);
    return finish_exchange();
  }
  pull_left_ = -1;
  head_sent_ = false;
  phase_ = Phase::kPulling;
  pull();
}

// The pool fills `piece_`; until it has posted pulled(), nothing here touches it.
void Connection::pull() {
  const auto job = [self = shared_from_this(), x = exchange_, from = pull_from_,
                    left = pull_left_] {
    const size_t want =
        left < 0 ? kPieceBytes : static_cast<size_t>(std::min<int64_t>(left, kPieceBytes));
    std::string& piece = self->piece_;
    if (piece.size() < want) piece.resize(want);
    const std::span<char> space(piece.data(), want);
    Result<size_t> n =
        x->reply.blob ? x->reply.blob->read_at(from, space) : x->reply.stream->read(space);
    asio::post(self->core_->io, [self, n = std::move(n)]() mutable { self->pulled(std::move(n)); });
  };
  if (submit(job)) return;
  retry_pull_ = true;
  arm(kPullRetryMs);
}

void Connection::pulled(Result<size_t> n) {
  if (phase_ == Phase::kClosed) return;
  Exchange& x = *exchange_;
  if (n && *n == 0 && pull_left_ > 0) n = corrupt("blob.short", "the blob ended early");
  if (!n && head_sent_) return close();  // Half of it is out; a clean end would be a lie.
  if (!n) {
    x.reply = x.render(n.error());
    status_ = x.reply.status;
    deliver_flat(&x.reply, false);
    return advance();
  }
  if (!head_sent_) {
    if (pull_left_ < 0 && !chunked_) close_after_ = true;
    append_reply_head(x.reply, pull_left_ < 0 ? -1 : pull_left_, chunked_);
    head_sent_ = true;
  }
  const auto size = static_cast<int64_t>(*n);
  body_out_ += size;
  if (size > 0) append_piece({piece_.data(), *n});
  if (pull_left_ < 0 && size == 0) {
    if (chunked_) out_.append("0\r\n\r\n");
    pull_left_ = 0;
  } else if (pull_left_ > 0) {
    pull_left_ -= size;
    pull_from_ += size;
  }
  flush();
  if (!writing_) after_write();
}

void Connection::append_piece(std::string_view piece) {
  if (!chunked_) {
    out_.append(piece);
    return;
  }
  std::array<char, 20> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), piece.size(), 16).ptr;
  out_.append(digits.data(), end).append("\r\n").append(piece).append("\r\n");
}

void Connection::deliver_events(Reply* reply) {
  const Exchange& x = *exchange_;
  phase_ = Phase::kEvents;
  chunked_ = x.head.http11;
  if (!chunked_) close_after_ = true;
  reply->content_type = "text/event-stream";
  reply->headers.emplace_back("Cache-Control", "no-cache");
  append_reply_head(*reply, -1, chunked_);
  reply->events->attach([life = x.core_life, weak = weak_from_this()] {
    const auto core = life.lock();
    if (!core) return;
    asio::post(core->io, [weak] {
      if (const auto self = weak.lock()) self->pump_events();
    });
  });
  rearm();
  pump_events();
}

void Connection::pump_events() {
  if (phase_ != Phase::kEvents || writing_) return;
  bool ended = false;
  const std::string pending = exchange_->reply.events->take(&ended);
  body_out_ += static_cast<int64_t>(pending.size());
  if (!pending.empty()) append_piece(pending);
  if (ended || close_after_) {
    if (chunked_) out_.append("0\r\n\r\n");
    if (!chunked_ || !ended) close_after_ = true;
    exchange_->reply.events->detach();
    finish_exchange();
    return advance();
  }
  flush();
}

void Connection::report(int status) {
  const Exchange& x = *exchange_;
  const Shared& shared = core_->shared;
  const int64_t duration = core_->read_clock() - x.start_ns;
  if (shared.parts.probe)
    shared.parts.probe->finished(x.ctx, {.method = x.request.method,
                                         .route = x.route,
                                         .status = status,
                                         .duration_ns = duration,
                                         .body_in_bytes = x.body_bytes,
                                         .body_out_bytes = body_out_});
  if (shared.options.access_log)
    shared.parts.log.info("request", {{"method", x.head.method},
                                      {"path", x.request.path},
                                      {"status", int64_t{status}},
                                      {"duration_us", duration / 1000},
                                      {"bytes_in", x.body_bytes},
                                      {"bytes_out", body_out_},
                                      {"peer", peer_},
                                      {"actor", x.ctx.actor_uid},
                                      {"request_id", x.ctx.request_id},
                                      {"trace_id", x.ctx.trace_id}});
}

void Connection::finish_exchange() {
  report(status_);
  Exchange& x = *exchange_;
  x.conn.reset();
  x.reply = {.content_type = {}};
  x.leases.clear();
  x.reserved = 0;
  if (exchange_.use_count() > 1 && !x.answered_on_loop) exchange_.reset();
  phase_ = Phase::kIdle;
  rearm();
}

void Connection::rearm() {
  if (writing_) return arm(timeouts().stall_ms);
  switch (phase_) {
    case Phase::kIdle:
      return arm(timeouts().idle_ms);
    case Phase::kEvents:
      return arm(timeouts().heartbeat_ms);
    case Phase::kLinger:
      return arm(timeouts().linger_ms);
    case Phase::kHandling:
    case Phase::kPulling:
      return disarm();
    default:
      return;  // A head or a body keeps the deadline it began with.
  }
}

void Connection::flush() {
  if (writing_ || phase_ == Phase::kClosed) return;
  if (tls_) {
    Status sent = tls_->send(out_, &tls_wire_);
    if (sent) sent = tls_->send(out_body_, &tls_wire_);
    out_.clear();
    out_body_.clear();
    if (!sent) return close();
    wire_head_.swap(tls_wire_);
    if (wire_head_.empty()) return;
  } else {
    if (out_.empty() && out_body_.empty()) return;
    wire_head_.swap(out_);
    wire_body_.swap(out_body_);
  }
  sent_ = 0;
  moved_ = phase_ == Phase::kBody ? moved_ : 0;
  writing_ = true;
  rearm();
  write_some();
}

void Connection::write_some() {
  const size_t head = std::min(sent_, wire_head_.size());
  const size_t body = sent_ - head;
  const std::array<asio::const_buffer, 2> buffers = {
      asio::buffer(wire_head_.data() + head, wire_head_.size() - head),
      asio::buffer(wire_body_.data() + body, wire_body_.size() - body)};
  const auto done = [self = shared_from_this()](const auto& ec, size_t n) {
    self->on_written(ec, n);
  };
  if (wire_body_.empty()) {
    socket_.async_write_some(buffers[0], done);
  } else {
    socket_.async_write_some(buffers, done);
  }
}

void Connection::on_written(const boost::system::error_code& ec, size_t n) {
  if (phase_ == Phase::kClosed) return;
  // What was given was never empty; nothing taken without an error means that the reactor has let
  // go of the descriptor, and trying again would spin.
  if (ec || n == 0) return close();
  sent_ += n;
  moved_ += static_cast<int64_t>(n);
  if (sent_ < wire_head_.size() + wire_body_.size()) return write_some();
  writing_ = false;
  wire_head_.clear();
  wire_body_.clear();
  if (wire_head_.capacity() > kPieceBytes) wire_head_ = {};
  rearm();
  after_write();
}

void Connection::after_write() {
  if (!tls_wire_.empty() || !out_.empty() || !out_body_.empty()) {
    flush();
    if (writing_) return;
  }
  switch (phase_) {
    case Phase::kClosed:
      return;
    case Phase::kLinger:
      return finish_or_linger();
    case Phase::kEvents:
      return pump_events();
    case Phase::kPulling:
      if (pull_left_ != 0) {
        pull();
        return read();
      }
      finish_exchange();
      break;
    default:
      break;
  }
  advance();
}

// Without unread input the socket just closes. With some, an immediate close would reset the
// connection and the client might never see the reply, so it is read and dropped for a while.
void Connection::finish_or_linger() {
  if (phase_ != Phase::kLinger) {
    phase_ = Phase::kLinger;
    if (tls_) tls_->close(&tls_wire_);
    flush();
  }
  if (writing_ || phase_ == Phase::kClosed) return;
  if (ended_ || (!unread_body_ && unread().empty())) return close();
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  in_begin_ = in_end_ = 0;
  rearm();
  read();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const bool busy = exchange_ && exchange_->conn;
  const bool streams = phase_ == Phase::kEvents;
  if (busy) report(499);
  phase_ = Phase::kClosed;
  gone_->store(true, std::memory_order_relaxed);
  disarm();
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (!busy) return;
  if (streams) exchange_->reply.events->detach();
  exchange_->conn.reset();
}

}  // namespace slip::http
