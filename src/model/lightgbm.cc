#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "base/text.h"
#include "model/model.h"

// LightGBM's text format (v2 to v4): lines of key=value, a block for each tree. decision_type: bit
// 0 says that the node is categorical, bit 1 that a missing value goes to the left, bits 2 and 3
// what is missing: nothing, zero, NaN. A negative child c is leaf ~c. Everything is a double.
// LightGBM drops |x| <= 1e-35 from rows before it looks at them.
namespace slip::model {
namespace {

using trees::Forest;
using trees::Link;
using trees::Missing;
using trees::RawNode;

using Block = std::map<std::string_view, std::string_view, std::less<>>;

constexpr uint32_t kCategorical = 1, kDefaultLeft = 2;

struct Where {
  std::string name;  // "Tree=3"
  Error bad(std::string_view key, std::string_view what) const {
    return invalid("model.field", concat({name, ": ", key, " ", what}));
  }
};

// ---- values

std::optional<double> as_double(std::string_view text) {
  const std::optional<double> x = parse_double(text);
  if (x) return x;
  const std::string word = lower(text);
  if (word == "nan" || word == "-nan") return std::nan("");
  if (word == "inf") return HUGE_VAL;
  return word == "-inf" ? std::optional(-HUGE_VAL) : std::nullopt;
}

Result<std::vector<double>> doubles(const Block& block, const Where& where, std::string_view key) {
  std::vector<double> out;
  const auto at = block.find(key);
  if (at == block.end()) return where.bad(key, "is missing");
  std::string_view rest = at->second;
  while (true) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.empty()) return out;
    const std::string_view word = rest.substr(0, rest.find(' '));
    const std::optional<double> x = as_double(word);
    if (!x) return where.bad(key, concat({"has '", word.substr(0, 40), "', which is no number"}));
    out.push_back(*x);
    rest.remove_prefix(word.size());
  }
}

Result<std::vector<int64_t>> integers(const Block& block, const Where& where,
                                      std::string_view key) {
  std::vector<int64_t> out;
  const std::vector<double> numbers = TRY(doubles(block, where, key));
  for (const double x : numbers) {
    if (!(std::fabs(x) <= 4294967296.0) || x != std::floor(x))
      return where.bad(key, "has a number that isn't whole");
    out.push_back(static_cast<int64_t>(x));
  }
  return out;
}

Result<int64_t> integer(const Block& block, const Where& where, std::string_view key) {
  const std::vector<int64_t> all = TRY(integers(block, where, key));
  if (all.size() != 1) return where.bad(key, "must be one number");
  return all.front();
}

Status same_length(const Where& where, std::string_view key, size_t have, size_t want) {
  if (have == want) return {};
  return where.bad(key,
                   concat({"has ", std::to_string(have), " values, not ", std::to_string(want)}));
}

// ---- one tree

class TreeReader {
 public:
  TreeReader(Forest& forest, const Block& block, Where where)
      : forest_(forest), block_(block), where_(std::move(where)) {}

  Status read(uint32_t output) {
    const int64_t leaves = TRY(integer(block_, where_, "num_leaves"));
    if (leaves < 1 || leaves > static_cast<int64_t>(trees::kNodesMax))
      return where_.bad("num_leaves", "is out of range");
    leaves_ = static_cast<size_t>(leaves);
    values_ = TRY(doubles(block_, where_, "leaf_value"));
    TRY(same_length(where_, "leaf_value", values_.size(), leaves_));
    std::vector<RawNode> nodes = TRY(make_nodes());
    for (size_t i = 0; i < leaves_; ++i) {
      RawNode leaf;
      leaf.leaf = true;
      leaf.value = static_cast<uint32_t>(i);
      nodes.push_back(leaf);
    }
    const std::vector<uint32_t> order = TRY(trees::append_tree(forest_, nodes, 0));
    forest_.trees.back().output = output;
    for (const uint32_t leaf : order) forest_.leaves.push_back(values_[leaf]);
    return linear(order);
  }

