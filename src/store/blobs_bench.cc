#include "store/blobs.h"

#include <sys/resource.h>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "engine/chunk/chunk.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"

// blobs_bench FOLDER MIB: how fast files become blobs, against the hashes that bound it in the same
// run, and how much of an edited file is found again. Rates are per second of one core's time (user
// and system), the wall clock's beside. Writes FOLDER/result.json; bench/blobs.py builds, runs and
// prints.
namespace slip::store {
namespace {

constexpr size_t kBlockBytes = 1 << 20;

// Block `i` of a file of noise; the same for every call.
void fill_noise(uint64_t i, std::string* out) {
  out->resize(kBlockBytes);
  uint64_t s = (i + 1) * 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < kBlockBytes; at += 8) {
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    for (size_t b = 0; b < 8; ++b) (*out)[at + b] = static_cast<char>(s >> (8 * b));
  }
}

void fill_rows(uint64_t i, std::string* out) {  // Compresses like a CSV file.
  out->clear();
  for (uint64_t row = i * 50'000; out->size() < kBlockBytes; ++row) {
    uint64_t z = (row + 1) * 0xbf58476d1ce4e5b9;
    z ^= z >> 29;
    *out += std::to_string(row) + "," + std::to_string(z % 100'000) + ",category-" +
            std::to_string(z % 40) + "," + std::to_string(static_cast<double>(z % 9973) / 64) +
            "\n";
  }
  out->resize(kBlockBytes);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Timer {
 public:
  void start() {
    cpu_from_ = cpu_seconds();
    wall_from_ = real_clock().steady_ns();
  }
  void stop() {
    cpu_ += cpu_seconds() - cpu_from_;
    wall_ += static_cast<double>(real_clock().steady_ns() - wall_from_) * 1e-9;
  }
  codec::Json report(double bytes) const {
    return codec::Json::object(
        {{"gb_per_core_second", bytes / cpu_ / 1e9}, {"gb_per_second", bytes / wall_ / 1e9}});
  }

 private:
  double cpu_from_ = 0;
  int64_t wall_from_ = 0;
  double cpu_ = 0;
  double wall_ = 0;
};

using Fill = void (*)(uint64_t, std::string*);

struct Bench {
  Blobs& blobs;
  uint64_t blocks;
  codec::Json out = codec::Json::object();

  double bytes() const { return static_cast<double>(blocks) * kBlockBytes; }

  template <class F>
  void pass(const char* key, F&& f) {
    Timer timer;
    std::string block;
    for (uint64_t i = 0; i < blocks; ++i) {
      fill_noise(i, &block);
      timer.start();
      f(block);
      timer.stop();
    }
    out.set(key, timer.report(bytes()));
  }

  // Stores the file; `edit` is put in after the middle block. Generating it is not timed.
  Result<Digest> store(const char* key, Fill fill, std::string_view edit) {
    Timer timer;
    std::string block;
    const std::unique_ptr<BlobDraft> draft = TRY(blobs.create());
    for (uint64_t i = 0; i < blocks; ++i) {
      fill(i, &block);
      if (i == blocks / 2) block += edit;
      timer.start();
      TRY(draft->write(block));
      timer.stop();
    }
    timer.start();
    const Digest digest = TRY(draft->commit());
    timer.stop();
    out.set(key, timer.report(bytes()));
    return digest;
  }

  Status run() {
    pass("sha256", [sha = codec::Sha256Stream()](std::string_view b) mutable { sha.update(b); });
    pass("gear", [cutter = chunk::Cutter()](std::string_view b) mutable {
      while (const auto end = cutter.next(b)) b.remove_prefix(*end);
    });
    const Digest first = TRY(store("store_new", fill_noise, ""));
    const int64_t before = TRY(blobs.stats()).stored_bytes;
    TRY(store("store_again", fill_noise, ""));
    TRY(store("store_edited", fill_noise, "an edit of 17 bytes"));
    const int64_t added = TRY(blobs.stats()).stored_bytes - before;
    const double found = 1 - static_cast<double>(added) / bytes();
    out.set("edited_found_share", found);
    const int64_t text_before = TRY(blobs.stats()).stored_bytes;
    TRY(store("store_text", fill_rows, ""));
    const double kept =
        static_cast<double>(TRY(blobs.stats()).stored_bytes - text_before) / bytes();
    out.set("text_stored_share", kept);
    Timer timer;
    timer.start();
    TRY(blobs.verify(first));
    timer.stop();
    out.set("verify", timer.report(bytes()));
    return {};
  }
};

Result<codec::Json> run(const std::string& dir, uint64_t mib) {
  Fs& fs = real_fs();
  TRY(fs.make_dirs(dir));
  const std::unique_ptr<Blobs> blobs =
      TRY(open_blobs({fs, real_clock(), real_executor(), null_log()}, dir));
  Bench bench{*blobs, mib};
  bench.out.set("mib", static_cast<int64_t>(mib));
  TRY(bench.run());
  TRY(fs.remove_all(dir));
  return std::move(bench.out);
}

int main_of(std::span<char*> args) {
  if (args.size() != 3) return 2;
  const std::string folder = args[1];
  const std::optional<int64_t> mib = parse_int(args[2]);
  if (!mib || *mib < 2) return 2;
  const Result<codec::Json> out = run(folder + "/blobs", static_cast<uint64_t>(*mib));
  if (!out.ok()) return 1;
  return write_file_atomic(real_fs(), folder + "/result.json", codec::to_json(*out)).ok() ? 0 : 1;
}

}  // namespace
}  // namespace slip::store

int main(int count, char** args) {
  return slip::store::main_of({args, static_cast<size_t>(count)});
}
