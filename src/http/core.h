#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "http/shared.h"
#include "http/wheel.h"

// What the connections of one loop share. Private to http/.
namespace slip::http {

namespace asio = boost::asio;
using Executor1 = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor1>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor1>;
using TickTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor1>;

class Connection;

inline constexpr int64_t kTurnNsMax = 200'000;

// One loop. Everything but `io` (posting) belongs to its thread.
//
// A turn is what the loop does between two looks at its sockets. Replies leave at its end, all
// together: what is waited for (a record that must be in a log first) costs one write for all of
// them, and a client on another core is woken once. No reply waits longer than kTurnNsMax for
// others that are still being made.
struct Core {
  Core(Shared& shared_, uint64_t seed);

  int64_t now_ms() const { return now_ns / 1'000'000; }
  int64_t read_clock();  // Steady ns, and keeps `date` fresh.
  uint64_t random();     // For ids; not for secrets.
  void accept();
  void schedule_tick();
  void look_at_timeouts();

  void at_turn_end(std::function<void()> job);
  void settle_at_turn_end(std::shared_ptr<Connection> connection);
  void end_turn_if_long();

  std::weak_ptr<Core> self;
  Shared& shared;
  asio::io_context io{1};
  Acceptor acceptor{io};
  TickTimer ticker{io};
  bool ticking = false;
  bool accept_stuck = false;
  int64_t now_ns = 0;
  int64_t date_s = -1;  // Steady second that `date` was made in.
  std::string date;
  uint64_t random_state;
  Wheel wheel;
  std::unordered_set<Connection*> connections;

 private:
  void await_turn_end();
  void end_turn();

  bool turn_end_posted_ = false;
  int64_t turn_began_ns_ = 0;
  std::vector<std::function<void()>> turn_jobs_;
  std::vector<std::shared_ptr<Connection>> unsettled_;
  std::vector<std::function<void()>> ending_jobs_;  // Kept for their capacity.
  std::vector<std::shared_ptr<Connection>> ending_;
};

Core* current_core();
void set_current_core(Core* core);

}  // namespace slip::http
