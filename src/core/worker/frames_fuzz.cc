#include "core/worker/frames.h"

#include "test/fuzz/fuzz.h"

// Whatever a worker writes, in whatever pieces: frames come out that can be written again, nothing
// beyond the bounds is kept, and pieces make no difference.
SLIP_FUZZ(worker_frames) {
  using namespace slip::worker;
  constexpr size_t kBodyMax = 1 << 12;
  const std::string_view text = slip::fuzz::as_text(data);
  const auto run = [&](size_t piece) {
    FrameReader reader(kBodyMax);
    std::string out;
    for (size_t at = 0; at < text.size(); at += piece) {
      if (!reader.feed(text.substr(at, piece)).ok()) return out;
      while (true) {
        const auto frame = reader.next();
        if (!frame.ok()) return out;
        if (!*frame) break;
        CHECK((*frame)->body.size() <= kBodyMax);
        out += encode_frame(**frame);
      }
    }
    return out;
  };
  const std::string in_pieces = run(1 + text.size() % 7);
  CHECK(in_pieces == run(1));
}
