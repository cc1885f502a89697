#include "grpc/message_stream.h"

namespace slip::grpc {

bool MessageStream::send(std::string message) {
  std::function<void()> wake;
  const bool sent = state_.with([&](State& s) {
    if (s.end) return false;
    const bool first = s.pending.empty();
    s.pending_bytes += message.size();
    s.pending.push_back(std::move(message));
    if (s.pending_bytes > kPendingBytesMax) {
      s.pending.clear();
      s.pending_bytes = 0;
      s.end = exhausted("stream.too_slow", "the client reads too slowly");
      wake = s.wake;
      return false;
    }
    if (first) wake = s.wake;
    return true;
  });
  if (wake) wake();
  return sent;
}

void MessageStream::close(Status status) {
  const auto wake = state_.with([&](State& s) {
    if (!s.end) s.end = std::move(status);
    return s.wake;
  });
  if (wake) wake();
}

bool MessageStream::open() const {
  return state_.with([](const State& s) { return !s.end; });
}

void MessageStream::attach(std::function<void()> wake) {
  state_.with([&](State& s) { s.wake = std::move(wake); });
}

std::optional<std::string> MessageStream::take(std::optional<Status>* end) {
  return state_.with([&](State& s) -> std::optional<std::string> {
    if (s.pending.empty()) {
      *end = s.end;
      return std::nullopt;
    }
    std::string message = std::move(s.pending.front());
    s.pending.pop_front();
    s.pending_bytes -= message.size();
    return message;
  });
}

void MessageStream::detach() {
  state_.with([](State& s) {
    if (!s.end) s.end = Status();
    s.wake = nullptr;
    s.pending.clear();
    s.pending_bytes = 0;
  });
}

}  // namespace slip::grpc