 private:
  size_t splits() const { return leaves_ - 1; }

  Result<std::vector<RawNode>> make_nodes() {
    std::vector<RawNode> out(splits());
    if (out.empty()) return out;
    const std::vector<int64_t> feature = TRY(integers(block_, where_, "split_feature"));
    const std::vector<double> threshold = TRY(doubles(block_, where_, "threshold"));
    const std::vector<int64_t> left = TRY(integers(block_, where_, "left_child"));
    const std::vector<int64_t> right = TRY(integers(block_, where_, "right_child"));
    std::vector<int64_t> decision(splits());
    if (block_.contains("decision_type")) decision = TRY(integers(block_, where_, "decision_type"));
    TRY(same_length(where_, "split_feature", feature.size(), splits()));
    TRY(same_length(where_, "threshold", threshold.size(), splits()));
    TRY(same_length(where_, "left_child", left.size(), splits()));
    TRY(same_length(where_, "right_child", right.size(), splits()));
    TRY(same_length(where_, "decision_type", decision.size(), splits()));
    TRY(categories());
    for (size_t i = 0; i < out.size(); ++i) {
      out[i].left = TRY(child(left[i], "left_child"));
      out[i].right = TRY(child(right[i], "right_child"));
      if (feature[i] < 0 || feature[i] >= static_cast<int64_t>(forest_.features))
        return where_.bad("split_feature", "names a feature beyond max_feature_idx");
      out[i].split.feature = static_cast<int32_t>(feature[i]);
      TRY(decide(out[i].split, decision[i], threshold[i]));
    }
    return out;
  }

  // Splits come first, then leaves.
  Result<int32_t> child(int64_t c, std::string_view key) const {
    const int64_t at = c >= 0 ? c : static_cast<int64_t>(splits()) + ~c;
    if (c >= static_cast<int64_t>(splits()) || at >= static_cast<int64_t>(splits() + leaves_))
      return where_.bad(key, "leads nowhere");
    return static_cast<int32_t>(at);
  }

  Status decide(trees::Node& n, int64_t decision, double threshold) const {
    const auto bits = static_cast<uint64_t>(decision);
    if ((bits >> 2 & 3) == 3 || bits > 15) return where_.bad("decision_type", "is unknown");
    if ((bits & kCategorical) != 0) {
      n.test = trees::Test::kInSet;
      if (!(threshold >= 0 && threshold < static_cast<double>(sets_)))
        return where_.bad("threshold", "names no set of categories");
      n.set = first_set_ + static_cast<uint32_t>(threshold);
      n.missing = Missing::kNan;
      n.default_left = false;
      return {};
    }
    if (std::isnan(threshold)) return where_.bad("threshold", "is not a number");
    n.threshold = threshold;
    n.default_left = (bits & kDefaultLeft) != 0;
    constexpr Missing kMissing[] = {Missing::kNone, Missing::kZero, Missing::kNan};
    n.missing = kMissing[bits >> 2 & 3];
    return {};
  }

