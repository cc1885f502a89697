#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/sync.h"

// Server-sent events, pushed: the handler puts one into Reply::events and hands it to whoever
// produces; the connection writes what arrives and a comment each 15 s. A client that reads too
// slowly is cut off (it reconnects with Last-Event-ID and the producer replays), so a stream never
// holds more than kPendingBytesMax. Any thread.
namespace slip::http {

struct Event {
  std::string_view id;    // No line ends; "" leaves the field out.
  std::string_view type;  // Likewise.
  std::string_view data;  // May hold line ends.
};
void append_event(std::string* out, const Event& event);

class EventStream {
 public:
  static constexpr size_t kPendingBytesMax = 1 << 20;

  bool send(const Event& event);  // False: closed by either side, now or before.
  void close();                   // What is pending is still written.
  bool open() const;

  // The connection's side. `wake` is called, from any thread and without a lock, when there is
  // something to take after there was nothing.
  void attach(std::function<void()> wake);
  std::string take(bool* ended);  // Everything pending.
  void detach();                  // The client has gone.

 private:
  struct State {
    std::string pending;
    std::function<void()> wake;
    bool closed = false;
  };
  sys::Guarded<State> state_;
};

}  // namespace slip::http
