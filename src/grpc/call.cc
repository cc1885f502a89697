#include <algorithm>

#include <grpc/support/time.h>

#include "base/error_map.h"
#include "base/guard.h"
#include "base/text.h"
#include "grpc/core.h"
#include "http/request_ids.h"
#include "http/target.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::grpc {
namespace {

constexpr size_t kCopiedBytesMax = 16 << 10;    // Longer messages go out without being copied.
constexpr size_t kErrorTextBytesMax = 2 << 10;  // Clients take 8 KiB of trailing metadata.
constexpr int kCancelled = 1;
constexpr int kDeadlineExceeded = 4;

std::string_view view(::grpc::string_ref text) { return {text.data(), text.size()}; }

// "ipv4:127.0.0.1:5", "ipv6:%5B::1%5D:5" → "127.0.0.1:5", "[::1]:5".
std::string plain_peer(std::string_view peer) {
  if (peer.starts_with("ipv4:") || peer.starts_with("ipv6:")) peer.remove_prefix(5);
  std::string out;
  for (size_t i = 0; i < peer.size(); ++i) {
    const std::string_view code = peer.substr(i, 3);
    const bool bracket = code == "%5B" || code == "%5D";
    out += bracket ? (code == "%5B" ? '[' : ']') : peer[i];
    if (bracket) i += 2;
  }
  return out;
}

::grpc::Slice slice_of(std::string message) {
  if (message.size() <= kCopiedBytesMax) return {message.data(), message.size()};
  auto kept = std::make_unique<std::string>(std::move(message));
  char* const data = kept->data();
  const size_t size = kept->size();
  return {data, size, [](void* p) { std::unique_ptr<std::string>(static_cast<std::string*>(p)); },
          kept.release()};
}

::grpc::ByteBuffer buffer_of(std::string message) {
  const ::grpc::Slice slice = slice_of(std::move(message));
  return {&slice, 1};
}

Error gone() { return Error{Code::kTimeout, "call.cancelled", "the client has gone", {}}; }

}  // namespace

Call::Call(Queue& queue) : queue_(queue) {
  for (size_t i = 0; i < tags_.size(); ++i) tags_[i] = {this, static_cast<Op>(i)};
  ctx_.cancel = std::make_shared<std::atomic<bool>>(false);
}

void Call::arm(std::shared_ptr<Call> self) {
  self_ = std::move(self);
  context_.emplace();
  wire_.emplace(&*context_);
  context_->AsyncNotifyWhenDone(tag(Op::kDone));
  queue_.shared.service.RequestCall(&*context_, &*wire_, queue_.cq.get(), queue_.cq.get(),
                                    tag(Op::kArrived));
}

void Call::on(Op op, bool ok) {
  handed_on_.load(std::memory_order_acquire);
  switch (op) {
    case Op::kArrived:
      if (!ok) {  // The server has stopped; no other tag comes.
        context_.reset();
        self_.reset();
        return;
      }
      begin();
      break;
    case Op::kRead:
      reading_ = false;
      if (finishing_) break;
      wait_no_more();
      on_read(ok);
      break;
    case Op::kWritten:
      on_written(ok);
      break;
    case Op::kFinished:
      finished_ = true;
      break;
    case Op::kDone:
      done_ = true;
      on_done();
      break;
  }
  if (finished_ && done_ && !reading_) let_go();
}

void Call::begin() {
  Shared& shared = queue_.shared;
  queue_.arm();
  shared.calls.add();
  queue_.live.insert(this);
  queue_.await_tick();
  start_ns_ = shared.parts.clock.steady_ns();
  for (const auto& [name, value] : context_->client_metadata())
    request_.metadata.emplace_back(view(name), view(value));
  const Status admitted = admit();
  if (!admitted.ok()) return finish(admitted);
  read();
}

Status Call::admit() {
  Shared& shared = queue_.shared;
  std::string_view name = context_->method();
  if (name.starts_with('/')) name.remove_prefix(1);
  const auto found = shared.by_name.find(name);
  const std::string_view asked = request_.header("x-request-id");
  const std::string_view trace = http::trace_of_parent(request_.header("traceparent"));
  if (http::sane_request_id(asked)) {
    ctx_.request_id = asked;
  } else {
    http::make_request_id(shared.parts.rng.u64(), &ctx_.request_id);
  }
  if (!trace.empty()) {
    ctx_.trace_id = trace;
  } else {
    http::make_trace_id(shared.parts.rng.u64(), shared.parts.rng.u64(), &ctx_.trace_id);
  }
  if (found == shared.by_name.end())
    return unsupported("call.no_method", concat({"the server knows no method /", name}));
  row_ = found->second;
  TRY(check_room());
  take_deadline();
  return check_caller();
}

