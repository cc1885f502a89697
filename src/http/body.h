#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Finds the end of a message's body and takes its framing off. Own code rather than Beast's, whose
// chunk parser asserts on a last chunk that arrives in pieces. Strict: CRLF only, sizes of 1 to 15
// hexadecimal digits, bounded extensions and trailers (both ignored). One thread.
//
// Errors: kInvalid `http.chunk`; kUnavailable `http.truncated`.
namespace slip::http {

class BodyDecoder {
 public:
  static constexpr size_t kChunkLineBytesMax = 4 << 10;
  static constexpr size_t kTrailerBytesMax = 8 << 10;
  static constexpr size_t kChunkDigitsMax = 15;

  void start_length(int64_t bytes);  // 0: no body.
  void start_chunked();
  void start_until_end();

  // Appends the payload in `in` to `out`; how many bytes of `in` are used up: all of them, unless
  // the body ends before.
  Result<size_t> feed(std::string_view in, std::string* out);
  Status finish();  // The stream has ended.
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t {
    kLength,
    kUntilEnd,
    kSize,       // Digits of a chunk's size.
    kExtension,  // After the digits, up to CR.
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,  // At the start of a trailer line.
    kTrailer,
    kTrailerLf,
    kLastLf,
    kDone,
  };
  Status take_framing(char c);
  Status take_size(char c);

  State state_ = State::kDone;
  int64_t left_ = 0;  // Of the body, or of the chunk.
  size_t line_ = 0;   // Bytes of the line so far, or of all trailers.
  size_t digits_ = 0;
};

}  // namespace slip::http
