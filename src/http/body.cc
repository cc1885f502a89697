#include "http/body.h"

#include <algorithm>

namespace slip::http {
namespace {

Error bad_chunk(const char* what) { return invalid("http.chunk", what); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; }

}  // namespace

void BodyDecoder::start_length(int64_t bytes) {
  left_ = bytes;
  state_ = bytes > 0 ? State::kLength : State::kDone;
}

void BodyDecoder::start_chunked() {
  state_ = State::kSize;
  left_ = 0;
  line_ = digits_ = 0;
}

void BodyDecoder::start_until_end() { state_ = State::kUntilEnd; }

Result<size_t> BodyDecoder::feed(std::string_view in, std::string* out) {
  size_t at = 0;
  while (at < in.size() && !done()) {
    if (state_ == State::kUntilEnd) {
      out->append(in.substr(at));
      return in.size();
    }
    if (state_ != State::kLength && state_ != State::kData) {
      TRY(take_framing(in[at++]));
      continue;
    }
    const auto n =
        static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(in.size() - at)));
    out->append(in.substr(at, n));
    at += n;
    left_ -= static_cast<int64_t>(n);
    if (left_ == 0) state_ = state_ == State::kData ? State::kDataCr : State::kDone;
  }
  return at;
}

Status BodyDecoder::take_size(char c) {
  if (++line_ > kChunkLineBytesMax) return bad_chunk("a chunk's header is too long");
  if (state_ == State::kSize) {
    if (const int digit = hex_digit(c); digit >= 0) {
      if (++digits_ > kChunkDigitsMax) return bad_chunk("a chunk's size is too large");
      left_ = left_ * 16 + digit;
      return {};
    }
    if (digits_ == 0) return bad_chunk("a chunk has no size");
    if (c != '\r' && c != ';' && c != ' ' && c != '\t')
      return bad_chunk("a chunk's size is no number");
    state_ = State::kExtension;
  }
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (is_control(c)) {
    return bad_chunk("a chunk's extension holds a control character");
  }
  return {};
}

Status BodyDecoder::take_framing(char c) {
  switch (state_) {
    case State::kSize:
    case State::kExtension:
      return take_size(c);
    case State::kSizeLf:
      if (c != '\n') break;
      state_ = left_ > 0 ? State::kData : State::kTrailerStart;
      line_ = digits_ = 0;
      return {};
    case State::kDataCr:
      if (c != '\r') break;
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') break;
      start_chunked();
      return {};
    case State::kTrailerStart:
    case State::kTrailer:
      if (++line_ > kTrailerBytesMax) return bad_chunk("the trailers are too long");
      if (c == '\r') {
        state_ = state_ == State::kTrailerStart ? State::kLastLf : State::kTrailerLf;
        return {};
      }
      if (is_control(c)) return bad_chunk("a trailer holds a control character");
      state_ = State::kTrailer;
      return {};
    case State::kTrailerLf:
      if (c != '\n') break;
      state_ = State::kTrailerStart;
      return {};
    case State::kLastLf:
      if (c != '\n') break;
      state_ = State::kDone;
      return {};
    case State::kLength:
    case State::kUntilEnd:
    case State::kData:
    case State::kDone:
      break;
  }
  return bad_chunk("a chunk doesn't end where its size says");
}

Status BodyDecoder::finish() {
  if (state_ == State::kUntilEnd) state_ = State::kDone;
  if (done()) return {};
  return unavailable("http.truncated", "the message ended before its end");
}

}  // namespace slip::http
