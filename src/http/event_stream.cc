#include "http/event_stream.h"

#include "base/text.h"

namespace slip::http {
namespace {

void append_field(std::string* out, std::string_view name, std::string_view value) {
  out->append(name).append(": ");
  for (const char c : value)
    if (c != '\n' && c != '\r' && c != '\0') out->push_back(c);
  out->push_back('\n');
}

}  // namespace

void append_event(std::string* out, const Event& event) {
  if (!event.id.empty()) append_field(out, "id", event.id);
  if (!event.type.empty()) append_field(out, "event", event.type);
  for (const std::string_view line : split(event.data, '\n')) append_field(out, "data", line);
  out->push_back('\n');
}

bool EventStream::send(const Event& event) {
  std::function<void()> wake;
  const bool sent = state_.with([&](State& s) {
    if (s.closed) return false;
    const bool first = s.pending.empty();
    append_event(&s.pending, event);
    if (s.pending.size() > kPendingBytesMax) {
      s.pending.clear();
      s.closed = true;
      wake = s.wake;
      return false;
    }
    if (first) wake = s.wake;
    return true;
  });
  if (wake) wake();
  return sent;
}

void EventStream::close() {
  const auto wake = state_.with([](State& s) {
    s.closed = true;
    return s.wake;
  });
  if (wake) wake();
}

bool EventStream::open() const {
  return state_.with([](const State& s) { return !s.closed; });
}

void EventStream::attach(std::function<void()> wake) {
  state_.with([&](State& s) { s.wake = std::move(wake); });
}

std::string EventStream::take(bool* ended) {
  return state_.with([&](State& s) {
    *ended = s.closed;
    return std::exchange(s.pending, {});
  });
}

void EventStream::detach() {
  state_.with([](State& s) {
    s.closed = true;
    s.wake = nullptr;
    s.pending.clear();
  });
}

}  // namespace slip::http
