#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "engine/trees/executor.h"
#include "model/model.h"
#include "sys/clock.h"
#include "sys/fs.h"

// trees_bench FOLDER: answers FOLDER/rows.f32 and rows.f64 (row-major) by FOLDER/model.txt, as
// often as bench/trees.py asks for on standard input, a line each time:
//   KERNEL float|double batch|row COUNT   nanoseconds a row, of COUNT rows at once or one by one
//   KERNEL float|double write COUNT       the answers, into FOLDER/ours.f64
namespace slip::trees {
namespace {

constexpr int64_t kBytesMax = int64_t{4} << 30;

template <class T>
std::vector<T> load(const std::string& path) {
  const std::string bytes = read_file(real_fs(), path, kBytesMax).value();
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

class Bench {
 public:
  explicit Bench(std::string folder)
      : folder_(std::move(folder)),
        forest_(model::read_model(read_file(real_fs(), folder_ + "/model.txt", kBytesMax).value())
                    .value()
                    .forest),
        floats_(load<float>(folder_ + "/rows.f32")),
        doubles_(load<double>(folder_ + "/rows.f64")) {}

  int run() {
    char line[256];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
      const std::vector<std::string_view> words = split(trim(line), ' ');
      if (words.size() != 4) return 2;
      const Result<Executor> made = Executor::make(forest_, parse_kernel(words[0]).value());
      if (!made.ok()) {
        std::puts("absent");
      } else {
        const auto count = static_cast<size_t>(parse_int(words[3]).value());
        const double ns = words[1] == "float" ? measure<float>(*made, floats_, words[2], count)
                                              : measure<double>(*made, doubles_, words[2], count);
        std::printf("%.3f %s\n", ns, std::string(kernel_name(made->kernel())).c_str());
      }
      std::fflush(stdout);
    }
    return 0;
  }

 private:
  template <class T>
  double measure(const Executor& e, std::span<const T> rows, std::string_view mode, size_t count) {
    const size_t width = forest_.features, all = rows.size() / width;
    count = std::min(count, all);
    out_.resize(all);
    if (mode == "row") warm_up(e, rows.first(width));
    const int64_t before = real_clock().steady_ns();
    if (mode == "row") {
      for (size_t r = 0; r < count; ++r)
        e.predict(rows.subspan(r * width, width), std::span(out_).subspan(r, 1), scratch_);
    } else {
      e.predict(rows.first(count * width), std::span(out_).first(count), scratch_);
    }
    const double took = static_cast<double>(real_clock().steady_ns() - before);
    if (mode == "write") {
      std::string bytes(count * sizeof(double), '\0');
      std::memcpy(bytes.data(), out_.data(), bytes.size());
      CHECK(write_file_atomic(real_fs(), folder_ + "/ours.f64", bytes).ok());
    }
    return took / static_cast<double>(count);
  }
  template <class T>
  void warm_up(const Executor& e, std::span<const T> row) {
    for (int i = 0; i < 200; ++i) e.predict(row, std::span(out_).first(1), scratch_);
  }

  std::string folder_;
  Forest forest_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  std::vector<double> out_;
  Scratch scratch_;
};

}  // namespace
}  // namespace slip::trees

int main(int count, char** args) { return count == 2 ? slip::trees::Bench(args[1]).run() : 2; }