// Who needs no credentials cannot take the room of those who have them.
Status Call::check_room() {
  Shared& shared = queue_.shared;
  const ServerOptions& options = shared.options;
  const bool open_to_all = row_->permission.right == http::Right::kPublic;
  const bool crowded = shared.calls.size() > options.calls_max ||
                       (open_to_all && shared.public_calls.load() >=
                                           std::max<size_t>(1, options.calls_max / kPublicPart));
  if (crowded) return exhausted("call.too_many", "too many calls at once");
  const bool full = shared.streams.load() >= options.streams_max ||
                    (open_to_all && shared.public_streams.load() >=
                                        std::max<size_t>(1, options.streams_max / kPublicPart));
  if (is_stream() && full) return exhausted("call.too_many_streams", "too many streams at once");
  has_room_ = true;
  if (is_stream()) shared.streams.fetch_add(1);
  if (open_to_all) shared.public_calls.fetch_add(1);
  if (open_to_all && is_stream()) shared.public_streams.fetch_add(1);
  return {};
}

void Call::give_room_back() {
  if (!std::exchange(has_room_, false)) return;
  Shared& shared = queue_.shared;
  const bool open_to_all = row_->permission.right == http::Right::kPublic;
  if (is_stream()) shared.streams.fetch_sub(1);
  if (open_to_all) shared.public_calls.fetch_sub(1);
  if (open_to_all && is_stream()) shared.public_streams.fetch_sub(1);
}

// The client's deadline is civil time; what is left of it counts.
void Call::take_deadline() {
  const Shared& shared = queue_.shared;
  ctx_.deadline_ns = is_stream() ? INT64_MAX : start_ns_ + shared.options.handler_ms * 1'000'000;
  const gpr_timespec deadline = context_->raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec > 1'000'000) return;
  ctx_.deadline_ns =
      std::min(ctx_.deadline_ns, start_ns_ + left.tv_sec * 1'000'000'000 + left.tv_nsec);
}

Status Call::check_caller() {
  http::Gate& gate = queue_.shared.parts.gate;
  std::string_view project = request_.header("x-slipway-project");
  if (project.empty()) project = request_.header("x-mlflow-workspace");
  if (!project.empty()) TRY(http::check_project(project));
  peer_ = plain_peer(context_->peer());
  request_.peer = peer_;
  if (row_->permission.right == http::Right::kPublic) {
    ctx_.actor_uid = "anonymous";
    ctx_.actor_kind = "anonymous";
    ctx_.project.text = project.empty() ? std::string_view(kDefaultProject) : project;
    return {};
  }
  Ctx caller = TRY(gate.authenticate({request_.header("authorization"), project, peer_}));
  caller.request_id = std::move(ctx_.request_id);
  caller.trace_id = std::move(ctx_.trace_id);
  caller.deadline_ns = ctx_.deadline_ns;
  caller.cancel = std::move(ctx_.cancel);
  ctx_ = std::move(caller);
  return gate.authorize(ctx_, row_->permission);
}

// The next message of a stream may take its time, the first and only one may not.
void Call::read() {
  reading_ = true;
  if (row_->kind != Kind::kBidi) wait_for_client(row_->message_bytes_max);
  wire_->Read(&buffer_, tag(Op::kRead));
}

void Call::on_read(bool ok) {
  if (!ok && row_->kind == Kind::kBidi && !row_->begin)
    return finish({});  // The client has said everything.
  if (!ok && context_->IsCancelled()) return finish(gone());
  if (!ok && row_->kind == Kind::kBidi) {
    said_all_ = true;
    request_.message = {};
    return submit_exchange();
  }
  if (!ok)
    return finish(exhausted("call.no_message", concat({"no message came, or one above ",
                                                       format_size(row_->message_bytes_max)})));
  const Status taken = take_message();
  if (!taken.ok()) return answer(taken.error());
  dispatch();
}