  Status categories() {
    first_set_ = static_cast<uint32_t>(forest_.sets.size());
    if (!block_.contains("num_cat")) return {};
    const int64_t count = TRY(integer(block_, where_, "num_cat"));
    if (count == 0) return {};
    const std::vector<int64_t> bounds = TRY(integers(block_, where_, "cat_boundaries"));
    const std::vector<int64_t> words = TRY(integers(block_, where_, "cat_threshold"));
    if (count < 0 || bounds.size() != static_cast<size_t>(count) + 1)
      return where_.bad("cat_boundaries", "must have a value more than num_cat");
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      if (bounds[i] < 0 || bounds[i + 1] < bounds[i] ||
          bounds[i + 1] > static_cast<int64_t>(words.size()))
        return where_.bad("cat_boundaries", "leaves cat_threshold");
      trees::Set set;
      for (int64_t w = bounds[i]; w < bounds[i + 1]; ++w)
        set.bits.push_back(static_cast<uint32_t>(words[static_cast<size_t>(w)]));
      forest_.sets.push_back(std::move(set));
    }
    sets_ = static_cast<size_t>(count);
    return {};
  }

  Status linear(const std::vector<uint32_t>& order) {
    const bool mine =
        block_.contains("is_linear") && TRY(integer(block_, where_, "is_linear")) != 0;
    if (!mine && forest_.linear_leaves.empty()) return {};
    while (forest_.linear_leaves.size() < forest_.leaves.size() - order.size())
      forest_.linear_leaves.push_back({forest_.leaves[forest_.linear_leaves.size()], {}});
    std::vector<trees::LinearLeaf> leaves(leaves_);
    for (size_t i = 0; i < leaves_; ++i) leaves[i].constant = values_[i];
    if (mine && block_.contains("leaf_const")) TRY(terms(leaves));
    for (const uint32_t leaf : order) forest_.linear_leaves.push_back(std::move(leaves[leaf]));
    return {};
  }
  Status terms(std::vector<trees::LinearLeaf>& leaves) const {
    const std::vector<double> constants = TRY(doubles(block_, where_, "leaf_const"));
    const std::vector<int64_t> counts = TRY(integers(block_, where_, "num_features"));
    const std::vector<int64_t> features = TRY(integers(block_, where_, "leaf_features"));
    const std::vector<double> weights = TRY(doubles(block_, where_, "leaf_coeff"));
    TRY(same_length(where_, "leaf_const", constants.size(), leaves_));
    TRY(same_length(where_, "num_features", counts.size(), leaves_));
    TRY(same_length(where_, "leaf_coeff", weights.size(), features.size()));
    size_t next = 0;
    for (size_t i = 0; i < leaves_; ++i) {
      leaves[i].constant = constants[i];
      if (counts[i] < 0 || counts[i] > static_cast<int64_t>(features.size() - next))
        return where_.bad("num_features", "is more than leaf_features has");
      for (int64_t k = 0; k < counts[i]; ++k, ++next) {
        if (features[next] < 0 || features[next] >= static_cast<int64_t>(forest_.features))
          return where_.bad("leaf_features", "names a feature beyond max_feature_idx");
        leaves[i].terms.emplace_back(static_cast<uint32_t>(features[next]), weights[next]);
      }
    }
    return {};
  }

  Forest& forest_;
  const Block& block_;
  Where where_;
  size_t leaves_ = 0;
  std::vector<double> values_;
  uint32_t first_set_ = 0;
  size_t sets_ = 0;
};

// ---- the file

