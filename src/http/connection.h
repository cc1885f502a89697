#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/body.h"
#include "http/core.h"
#include "http/exchange.h"

// One client's connection: reads heads and bodies, hands over exchanges, writes replies, one at a
// time and in order. Everything runs on the thread of its loop. Private to http/.
//
// Whoever waits is visible in `phase_`; what may wait is bounded by `deadline_`; at most one read
// and one write are under way at a time. connection.cc reads, respond.cc writes.
namespace slip::http {

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  struct Timer : Wheel::Node {
    explicit Timer(Connection* c) : connection(c) {}
    Connection* connection;
  };

  Connection(std::shared_ptr<Core> core, Socket socket);
  ~Connection();

  void start();
  void on_deadline();
  void drain();  // Closes now if idle, after the reply otherwise.
  void abort();  // Closes now.
  // The exchange's answer has come (on this thread).
  void on_answer();
  void settle();  // The turn has ended: sends what is ready, reads on.

 private:
  enum class Phase : uint8_t {
    kIdle,      // No byte of a request yet.
    kHead,      // Some.
    kBody,      // The head was admitted.
    kHandling,  // The handler has it.
    kPulling,   // The pool reads the next piece of the reply.
    kEvents,    // The reply is an EventStream.
    kLinger,    // Everything was answered; input is thrown away until the client closes.
    kClosed,
  };

  // ---- reading
  void read();
  void on_read(const boost::system::error_code& ec, size_t n);
  bool take_in(size_t n);
  void advance();
  bool can_parse() const;
  bool step();  // False: more input is needed, or somebody else's turn.
  bool step_head();
  bool step_body();
  void begin_exchange(std::string_view head);
  void refuse(const Error& error);
  void dispatch();
  std::string_view unread() const { return {in_.data() + in_begin_, in_end_ - in_begin_}; }

  // ---- spooling
  void spool();
  void spooled(Status written, size_t n);
  void run_on_pool();
  void unpack_on_pool();
  void run_inline();
  bool submit(std::function<void()> job);  // False: the pool is full.
  bool submit_to(Pool* pool, std::function<void()> job);

  // ---- replying
  void deliver();
  void deliver_flat(Reply* reply, bool no_body);
  void deliver_blob(Reply* reply);
  void deliver_stream(Reply* reply);
  void deliver_events(Reply* reply);
  void append_reply_head(const Reply& reply, int64_t length, bool chunked);
  void pull();
  void pulled(Result<size_t> n);
  void append_piece(std::string_view piece);
  void pump_events();
  void finish_exchange();

  void flush();
  void write_some();
  void on_written(const boost::system::error_code& ec, size_t n);
  void after_write();
  void finish_or_linger();
  void close();
  void report(int status);
  void rearm();  // The deadline that the phase calls for.
  void arm(int64_t delay_ms) { core_->wheel.arm(timer_, core_->now_ms() + delay_ms); }
  void disarm() { core_->wheel.arm(timer_, Wheel::kNever); }
  const Timeouts& timeouts() const { return core_->shared.options.timeouts; }

  std::shared_ptr<Core> core_;
  Socket socket_;
  Timer timer_;
  std::string peer_;
  std::unique_ptr<TlsSession> tls_;
  std::shared_ptr<std::atomic<bool>> gone_;
  std::shared_ptr<Exchange> exchange_;
  BodyDecoder body_;
  Phase phase_ = Phase::kIdle;
  bool reading_ = false;
  bool advancing_ = false;
  bool dispatching_ = false;
  bool answer_here_ = false;  // The inline handler answered before it returned.
  bool unsettled_ = false;    // The end of the turn comes back to it.
  bool ended_ = false;        // The client sends no more.
  bool close_after_ = false;  // No request after this one.
  bool retry_pull_ = false;
  bool unread_body_ = false;  // Of a request that was refused.

  std::string in_;  // [in_begin_, in_end_) is unread.
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  size_t head_seen_ = 0;
  int64_t moved_ = 0;  // Bytes that arrived or left since the deadline was set.
  int64_t lingered_ = 0;
  std::string raw_;       // TLS: what came off the socket.
  std::string tls_wire_;  // TLS: records that must go out before anything else.

  std::string spool_pending_;
  bool spooling_ = false;
  bool body_done_ = false;

  // What is ready to go, and what is going.
  std::string out_;
  std::string out_body_;
  bool writing_ = false;
  std::string wire_head_;
  std::string wire_body_;
  size_t sent_ = 0;

  // The reply that is being pulled.
  std::string piece_;
  int64_t pull_from_ = 0;
  int64_t pull_left_ = -1;  // Negative: until the source ends.
  bool head_sent_ = false;
  bool chunked_ = false;
  int status_ = 0;
  int64_t body_out_ = 0;
};

}  // namespace slip::http