Status Call::take_message() {
  const auto size = static_cast<int64_t>(buffer_.Length());
  bytes_in_ += size;
  if (size > row_->message_bytes_max)
    return exhausted("call.message_too_large",
                     concat({"a message may have at most ", format_size(row_->message_bytes_max)}));
  lease_ = TRY(queue_.shared.parts.budget.reserve(Share::kBodies, size));
  if (!buffer_.TrySingleSlice(&slice_).ok()) {
    if (!buffer_.DumpToSingleSlice(&slice_).ok())
      return invalid("call.message", "the message cannot be read");
  }
  buffer_.Clear();
  request_.message = {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
  return {};
}

void Call::dispatch() {
  if (row_->open) return open_stream();
  if (row_->begin) return submit_exchange();
  if (row_->inline_) {
    Responder responder(shared_from_this());
    const auto ran = guarded(Code::kInternal, "handler.threw",
                             [&] { row_->inline_(ctx_, request_, std::move(responder)); });
    if (!ran.ok())  // Its responder has answered on the way out.
      queue_.shared.parts.log.error("handler threw",
                                    {{"text", ran.error().text}, {"method", row_->name}});
    return;
  }
  const Status queued =
      queue_.shared.parts.pool.submit([self = shared_from_this()] { self->run_blocking(); });
  if (!queued.ok()) answer(queued.error());
}

void Call::run_blocking() {
  if (cancelled()) return answer(gone());
  auto ran =
      guarded(Code::kInternal, "handler.threw", [&] { return row_->blocking(ctx_, request_); });
  if (ran.ok()) return answer(std::move(*ran));
  answer(std::move(ran).error());
}

void Call::submit_exchange() {
  const Status queued =
      queue_.shared.parts.pool.submit([self = shared_from_this()] { self->run_exchange(); });
  if (!queued.ok()) finish(queued.error());
}

// A message taken, or a reply made.
Result<std::optional<std::string>> Call::exchange() {
  if (!exchange_) exchange_ = TRY(row_->begin(ctx_, request_));
  if (row_->kind == Kind::kServerStream || said_all_) return exchange_->next(ctx_);
  TRY(exchange_->take(ctx_, request_.message));
  return std::optional<std::string>();
}

void Call::run_exchange() {
  const bool reads_on = row_->kind == Kind::kBidi && !said_all_;
  auto ran = guarded(Code::kInternal, "handler.threw", [&]() -> Result<std::optional<std::string>> {
    if (cancelled()) return gone();
    return exchange();
  });
  lease_.release();
  if (!ran.ok()) return finish(ran.error());
  if (!ran->ok()) return finish(ran->error());
  std::optional<std::string> reply = std::move(**ran);
  if (reply) return write(std::move(*reply));
  if (!reads_on) return finish({});
  queue_.post([self = shared_from_this()] {
    if (self->queue_.shared.draining.load())
      return self->finish(unavailable("server.draining", "the server is stopping"));
    self->read();
  });
}

void Call::answer(Result<Reply> reply) {
  // Kept until here: once an operation has begun, the queue may take the call apart.
  lease_.release();
  if (!reply.ok() && row_->render_error) reply = row_->render_error(reply.error(), request_);
  if (!reply.ok()) return finish(reply.error());
  if (row_->kind == Kind::kUnary) return finish({}, std::move(*reply));
  write(std::move(reply->message));
}

void Call::write(std::string message) {
  bytes_out_ += static_cast<int64_t>(message.size());
  wait_for_client(static_cast<int64_t>(message.size()));
  const ::grpc::ByteBuffer out = buffer_of(std::move(message));
  auto& wire = *wire_;
  handed_on_.fetch_add(1, std::memory_order_release);
  wire.Write(out, tag(Op::kWritten));
}

void Call::on_written(bool ok) {
  writing_ = false;
  wait_no_more();
  if (!ok) {
    if (stream_) stream_->detach();
    return finish(gone());
  }
  if (stream_) return pump();
  if (exchange_) return submit_exchange();
  if (queue_.shared.draining.load())
    return finish(unavailable("server.draining", "the server is stopping"));
  read();
}

void Call::open_stream() {
  auto opened =
      guarded(Code::kInternal, "handler.threw", [&] { return row_->open(ctx_, request_); });
  lease_.release();
  if (!opened.ok()) return finish(opened.error());
  if (!opened->ok()) return finish(opened->error());
  stream_ = std::move(**opened);
  // A producer may call this after the call, or the whole server, has gone.
  stream_->attach([of = queue_.weak_from_this(), weak = weak_from_this()] {
    const auto queue = of.lock();
    if (!queue) return;
    queue->post([weak] {
      if (const auto call = weak.lock()) call->pump();
    });
  });
  if (queue_.shared.draining.load())
    stream_->close(unavailable("server.draining", "the server is stopping"));
  pump();
}

void Call::pump() {
  if (!stream_ || writing_ || finishing_) return;
  std::optional<Status> end;
  std::optional<std::string> message = stream_->take(&end);
  if (message) {
    writing_ = true;
    return write(std::move(*message));
  }
  if (end) finish(*end);
}

void Call::on_done() {
  if (!context_->IsCancelled()) return;
  ctx_.cancel->store(true, std::memory_order_relaxed);
  if (!stream_) return;  // A read or an answer comes back and ends it.
  stream_->detach();
  if (!writing_ && !finishing_) finish(gone());
}

void Call::drain() {
  if (stream_) return stream_->close(unavailable("server.draining", "the server is stopping"));
  if (row_ != nullptr && row_->kind == Kind::kBidi && reading_ && !finishing_)
    finish(unavailable("server.draining", "the server is stopping"));
}

// The library doesn't tell of progress, so the size counts instead.
void Call::wait_for_client(int64_t bytes) {
  const Shared& shared = queue_.shared;
  const int64_t wait_ns = shared.options.stall_ms * 1'000'000 +
                          bytes * (1'000'000'000 / shared.options.bytes_per_second_min);
  gives_up_ns_.store(shared.parts.clock.steady_ns() + wait_ns, std::memory_order_relaxed);
}

void Call::look_at_stall(int64_t now_ns) {
  if (now_ns < gives_up_ns_.load(std::memory_order_relaxed)) return;
  if (reading_ && !finishing_)
    return finish(timed_out("call.message_late", "the message took too long"));
  context_->TryCancel();  // What was to leave doesn't: every tag comes back.
}

// Values that aren't printable ASCII would end the process inside the library.
void Call::add_trailing(const std::string& name, std::string_view value) {
  std::string clean(value.substr(0, kErrorTextBytesMax));
  for (char& c : clean)
    if (c < 0x20 || c > 0x7e) c = '?';
  context_->AddTrailingMetadata(name, clean);
}

void Call::finish(const Status& status, std::optional<Reply> reply) {
  finishing_ = true;
  wait_for_client(reply ? static_cast<int64_t>(reply->message.size()) : 0);
  add_trailing("x-request-id", ctx_.request_id);
  if (status.ok() && reply) {
    for (const auto& [name, value] : reply->trailing) add_trailing(name, value);
    bytes_out_ += static_cast<int64_t>(reply->message.size());
    const ::grpc::ByteBuffer out = buffer_of(std::move(reply->message));
    auto& wire = *wire_;  // Once it is handed on, another thread may let go of it.
    handed_on_.fetch_add(1, std::memory_order_release);
    return wire.WriteAndFinish(out, {}, ::grpc::Status::OK, tag(Op::kFinished));
  }
  ::grpc::Status last;
  if (!status.ok()) {
    const Error& error = status.error();
    code_ = code_row(error.code).grpc_status;
    last = {static_cast<::grpc::StatusCode>(code_), error.text.substr(0, kErrorTextBytesMax)};
    add_trailing("x-slipway-reason", error.reason);
    if (!error.hint.empty()) add_trailing("x-slipway-hint", error.hint);
    if (error.code == Code::kInternal || error.code == Code::kCorrupt)
      queue_.shared.parts.log.error("call failed", {{"reason", error.reason},
                                                    {"text", error.text},
                                                    {"method", context_->method()},
                                                    {"request_id", ctx_.request_id},
                                                    {"trace_id", ctx_.trace_id}});
  }
  auto& wire = *wire_;
  handed_on_.fetch_add(1, std::memory_order_release);
  wire.Finish(last, tag(Op::kFinished));
}

void Call::report() {
  const Shared& shared = queue_.shared;
  const int64_t now_ns = shared.parts.clock.steady_ns();
  if (code_ == 0 && context_->IsCancelled())
    code_ = now_ns >= ctx_.deadline_ns ? kDeadlineExceeded : kCancelled;
  if (shared.parts.probe)
    shared.parts.probe->finished(ctx_, {.method = row_,
                                        .code = code_,
                                        .duration_ns = now_ns - start_ns_,
                                        .bytes_in = bytes_in_,
                                        .bytes_out = bytes_out_});
  if (shared.options.access_log)
    shared.parts.log.info("call", {{"method", context_->method()},
                                   {"code", int64_t{code_}},
                                   {"duration_us", (now_ns - start_ns_) / 1000},
                                   {"bytes_in", bytes_in_},
                                   {"bytes_out", bytes_out_},
                                   {"peer", peer_},
                                   {"actor", ctx_.actor_uid},
                                   {"request_id", ctx_.request_id},
                                   {"trace_id", ctx_.trace_id}});
}

void Call::let_go() {
  report();
  Shared& shared = queue_.shared;
  give_room_back();
  if (stream_) stream_->detach();
  stream_.reset();
  if (exchange_)  // What it holds may take the disk to let go of.
    ignore(shared.parts.pool.submit([held = std::shared_ptr<Exchange>(std::move(exchange_))] {}),
           "it goes here then");
  said_all_ = false;
  request_.message = request_.peer = {};
  request_.metadata.clear();
  slice_ = {};
  buffer_.Clear();
  lease_.release();
  wire_.reset();
  context_.reset();
  row_ = nullptr;
  bytes_in_ = bytes_out_ = 0;
  code_ = 0;
  wait_no_more();
  writing_ = finishing_ = finished_ = done_ = false;
  if (ctx_.cancel.use_count() > 1 || ctx_.cancelled())
    ctx_.cancel = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> cancel = std::move(ctx_.cancel);
  ctx_ = {};
  ctx_.cancel = std::move(cancel);
  queue_.retire(std::move(self_));
  shared.calls.remove();
}

}  // namespace slip::grpc
