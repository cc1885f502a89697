#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "engine/stats/bins.h"
#include "engine/words/words.h"

// What the inputs of a model looked like in the reference data, and how far a window of requests is
// from it. A text is watched through its descriptors: length, words, share of words that the
// reference does not know, hashed words. Immutable after build(); pure.
//
// The vocabulary comes from the training texts where the caller names them; else from one half of
// the reference, and the descriptors' distributions from the other: measured on the texts it was
// made of, the share of unknown words would always be zero.
namespace slip::monitor {

inline constexpr size_t kNumericBins = 10;
inline constexpr size_t kCategoriesMax = 50;
inline constexpr size_t kTokenBins = 256;

enum class InputKind : uint8_t { kText, kNumeric, kCategorical };
std::optional<InputKind> parse_input_kind(std::string_view name);
std::string_view input_kind_name(InputKind kind);

struct InputSpec {
  std::string name;  // Of the model's input.
  InputKind kind = InputKind::kText;
};

// One column of values, all texts or all numbers.
struct InputValues {
  std::vector<std::string> texts;  // kText, kCategorical.
  std::vector<double> numbers;     // kNumeric; NaN: missing.
};

using Histogram = std::vector<double>;

struct Feature {
  std::string name;  // "text.length", or the input's own name.
  Histogram reference;
  double rows = 0;      // Of the reference.
  bool tokens = false;  // Counts words, not rows.
};
// Words of one text repeat each other: so many of them say as much as one independent word.
inline constexpr double kTokenDesignEffect = 4;

// Counts of one window, a histogram a feature, in the order of Profile::features().
using WindowCounts = std::vector<Histogram>;

struct Distance {
  std::string name;
  double psi = 0;
  double js = 0;
  double psi_threshold = 0;  // The larger of the configured one and what chance explains.
  double js_threshold = 0;
  bool alarm = false;  // Either exceeds its threshold.
};

struct Thresholds {
  double psi = 0.2;
  double js = 0.1;
};

class Profile {
 public:
  // `values` by input name; an input without values is kInvalid `monitor.reference_column`.
  static Result<Profile> build(const std::vector<InputSpec>& inputs,
                               const std::map<std::string, InputValues>& values,
                               const std::map<std::string, words::Vocabulary>& vocabularies = {});

  const std::vector<Feature>& features() const { return features_; }
  WindowCounts empty_window() const;
  void add_text(std::string_view input, std::string_view text, WindowCounts* window) const;
  void add_number(std::string_view input, double value, WindowCounts* window) const;
  // `rows`: requests in the window.
  std::vector<Distance> compare(const WindowCounts& window, double rows,
                                const Thresholds& thresholds) const;

 private:
  struct Input {
    InputSpec spec;
    size_t first = 0;  // Index of its first feature.
    words::Vocabulary vocabulary;
    bool halves = false;  // The vocabulary is made of one half of the reference.
    std::vector<stats::NumericBins> bins;
    stats::CategoryBins categories;
  };
  const Input* find(std::string_view name) const;
  static void build_text(const std::vector<std::string>& texts, Input* input);
  void count_reference(const std::map<std::string, InputValues>& values);

  std::vector<Input> inputs_;
  std::vector<Feature> features_;
};

// Chance explains differences up to this level: one window in a thousand a feature.
inline constexpr double kChanceAlpha = 0.001;
Distance compare_histograms(const std::string& name, const Histogram& reference,
                            double reference_rows, const Histogram& current, double current_rows,
                            const Thresholds& thresholds);

}  // namespace slip::monitor
