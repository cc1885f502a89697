#include "core/scan/reader.h"

#include <algorithm>

namespace slip::scan {
namespace {

constexpr int64_t kWindowBytes = 64 << 10;

}  // namespace

Reader::Reader(codec::ByteSource& source, int64_t begin, int64_t end)
    : source_(source), position_(begin), end_(std::min(end, source.size())) {}

bool Reader::fill() {
  const int64_t wanted = std::min(kWindowBytes, left());
  if (wanted <= 0 || !status_.ok()) return false;
  window_.resize(static_cast<size_t>(wanted));
  Result<size_t> got = source_.read_at(position_, window_);
  if (!got.ok()) {
    status_ = std::move(got).error();
    window_.clear();
    return false;
  }
  window_.resize(*got);
  window_at_ = position_;
  return *got > 0;
}

std::optional<uint8_t> Reader::byte() {
  if (left() <= 0) return std::nullopt;
  const int64_t at = position_ - window_at_;
  if (at < 0 || at >= static_cast<int64_t>(window_.size())) {
    if (!fill()) return std::nullopt;
  }
  return static_cast<uint8_t>(window_[static_cast<size_t>(position_++ - window_at_)]);
}

std::optional<std::string> Reader::bytes(size_t n) {
  if (left() < 0 || n > static_cast<uint64_t>(left())) return std::nullopt;
  std::string out;
  out.reserve(n);
  while (out.size() < n) {
    const int64_t at = position_ - window_at_;
    if (at < 0 || at >= static_cast<int64_t>(window_.size())) {
      if (!fill()) return std::nullopt;
      continue;
    }
    const size_t take = std::min(n - out.size(), window_.size() - static_cast<size_t>(at));
    out.append(window_, static_cast<size_t>(at), take);
    position_ += static_cast<int64_t>(take);
  }
  return out;
}

bool Reader::skip(int64_t n) {
  if (n < 0 || n > left()) return false;
  position_ += n;
  return true;
}

std::optional<uint64_t> Reader::little(int n) {
  uint64_t out = 0;
  for (int i = 0; i < n; ++i) {
    const auto b = byte();
    if (!b) return std::nullopt;
    out |= static_cast<uint64_t>(*b) << (8 * i);
  }
  return out;
}

std::optional<std::string> Reader::line(size_t max) {
  std::string out;
  while (out.size() <= max) {
    const auto b = byte();
    if (!b) return std::nullopt;
    if (*b == '\n') return out;
    out += static_cast<char>(*b);
  }
  return std::nullopt;
}

std::optional<uint64_t> Reader::varint() {
  uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto b = byte();
    if (!b) return std::nullopt;
    out |= static_cast<uint64_t>(*b & 0x7f) << shift;
    if (!(*b & 0x80)) return out;
  }
  return std::nullopt;
}

void Scan::found(Verdict severity, std::string_view code, std::string detail) {
  report->verdict = std::max(report->verdict, severity);
  constexpr size_t kDetailMax = 300;
  if (detail.size() > kDetailMax) detail.resize(kDetailMax);
  for (char& c : detail)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  for (const Finding& f : report->findings)
    if (f.code == code && f.detail == detail && f.where == where) return;
  if (report->findings.size() < limits.findings)
    report->findings.push_back({.severity = severity,
                                .code = std::string(code),
                                .detail = std::move(detail),
                                .where = where});
}

}  // namespace slip::scan