struct Objective {
  std::string_view name;
  Link link;
};
constexpr Objective kObjectives[] = {
    {"regression", Link::kIdentity},   {"regression_l1", Link::kIdentity},
    {"huber", Link::kIdentity},        {"fair", Link::kIdentity},
    {"quantile", Link::kIdentity},     {"mape", Link::kIdentity},
    {"poisson", Link::kExp},           {"gamma", Link::kExp},
    {"tweedie", Link::kExp},           {"binary", Link::kSigmoid},
    {"multiclass", Link::kSoftmax},    {"multiclassova", Link::kSigmoid},
    {"cross_entropy", Link::kSigmoid}, {"cross_entropy_lambda", Link::kLog1pExp},
    {"lambdarank", Link::kIdentity},   {"rank_xendcg", Link::kIdentity},
    {"custom", Link::kIdentity},       {"none", Link::kIdentity},
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<Model> run() {
    out_.library = Library::kLightgbm;
    if (next_line() != "tree") return invalid("model.syntax", "line 1: no model of LightGBM");
    TRY(header());
    while (more_) {
      // After the trees come importances and parameters.
      if (line_ == "end of trees") break;
      TRY(tree());
    }
    if (line_ != "end of trees")
      return invalid("model.syntax",
                     concat({"line ", std::to_string(number_), ": the model ends early"}));
    Forest& f = out_.forest;
    if (average_ && !f.trees.empty())
      f.divisor = static_cast<double>(f.trees.size()) / static_cast<double>(f.outputs);
    TRY(trees::check(f));
    return std::move(out_);
  }

 private:
  std::string_view next_line() {
    more_ = at_ < text_.size();
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    line_ = text_.substr(std::min(at_, text_.size()), end - std::min(at_, text_.size()));
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    at_ = end + 1;
    ++number_;
    return line_;
  }
  // Lines of key=value, up to a tree or the end of trees.
  Block block() {
    Block out;
    while (more_ && !line_.starts_with("Tree=") && line_ != "end of trees") {
      const size_t equals = line_.find('=');
      if (equals != line_.npos)
        out[line_.substr(0, equals)] = trim(line_.substr(equals + 1));
      else if (!line_.empty())
        out[line_] = "";
      next_line();
    }
    return out;
  }

  Status header() {
    next_line();
    const Block b = block();
    const Where where{"header"};
    Forest& f = out_.forest;
    f.tiny_is_zero = true;
    const int64_t last = TRY(integer(b, where, "max_feature_idx"));
    if (last < -1 || last >= static_cast<int64_t>(trees::kFeaturesMax))
      return where.bad("max_feature_idx", "is out of range");
    f.features = static_cast<uint32_t>(last + 1);
    const int64_t outputs = TRY(integer(b, where, "num_tree_per_iteration"));
    if (outputs < 1 || outputs > static_cast<int64_t>(trees::kOutputsMax))
      return where.bad("num_tree_per_iteration", "is out of range");
    f.outputs = static_cast<uint32_t>(outputs);
    average_ = b.contains("average_output");
    if (const auto names = b.find("feature_names"); names != b.end() && !names->second.empty()) {
      for (const std::string_view name : split(names->second, ' '))
        f.feature_names.emplace_back(name);
      TRY(same_length(where, "feature_names", f.feature_names.size(), f.features));
    }
    const auto objective = b.find("objective");
    return objective == b.end() ? Status() : link(where, objective->second);
  }

  // "binary sigmoid:1", "regression sqrt"
  Status link(const Where& where, std::string_view text) {
    const std::vector<std::string_view> words = split(text, ' ');
    out_.objective = std::string(words.front());
    const auto* found = std::find_if(std::begin(kObjectives), std::end(kObjectives),
                                     [&](const Objective& o) { return o.name == words.front(); });
    if (found == std::end(kObjectives))
      return unsupported("model.unsupported",
                         concat({where.name, ": objective is '", words.front(), "'"}));
    Forest& f = out_.forest;
    f.link = found->link;
    for (const std::string_view word : words) {
      if (word == "sqrt" && f.link == Link::kIdentity) f.link = Link::kSquare;
      if (!word.starts_with("sigmoid:")) continue;
      const std::optional<double> scale = parse_double(word.substr(8));
      if (!scale) return where.bad("objective", "has no number behind sigmoid:");
      f.link_scale = *scale;
    }
    out_.forest.classifier = words.front() == "binary" || words.front().starts_with("multiclass");
    return {};
  }

  Status tree() {
    Where where{concat({line_, " (line ", std::to_string(number_), ")"})};
    next_line();
    const Block b = block();
    const size_t count = out_.forest.trees.size();
    if (count >= trees::kTreesMax) return exhausted("trees.too_large", "too many trees");
    return TreeReader(out_.forest, b, std::move(where))
        .read(static_cast<uint32_t>(count % out_.forest.outputs));
  }

  std::string_view text_;
  std::string_view line_;
  size_t at_ = 0;
  size_t number_ = 0;
  bool more_ = true;
  bool average_ = false;
  Model out_;
};

}  // namespace

Result<Model> read_lightgbm(std::string_view text) {
  if (text.size() > (size_t{1} << 30))
    return exhausted("model.too_large", "a model has 1 GiB at most");
  return Reader(text).run();
}

}  // namespace slip::model
