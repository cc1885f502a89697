#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/async_generic_service.h>

#include "grpc/exchange.h"
#include "grpc/message_stream.h"
#include "grpc/server.h"
#include "sys/sync.h"
#include "sys/tally.h"

// What the calls of one server share, and the loop that moves them. Private to grpc/: the only
// header that includes the library's, for the three .cc files that use it.
namespace slip::grpc {

class Call;

struct Shared {
  Shared(ServerParts parts_, ServerOptions options_, std::vector<Method> rows_);

  ServerParts parts;
  ServerOptions options;
  const std::vector<Method> rows;
  std::unordered_map<std::string_view, const Method*> by_name;  // Without the leading '/'.
  std::atomic<bool> draining{false};
  std::atomic<size_t> streams{0};
  std::atomic<size_t> public_calls{0};
  std::atomic<size_t> public_streams{0};
  sys::Tally calls;
  ::grpc::AsyncGenericService service;
};

// What the queue gives back when an operation is done; null call: something was posted.
enum class Op : uint8_t { kArrived, kRead, kWritten, kFinished, kDone };
struct Tag {
  Call* call = nullptr;
  Op op = Op::kArrived;
};

// One completion queue. Everything but post() belongs to its thread.
//
// A turn is what the thread does between two waits: jobs given to at_turn_end() run when nothing
// more is ready, or after kTurnNsMax.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  static constexpr int64_t kTurnNsMax = 200'000;
  static constexpr int kArmed = 64;  // Calls that may begin in one turn without waiting for it.

  Queue(Shared& shared_, std::unique_ptr<::grpc::ServerCompletionQueue> cq_);
  ~Queue();

  void run();  // Until close() and nothing is left.
  void arm();  // One call more may begin.
  void retire(std::shared_ptr<Call> call);
  void post(std::function<void()> job);  // Any thread; dropped once closed.
  void close();                          // Any thread; no call is left by then.
  void await_tick();                     // There is a call that may stall.
  void at_turn_end(std::function<void()> job);

  Shared& shared;
  const std::unique_ptr<::grpc::ServerCompletionQueue> cq;
  std::unordered_set<Call*> live;

 private:
  void end_turn();
  void run_posted();
  void tick();

  struct Posted {
    std::vector<std::function<void()>> jobs;
    bool closed = false;
  };
  sys::Guarded<Posted> posted_;
  ::grpc::Alarm alarm_;  // Set while holding posted_, when its first job comes.
  Tag posted_tag_;
  ::grpc::Alarm ticker_;  // Set while there are calls.
  Tag tick_tag_;
  bool ticking_ = false;
  std::vector<std::function<void()>> turn_jobs_;
  std::vector<std::function<void()>> ending_;  // Kept for its capacity.
  std::vector<std::shared_ptr<Call>> spare_;
};

Queue* current_queue();

// One call, from before it begins until its client knows the end. Its queue's thread moves it; the
// answer to a message comes from any thread and starts the write or the end itself: until then
// nothing else does. Ends exactly once; goes when the end, the library's own notice of the end, and
// any read under way have come back.
class Call final : public Responder::Impl, public std::enable_shared_from_this<Call> {
 public:
  explicit Call(Queue& queue);

  void arm(std::shared_ptr<Call> self);
  void on(Op op, bool ok);
  void drain();  // Ends it, if it is a stream at rest.
  void look_at_stall(int64_t now_ns);

  void answer(Result<Reply> reply) override;
  bool cancelled() const override { return ctx_.cancelled(); }

 private:
  static constexpr int64_t kNever = INT64_MAX;
  void* tag(Op op) { return &tags_[static_cast<size_t>(op)]; }
  void begin();
  Status admit();
  Status check_room();
  Status check_caller();
  void take_deadline();
  void read();
  void wait_for_client(int64_t bytes);
  void wait_no_more() { gives_up_ns_.store(kNever, std::memory_order_relaxed); }
  void on_read(bool ok);
  Status take_message();
  void dispatch();
  void run_blocking();
  Result<std::optional<std::string>> exchange();
  void run_exchange();
  void submit_exchange();
  void open_stream();
  void pump();
  void on_written(bool ok);
  void on_done();
  void write(std::string message);
  void finish(const Status& status, std::optional<Reply> reply = std::nullopt);
  void add_trailing(const std::string& name, std::string_view value);
  void report();
  void let_go();
  void give_room_back();
  bool is_stream() const { return row_ != nullptr && row_->kind != Kind::kUnary; }

  Queue& queue_;
  std::array<Tag, 5> tags_;
  std::shared_ptr<Call> self_;  // While the queue owes it tags.
  std::optional<::grpc::GenericServerContext> context_;
  std::optional<::grpc::GenericServerAsyncReaderWriter> wire_;
  // Raised before an operation is started, looked at when its tag comes: what a thread wrote before
  // it handed the call on is seen by the queue's.
  std::atomic<uint32_t> handed_on_{0};
  std::atomic<int64_t> gives_up_ns_{kNever};  // Waiting for the client to send or to take.

  const Method* row_ = nullptr;
  Request request_;
  std::string peer_;
  Ctx ctx_;
  ::grpc::ByteBuffer buffer_;
  ::grpc::Slice slice_;  // What request_.message points into.
  Budget::Lease lease_;
  std::shared_ptr<MessageStream> stream_;
  std::unique_ptr<Exchange> exchange_;
  int64_t start_ns_ = 0;
  int64_t bytes_in_ = 0;
  int64_t bytes_out_ = 0;
  int code_ = 0;
  bool has_room_ = false;
  bool said_all_ = false;  // The client, to the exchange.
  bool reading_ = false;
  bool writing_ = false;  // Of a server stream.
  bool finishing_ = false;
  bool finished_ = false;
  bool done_ = false;
};

}  // namespace slip::grpc
