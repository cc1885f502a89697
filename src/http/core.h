#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>

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

// One loop. Everything but `io` (posting) belongs to its thread.
struct Core {
  Core(Shared& shared_, uint64_t seed);

  int64_t now_ms() const { return now_ns / 1'000'000; }
  int64_t read_clock();  // Steady ns, and keeps `date` fresh.
  uint64_t random();     // For ids; not for secrets.
  void accept();
  void schedule_tick();
  void look_at_timeouts();

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
};

Core* current_core();
void set_current_core(Core* core);

}  // namespace slip::http
