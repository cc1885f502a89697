#include "store/log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/bug.h"
#include "base/check.h"
#include "base/text.h"
#include "codec/hash.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/sync.h"

namespace slip::store {
namespace {

constexpr std::string_view kMagic = "SLIPLOG1";
// Magic, segment number, whether the segment before was closed whole, XXH3 of these.
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameBytes = 12;        // Length (4), XXH3 of segment number and payload (8).
constexpr size_t kReadBytes = 128 << 10;  // A few hundred predictions: what a reader takes at once.
constexpr size_t kPendingBytesMax = 1 << 20;  // Of ack kNone.

void put_le(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

uint64_t get_le(std::string_view in, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(in[static_cast<size_t>(i)]);
  return value;
}

std::string header_of(int64_t number, bool previous_whole) {
  std::string out(kMagic);
  put_le(&out, static_cast<uint64_t>(number), 8);
  put_le(&out, previous_whole ? 1 : 0, 8);
  put_le(&out, codec::xxh3(out), 8);
  return out;
}

// The number is part of the sum: a frame of another segment that stood here before doesn't pass.
uint64_t frame_sum(int64_t number, std::string_view payload) {
  return codec::xxh3(payload) ^ (static_cast<uint64_t>(number) * 0x9e3779b97f4a7c15);
}

void append_frame(std::string* out, int64_t number, std::string_view payload) {
  put_le(out, payload.size(), 4);
  put_le(out, frame_sum(number, payload), 8);
  out->append(payload);
}

std::string file_name(int64_t number) {
  std::string digits = std::to_string(number);
  return std::string(12 - std::min<size_t>(12, digits.size()), '0') + digits + ".log";
}

// Reads frames one after the other; remembers where the last whole one ended.
class FrameReader {
 public:
  FrameReader(File& file, int64_t number, int64_t position = kHeaderBytes)
      : file_(file), number_(number), base_(position) {}

  // Whether the segment before this one was closed whole.
  Result<bool> check_header() {
    std::array<char, kHeaderBytes> raw;
    const size_t n = TRY(file_.read_at(0, raw));
    for (const bool previous_whole : {true, false})
      if (std::string_view(raw.data(), n) == header_of(number_, previous_whole))
        return previous_whole;
    return corrupt("log.corrupt", "the segment's header is damaged");
  }
  // Nothing at the end, or where the first broken frame begins.
  Result<std::optional<std::string_view>> next(int64_t record_bytes_max) {
    TRY(fill(kFrameBytes));
    if (available() < kFrameBytes) return std::optional<std::string_view>();
    const uint64_t size = get_le(here(), 4);
    const uint64_t sum = get_le(here().substr(4), 8);
    if (size == 0 || size > static_cast<uint64_t>(record_bytes_max))
      return std::optional<std::string_view>();
    TRY(fill(kFrameBytes + size));
    if (available() < kFrameBytes + size) return std::optional<std::string_view>();
    const std::string_view payload = here().substr(kFrameBytes, size);
    if (frame_sum(number_, payload) != sum && !planted(Bug::kTornTailAccepted))
      return std::optional<std::string_view>();
    at_ += kFrameBytes + size;
    return std::optional(payload);
  }
  int64_t position() const { return base_ + static_cast<int64_t>(at_); }

 private:
  size_t available() const { return size_ - at_; }
  std::string_view here() const { return {buffer_.get() + at_, available()}; }
  Status fill(size_t wanted) {
    if (available() >= wanted) return {};
    const size_t left = available();
    if (wanted > capacity_) {
      const size_t capacity = std::max(wanted, kReadBytes);
      auto larger = std::make_unique_for_overwrite<char[]>(capacity);
      std::copy_n(buffer_.get() + at_, left, larger.get());
      buffer_ = std::move(larger);
      capacity_ = capacity;
    } else {
      std::memmove(buffer_.get(), buffer_.get() + at_, left);
    }
    base_ += static_cast<int64_t>(at_);
    at_ = 0;
    size_ = left;
    size_ += TRY(file_.read_at(base_ + static_cast<int64_t>(left),
                               std::span(buffer_.get() + left, capacity_ - left)));
    return {};
  }

  File& file_;
  const int64_t number_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;  // Filled.
  int64_t base_;     // Position in the file of buffer_[0].
  size_t at_ = 0;
};

class FileLog final : public SegmentLog {
 public:
  FileLog(World world, std::string dir, LogOptions options)
      : world_(world), dir_(std::move(dir)), options_(options) {}

  ~FileLog() override {
    const sys::Lock lock(mutex_);
    ignore(write_pending(), "records of ack kNone may be lost at a crash and so here");
  }

  Status recover() {
    TRY(world_.fs.make_dirs(dir_));
    for (const FileInfo& f : TRY(world_.fs.list(dir_))) {
      if (!f.name.ends_with(".log")) continue;
      const std::optional<int64_t> number = parse_int(trim_zeros(f.name));
      if (number && *number > 0)
        segments_.push_back({.number = *number, .bytes = f.size, .closed = true});
    }
    if (!segments_.empty()) {
      next_number_ = segments_.back().number + 1;
      TRY(cut_tails());
      // Of the last one nothing is left but its number.
      if (!segments_.empty() && segments_.back().bytes == int64_t{kHeaderBytes}) {
        husk_ = segments_.back().number;
        segments_.pop_back();
      }
    }
    for (const LogSegment& s : segments_) total_bytes_ += s.bytes;
    return {};
  }

  Status append(std::span<const std::string_view> records, LogAck ack) override {
    int64_t bytes = 0;
    for (const std::string_view r : records) {
      if (r.empty() || static_cast<int64_t>(r.size()) > options_.record_bytes_max)
        return exhausted("log.record_too_large", "a record is empty or larger than the log takes");
      bytes += static_cast<int64_t>(kFrameBytes + r.size());
    }
    sys::Lock lock(mutex_);
    if (total_bytes_ + bytes > options_.limit_bytes)
      return exhausted("log.full", "the log has reached " + format_size(options_.limit_bytes));
    if (!file_ || size_ + bytes > options_.segment_bytes) TRY(open_next());
    for (const std::string_view r : records) append_frame(&pending_, current_, r);
    if (ack != LogAck::kDisk) pending_told_ = true;
    if (ack == LogAck::kNone && pending_.size() < kPendingBytesMax) return {};
    TRY(write_pending());
    if (ack != LogAck::kDisk) return {};
    return wait_for_sync(lock);
  }

  Status rotate() override {
    sys::Lock lock(mutex_);
    if (file_) {
      TRY(write_pending());
      TRY(close_current(lock));
    }
    return settle();
  }

  std::vector<LogSegment> segments() const override {
    const sys::Lock lock(mutex_);
    return segments_;
  }

  Result<int64_t> read(int64_t segment, int64_t position, const OnRecord& on_record) override {
    int64_t end = INT64_MAX;
    {
      const sys::Lock lock(mutex_);
      if (segment == husk_) return not_found("fs.not_found", "the segment has been removed");
      if (file_ && segment == current_) end = size_;
      for (const Unsettled& u : unsettled_)
        if (u.segment == segment) end = u.bytes;
    }
    const std::unique_ptr<File> file = TRY(world_.fs.open(path_of(segment), OpenMode::kRead));
    FrameReader reader(*file, segment, std::max<int64_t>(position, kHeaderBytes));
    TRY(reader.check_header());
    while (reader.position() < end) {
      const int64_t at = reader.position();
      const std::optional<std::string_view> record = TRY(reader.next(options_.record_bytes_max));
      if (!record) break;
      if (!TRY(on_record(*record, at))) return at;
    }
    // Recovery has cut the tails; whatever breaks a closed segment now is damage.
    if (end == INT64_MAX && reader.position() != TRY(file->size()))
      return corrupt("log.corrupt", "a record in " + path_of(segment) + " fails its checksum");
    return reader.position();
  }

  Status remove(int64_t segment) override {
    const sys::Lock lock(mutex_);
    CHECK(!file_ || segment != current_);
    const auto found = std::find_if(segments_.begin(), segments_.end(),
                                    [&](const LogSegment& s) { return s.number == segment; });
    if (found == segments_.end()) return {};
    if (found + 1 == segments_.end()) {
      TRY(empty_out(segment));
    } else {
      TRY(world_.fs.remove(path_of(segment)));
    }
    total_bytes_ -= found->bytes;
    segments_.erase(found);
    std::erase_if(unsettled_, [&](const Unsettled& u) { return u.segment == segment; });
    return world_.fs.sync_dir(dir_);
  }

 private:
  struct Unsettled {
    int64_t segment;
    int64_t bytes;
  };

  std::string path_of(int64_t number) const { return dir_ + "/" + file_name(number); }

  static std::string_view trim_zeros(std::string_view name) {
    name.remove_suffix(4);
    while (name.size() > 1 && name.front() == '0') name.remove_prefix(1);
    return name;
  }

  // The newest segment's file keeps its header, which takes no space that a full disk might not
  // have: a restart must not begin to count anew. Whoever took a segment over knows it by number.
  Status empty_out(int64_t segment) {
    const std::unique_ptr<File> file = TRY(world_.fs.open(path_of(segment), OpenMode::kReadWrite));
    TRY(file->truncate(kHeaderBytes));
    TRY(file->sync());
    husk_ = segment;
    return {};
  }

  // The last segment may end in a half-written frame, or lack its header: it was being written.
  // So may one that was given up after a failed sync; its successor's header tells.
  Status cut_tails() {
    bool whole = false;
    for (size_t i = segments_.size(); i-- > 0;) {
      const bool is_last = i + 1 == segments_.size();
      const std::unique_ptr<File> file =
          TRY(world_.fs.open(path_of(segments_[i].number), OpenMode::kReadWrite));
      FrameReader reader(*file, segments_[i].number);
      const Result<bool> previous_whole = reader.check_header();
      if (!previous_whole.ok() && is_last) {
        // Acknowledged records lie behind a synced header, so there are none.
        TRY(world_.fs.remove(path_of(segments_[i].number)));
        segments_.pop_back();
        TRY(world_.fs.sync_dir(dir_));
        continue;
      }
      if (!whole) TRY(cut_tail(*file, &reader, &segments_[i]));
      // A damaged header says nothing; read() of that segment will.
      whole = !previous_whole.ok() || *previous_whole;
    }
    return {};
  }

  Status cut_tail(File& file, FrameReader* reader, LogSegment* segment) {
    while (TRY(reader->next(options_.record_bytes_max))) {}
    if (reader->position() < segment->bytes) TRY(file.truncate(reader->position()));
    // Also what was whole may not have reached the disk: whoever reads it now builds upon it.
    TRY(file.sync());
    segment->bytes = reader->position();
    return {};
  }

  Status open_next() {
    if (file_) {
      TRY(write_pending());
      const Status synced = file_->sync();
      if (!synced.ok()) return give_up_segment(synced.error());
      finish_current();
    }
    ignore(settle(), "the next segment tries again");
    const int64_t number = next_number_;
    std::unique_ptr<File> file = TRY(world_.fs.open(path_of(number), OpenMode::kTruncate));
    // The header is durable before the first record, so that recovery may drop headless files.
    TRY(file->write_at(0, header_of(number, current_whole_)));
    TRY(file->sync());
    TRY(world_.fs.sync_dir(dir_));
    ++next_number_;
    current_whole_ = true;
    file_ = std::move(file);
    current_ = number;
    size_ = kHeaderBytes;
    synced_ = size_;
    told_ = size_;
    total_bytes_ += size_;
    segments_.push_back({.number = number, .bytes = size_, .closed = false});
    if (const int64_t husk = std::exchange(husk_, 0); husk != 0)
      ignore(world_.fs.remove(path_of(husk)), "an empty segment is dropped again at a restart");
    return {};
  }

  Status write_pending() {
    Status written = cut_remains();
    if (written.ok() && pending_.empty()) return {};
    if (written.ok()) written = file_->write_at(size_, pending_);
    const bool told = std::exchange(pending_told_, false);
    if (!written.ok()) {
      pending_.clear();
      remains_ = true;
      ignore(cut_remains(), "before anything else is written, or the segment closed");
      return written;
    }
    size_ += static_cast<int64_t>(pending_.size());
    total_bytes_ += static_cast<int64_t>(pending_.size());
    segments_.back().bytes = size_;
    if (told) told_ = size_;
    pending_.clear();
    return {};
  }

  // Of a write that failed all may have arrived, as a record that nobody was told of. It must not
  // come back once the segment is closed, so that it is gone must be on the disk by then.
  Status cut_remains() {
    if (!remains_) return {};
    CHECK(file_);
    TRY(file_->truncate(size_));
    remains_ = false;
    must_sync_ = true;
    return {};
  }

  // Segments that were given up end where they did for everybody, before they count as closed.
  Status settle() {
    while (!unsettled_.empty()) {
      const Unsettled u = unsettled_.front();
      const std::unique_ptr<File> file =
          TRY(world_.fs.open(path_of(u.segment), OpenMode::kReadWrite));
      TRY(file->truncate(u.bytes));
      TRY(file->sync());
      for (LogSegment& s : segments_)
        if (s.number == u.segment) s.closed = true;
      unsettled_.erase(unsettled_.begin());
    }
    return {};
  }

  void finish_current() {
    segments_.back().closed = true;
    must_sync_ = false;
    file_.reset();
  }

  Status close_current(sys::Lock& lock) {
    TRY(wait_for_sync(lock));
    if (file_) finish_current();
    return {};
  }

  // One syncs for all who wait; those who come meanwhile share the next one.
  Status wait_for_sync(sys::Lock& lock) {
    const int64_t segment = current_;
    const int64_t wanted = size_;
    while (file_ && current_ == segment && (synced_ < wanted || must_sync_)) {
      if (syncing_) {
        sync_done_.wait(lock);
        continue;
      }
      syncing_ = true;
      must_sync_ = false;
      const std::shared_ptr<File> file = file_;
      const int64_t covers = size_;
      lock.unlock();
      const Status status = file->sync();
      lock.lock();
      syncing_ = false;
      sync_done_.notify_all();
      if (!status.ok()) return give_up_segment(status.error(), segment);
      if (current_ == segment) synced_ = std::max(synced_, covers);
    }
    if (abandoned_ == segment) return unavailable("fs.io", "the log could not be synced");
    return {};
  }

  // A failed sync may have dropped what was written, and the next one would not tell: nobody who
  // waits for this segment is acknowledged, and no later record joins it. What they wrote isn't
  // read again, unless a loss of power brings it back; see settle().
  Error give_up_segment(const Error& error, int64_t segment) {
    abandoned_ = std::max(abandoned_, segment);
    if (file_ && current_ == segment) {
      current_whole_ = false;
      const int64_t kept = std::max(synced_, told_);
      total_bytes_ -= size_ - kept;
      segments_.back().bytes = kept;
      unsettled_.push_back({segment, kept});
      remains_ = must_sync_ = false;
      file_.reset();
    }
    return error;
  }
  Error give_up_segment(const Error& error) { return give_up_segment(error, current_); }

  World world_;
  const std::string dir_;
  const LogOptions options_;
  mutable sys::Mutex mutex_;
  sys::CondVar sync_done_;
  std::vector<LogSegment> segments_;
  std::shared_ptr<File> file_;  // Of the open segment; null before the first append.
  int64_t current_ = 0;
  int64_t next_number_ = 1;
  int64_t size_ = 0;    // Written.
  int64_t synced_ = 0;  // Of those, durable.
  int64_t told_ = 0;    // Of those, acknowledged without the disk.
  int64_t total_bytes_ = 0;
  int64_t abandoned_ = 0;      // Last segment whose sync failed.
  int64_t husk_ = 0;           // Removed, but its file keeps the newest number; 0: none.
  bool current_whole_ = true;  // Until its sync fails: its successor's header says so.
  bool syncing_ = false;
  bool remains_ = false;              // Of a failed write behind size_.
  bool must_sync_ = false;            // They were cut, which isn't durable yet.
  std::vector<Unsettled> unsettled_;  // Given up; how much of them counts.
  bool pending_told_ = false;
  std::string pending_;  // Frames of ack kNone, not yet written.
};

}  // namespace

Result<std::unique_ptr<SegmentLog>> open_segment_log(World world, const std::string& dir,
                                                     LogOptions options) {
  auto log = std::make_unique<FileLog>(world, dir, options);
  TRY(log->recover());
  return log;
}

}  // namespace slip::store
