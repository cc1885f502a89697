#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "sys/sync.h"

// The messages of a server stream, pushed: the handler hands one of these to whoever produces; the
// call writes what arrives. A client that reads too slowly is cut off with kExhausted, so a stream
// never holds more than kPendingBytesMax. Any thread.
namespace slip::grpc {

class MessageStream {
 public:
  static constexpr size_t kPendingBytesMax = 1 << 20;

  bool send(std::string message);  // False: closed by either side, now or before.
  void close(Status status = {});  // What is pending is still written.
  bool open() const;

  // The call's side. `wake` is called, from any thread and without a lock, when there may be
  // something to take after there was nothing.
  void attach(std::function<void()> wake);
  // The next message; nothing when none is pending, and then, once closed, `end` says how.
  std::optional<std::string> take(std::optional<Status>* end);
  void detach();  // The client has gone.

 private:
  struct State {
    std::deque<std::string> pending;
    size_t pending_bytes = 0;
    std::function<void()> wake;
    std::optional<Status> end;
  };
  sys::Guarded<State> state_;
};

}  // namespace slip::grpc
