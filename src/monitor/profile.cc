#include "monitor/profile.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"
#include "engine/stats/divergence.h"

namespace slip::monitor {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"text", "numeric", "categorical"};
constexpr std::array<std::string_view, 4> kTextFeatures = {"length", "words", "oov_share",
                                                           "tokens"};
constexpr size_t kTokens = 3;  // Index of the last.

double total(const Histogram& counts) {
  double sum = 0;
  for (const double c : counts) sum += c;
  return sum;
}

// By content, not by position: sorted or repeated rows don't tilt the halves.
bool of_vocabulary_half(std::string_view text) { return words::word_hash(text) % 2 == 0; }

std::array<double, 3> numbers_of(const words::TextProfile& p) {
  return {p.length, p.words, p.oov_share};
}

}  // namespace

std::optional<InputKind> parse_input_kind(std::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == name) return static_cast<InputKind>(i);
  return std::nullopt;
}

std::string_view input_kind_name(InputKind kind) { return kKinds[static_cast<size_t>(kind)]; }

const Profile::Input* Profile::find(std::string_view name) const {
  for (const Input& i : inputs_)
    if (i.spec.name == name) return &i;
  return nullptr;
}

void Profile::build_text(const std::vector<std::string>& texts, Input* input) {
  std::vector<std::string> known;
  std::vector<const std::string*> measured;
  for (const std::string& t : texts) {
    if (input->halves && of_vocabulary_half(t))
      known.push_back(t);
    else
      measured.push_back(&t);
  }
  if (input->halves) input->vocabulary = words::Vocabulary::of(known);
  std::array<std::vector<double>, 3> columns;
  for (const std::string* t : measured) {
    const std::array<double, 3> row = numbers_of(words::describe(*t, input->vocabulary, {}));
    for (size_t i = 0; i < row.size(); ++i) columns[i].push_back(row[i]);
  }
  for (const std::vector<double>& c : columns)
    input->bins.push_back(stats::NumericBins::make(c, kNumericBins));
}

Result<Profile> Profile::build(const std::vector<InputSpec>& inputs,
                               const std::map<std::string, InputValues>& values,
                               const std::map<std::string, words::Vocabulary>& vocabularies) {
  Profile profile;
  for (const InputSpec& spec : inputs) {
    const auto found = values.find(spec.name);
    const bool numeric = spec.kind == InputKind::kNumeric;
    if (found == values.end() ||
        (numeric ? found->second.numbers.empty() : found->second.texts.empty()))
      return invalid("monitor.reference_column",
                     concat({"the reference has no values for input `", spec.name, "`"}));
    Input input;
    input.spec = spec;
    input.first = profile.features_.size();
    if (spec.kind == InputKind::kText) {
      const auto given = vocabularies.find(spec.name);
      input.halves = given == vocabularies.end();
      if (!input.halves) input.vocabulary = given->second;
      build_text(found->second.texts, &input);
      for (const std::string_view f : kTextFeatures)
        profile.features_.push_back(
            {concat({spec.name, ".", f}), {}, 0, f == kTextFeatures[kTokens]});
      for (size_t i = 0; i < kTokens; ++i)
        profile.features_[input.first + i].reference.resize(input.bins[i].size());
      profile.features_[input.first + kTokens].reference.resize(kTokenBins);
    } else if (numeric) {
      input.bins.push_back(stats::NumericBins::make(found->second.numbers, kNumericBins));
      profile.features_.push_back({spec.name, Histogram(input.bins[0].size()), 0, false});
    } else {
      input.categories = stats::CategoryBins::make(found->second.texts, kCategoriesMax);
      profile.features_.push_back({spec.name, Histogram(input.categories.size()), 0, false});
    }
    profile.inputs_.push_back(std::move(input));
  }
  profile.count_reference(values);
  return profile;
}

// The way windows are counted.
void Profile::count_reference(const std::map<std::string, InputValues>& values) {
  WindowCounts counts = empty_window();
  for (const Input& input : inputs_) {
    double rows = 0;
    for (const std::string& t : values.at(input.spec.name).texts) {
      if (input.halves && of_vocabulary_half(t)) continue;
      add_text(input.spec.name, t, &counts);
      ++rows;
    }
    for (const double x : values.at(input.spec.name).numbers) {
      if (input.spec.kind != InputKind::kNumeric) break;
      add_number(input.spec.name, x, &counts);
      ++rows;
    }
    const size_t n = input.spec.kind == InputKind::kText ? kTextFeatures.size() : 1;
    for (size_t i = 0; i < n; ++i) features_[input.first + i].rows = rows;
  }
  for (size_t i = 0; i < counts.size(); ++i) features_[i].reference = counts[i];
}

WindowCounts Profile::empty_window() const {
  WindowCounts out;
  for (const Feature& f : features_) out.emplace_back(f.reference.size(), 0.0);
  return out;
}

void Profile::add_text(std::string_view name, std::string_view text, WindowCounts* window) const {
  const Input* input = find(name);
  if (input == nullptr) return;
  if (input->spec.kind == InputKind::kCategorical) {
    ++(*window)[input->first][input->categories.bin(text)];
    return;
  }
  if (input->spec.kind != InputKind::kText) return;
  Histogram& tokens = (*window)[input->first + kTokens];
  const std::array<double, 3> row =
      numbers_of(words::describe(text, input->vocabulary, std::span(tokens)));
  for (size_t i = 0; i < row.size(); ++i) ++(*window)[input->first + i][input->bins[i].bin(row[i])];
}

void Profile::add_number(std::string_view name, double value, WindowCounts* window) const {
  const Input* input = find(name);
  if (input == nullptr || input->spec.kind != InputKind::kNumeric) return;
  ++(*window)[input->first][input->bins[0].bin(value)];
}

std::vector<Distance> Profile::compare(const WindowCounts& window, double rows,
                                       const Thresholds& thresholds) const {
  CHECK(window.size() == features_.size());
  std::vector<Distance> out;
  for (size_t i = 0; i < features_.size(); ++i) {
    const Feature& f = features_[i];
    const double n = f.tokens ? total(f.reference) / kTokenDesignEffect : f.rows;
    const double m = f.tokens ? total(window[i]) / kTokenDesignEffect : rows;
    out.push_back(compare_histograms(f.name, f.reference, n, window[i], m, thresholds));
  }
  return out;
}

Distance compare_histograms(const std::string& name, const Histogram& reference,
                            double reference_rows, const Histogram& current, double current_rows,
                            const Thresholds& thresholds) {
  int64_t bins = 0;
  for (size_t i = 0; i < reference.size(); ++i) bins += reference[i] > 0 || current[i] > 0;
  Distance d;
  d.name = name;
  d.psi = stats::psi(reference, current);
  d.js = stats::jensen_shannon(reference, current);
  d.psi_threshold = std::max(
      thresholds.psi, stats::psi_by_chance(bins, reference_rows, current_rows, kChanceAlpha));
  d.js_threshold = std::max(thresholds.js, stats::jensen_shannon_by_chance(
                                               bins, reference_rows, current_rows, kChanceAlpha));
  d.alarm = d.psi > d.psi_threshold || d.js > d.js_threshold;
  return d;
}

}  // namespace slip::monitor
