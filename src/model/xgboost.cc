#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "model/document.h"
#include "model/model.h"

// XGBoost's model schema (doc/model.schema, 1.0 to 3.2). A node's left_children is -1 when it is a
// leaf; its value is its split condition, or a row of leaf_weights (base_weights before 3.1) when
// leaves are vectors. Tests are x < condition in floats; a category in the node's set goes to the
// right. Sums begin with the base score, which is kept as a prediction and taken back through the
// objective's link.
namespace slip::model {
namespace {

using trees::Forest;
using trees::Link;
using trees::RawNode;
using Kind = Document::Kind;

Error bad(std::string_view path, std::string_view what) {
  return invalid("model.field", concat({path, " ", what}));
}

// A member of a document, and its path for errors.
struct At {
  const Document* doc = nullptr;
  std::string path;

  Result<At> get(std::string_view key) const {
    const Document* found = doc->find(key);
    std::string name = path.empty() ? std::string(key) : concat({path, ".", key});
    if (found == nullptr) return bad(name, "is missing");
    return At{found, std::move(name)};
  }
  std::optional<At> maybe(std::string_view key) const {
    const Document* found = doc->find(key);
    if (found == nullptr) return std::nullopt;
    return At{found, concat({path, ".", key})};
  }
  Result<const std::vector<double>*> numbers() const {
    if (doc->kind != Kind::kNumbers) return bad(path, "must be a list of numbers");
    return &doc->numbers;
  }
  Result<std::string> text() const {
    if (doc->kind != Kind::kText) return bad(path, "must be a text");
    return doc->text;
  }
  // Parameters are written as texts.
  Result<double> number() const {
    if (doc->kind == Kind::kNumber) return doc->number;
    const std::optional<double> x =
        doc->kind == Kind::kText ? parse_double(doc->text) : std::nullopt;
    if (!x) return bad(path, "must be a number");
    return *x;
  }
  Result<uint32_t> count(uint32_t most) const {
    const double x = TRY(number());
    if (!(x >= 0 && x <= static_cast<double>(most)) || x != std::floor(x))
      return bad(path, concat({"must be a whole number up to ", std::to_string(most)}));
    return static_cast<uint32_t>(x);
  }
};

// ---- objectives

struct Objective {
  std::string_view name;
  Link link;
  Link base;  // What a base score is taken back through.
};
constexpr Objective kObjectives[] = {
    {"reg:squarederror", Link::kIdentity, Link::kIdentity},
    {"reg:linear", Link::kIdentity, Link::kIdentity},
    {"reg:squaredlogerror", Link::kIdentity, Link::kIdentity},
    {"reg:absoluteerror", Link::kIdentity, Link::kIdentity},
    {"reg:pseudohubererror", Link::kIdentity, Link::kIdentity},
    {"reg:quantileerror", Link::kIdentity, Link::kIdentity},
    {"reg:expectileerror", Link::kIdentity, Link::kIdentity},
    {"reg:logistic", Link::kSigmoid, Link::kSigmoid},
    {"binary:logistic", Link::kSigmoid, Link::kSigmoid},
    {"binary:logitraw", Link::kIdentity, Link::kIdentity},
    {"binary:hinge", Link::kHinge, Link::kIdentity},
    {"count:poisson", Link::kExp, Link::kExp},
    {"reg:gamma", Link::kExp, Link::kExp},
    {"reg:tweedie", Link::kExp, Link::kExp},
    {"survival:cox", Link::kExp, Link::kExp},
    {"survival:aft", Link::kExp, Link::kExp},
    {"multi:softmax", Link::kArgmax, Link::kIdentity},
    {"multi:softprob", Link::kSoftmax, Link::kIdentity},
    {"rank:pairwise", Link::kIdentity, Link::kIdentity},
    {"rank:ndcg", Link::kIdentity, Link::kIdentity},
    {"rank:map", Link::kIdentity, Link::kIdentity},
};

double margin_of(Link link, double base) {
  const auto x = static_cast<float>(base);
  if (link == Link::kExp) return static_cast<double>(std::log(x));
  // A probability of 0 or 1 is kept away from them.
  if (link == Link::kSigmoid)
    return static_cast<double>(-std::log(1.0F / std::clamp(x, 1e-6F, 1.0F - 1e-6F) - 1.0F));
  return static_cast<double>(x);
}

// "5E-1", or "[5E-1,2E-1]" from 3.1 on.
Result<std::vector<double>> base_scores(const At& at) {
  std::vector<double> out;
  if (at.doc->kind == Kind::kNumbers) return at.doc->numbers;
  if (at.doc->kind == Kind::kNumber) return std::vector<double>{at.doc->number};
  const std::string text = TRY(at.text());
  std::string_view list = trim(text);
  if (list.starts_with('[') && list.ends_with(']')) list = list.substr(1, list.size() - 2);
  for (const std::string_view one : split(list, ',')) {
    const std::optional<double> x = parse_double(trim(one));
    if (!x) return bad(at.path, "must be numbers");
    out.push_back(*x);
  }
  return out;
}

// ---- trees

class TreeReader {
 public:
  TreeReader(Forest& forest, At tree) : forest_(forest), tree_(std::move(tree)) {}

  // `weight`: of dart.
  Status read(uint32_t output, float weight) {
    TRY(columns());
    TRY(categories());
    std::vector<RawNode> nodes(left_->size());
    for (size_t i = 0; i < nodes.size(); ++i) TRY(node(i, nodes[i]));
    const std::vector<uint32_t> leaves = TRY(trees::append_tree(forest_, nodes, 0));
    forest_.trees.back().output = output;
    for (const uint32_t leaf : leaves) TRY(leaf_values(leaf, weight));
    return {};
  }

 private:
  Status columns() {
    left_ = TRY(TRY(tree_.get("left_children")).numbers());
    right_ = TRY(TRY(tree_.get("right_children")).numbers());
    feature_ = TRY(TRY(tree_.get("split_indices")).numbers());
    condition_ = TRY(TRY(tree_.get("split_conditions")).numbers());
    default_left_ = TRY(TRY(tree_.get("default_left")).numbers());
    if (const std::optional<At> type = tree_.maybe("split_type")) type_ = TRY(type->numbers());
    for (const std::vector<double>* column : {right_, feature_, condition_, default_left_})
      if (column->size() != left_->size()) return bad(tree_.path, "has lists of different lengths");
    if (type_ != nullptr && type_->size() != left_->size())
      return bad(tree_.path, "has lists of different lengths");
    const At param = TRY(tree_.get("tree_param"));
    if (const std::optional<At> size = param.maybe("size_leaf_vector"))
      width_ = std::max(TRY(size->count(trees::kOutputsMax)), 1U);
    if ((width_ > 1) != forest_.vector_leaves || (width_ > 1 && width_ != forest_.outputs))
      return bad(param.path, "size_leaf_vector is not the model's number of outputs");
    return width_ > 1 ? vectors() : Status();
  }
  Status vectors() {
    const std::optional<At> leaves = tree_.maybe("leaf_weights");
    by_leaf_ = leaves.has_value();
    const At from = leaves ? *leaves : TRY(tree_.get("base_weights"));
    vectors_ = TRY(from.numbers());
    if (by_leaf_ ? vectors_->size() % width_ != 0 : vectors_->size() != left_->size() * width_)
      return bad(from.path, "is not a vector for each leaf");
    return {};
  }

  Status categories() {
    set_of_.assign(left_->size(), -1);
    const std::optional<At> nodes = tree_.maybe("categories_nodes");
    if (!nodes) return {};
    const std::vector<double>& which = *TRY(nodes->numbers());
    const std::vector<double>& values = *TRY(TRY(tree_.get("categories")).numbers());
    const std::vector<double>& begins = *TRY(TRY(tree_.get("categories_segments")).numbers());
    const std::vector<double>& sizes = *TRY(TRY(tree_.get("categories_sizes")).numbers());
    if (begins.size() != which.size() || sizes.size() != which.size())
      return bad(nodes->path, "and its segments have different lengths");
    for (size_t i = 0; i < which.size(); ++i) {
      const double begin = begins[i], size = sizes[i];
      if (!(which[i] >= 0 && which[i] < static_cast<double>(left_->size())) || !(begin >= 0) ||
          !(size >= 0) || begin + size > static_cast<double>(values.size()))
        return bad(nodes->path, "has a segment outside of its list");
      const auto from = values.begin() + static_cast<std::ptrdiff_t>(begin);
      TRY(set(static_cast<size_t>(which[i]), {from, from + static_cast<std::ptrdiff_t>(size)}));
    }
    return {};
  }
  Status set(size_t node, const std::vector<double>& members) {
    trees::Set set;
    set.rule = trees::SetRule::kNonNegative;
    for (const double x : members) {
      if (!(x >= 0 && x < static_cast<double>(trees::kCategoryMax)))
        return bad(concat({tree_.path, ".categories"}), "must be between 0 and 2^24");
      const auto category = static_cast<uint32_t>(x);
      if (category / 32 >= set.bits.size()) set.bits.resize(category / 32 + 1);
      set.bits[category / 32] |= uint32_t{1} << (category % 32);
    }
    set_of_[node] = static_cast<int64_t>(forest_.sets.size());
    forest_.sets.push_back(std::move(set));
    return {};
  }

  static Result<int32_t> index(double x, const std::string& path) {
    if (!(x >= -1 && x < 2147483647.0) || x != std::floor(x)) return bad(path, "has no index");
    return static_cast<int32_t>(x);
  }

  Status node(size_t i, RawNode& out) {
    out.left = TRY(index((*left_)[i], tree_.path + ".left_children"));
    out.value = static_cast<uint32_t>(i);
    out.leaf = out.left == -1;
    if (out.leaf) return {};
    out.right = TRY(index((*right_)[i], tree_.path + ".right_children"));
    trees::Node& n = out.split;
    n.feature = TRY(index((*feature_)[i], tree_.path + ".split_indices"));
    n.default_left = (*default_left_)[i] != 0;
    n.test = trees::Test::kLess;
    n.threshold = static_cast<double>(static_cast<float>((*condition_)[i]));
    if (type_ == nullptr || (*type_)[i] == 0) return {};
    if ((*type_)[i] != 1) return bad(tree_.path + ".split_type", "must be 0 or 1");
    if (set_of_[i] < 0) return bad(tree_.path + ".categories_nodes", "lacks a categorical node");
    // In the set means right there, and left here.
    n.test = trees::Test::kInSet;
    n.set = static_cast<uint32_t>(set_of_[i]);
    n.threshold = 0;
    n.default_left = !n.default_left;
    std::swap(out.left, out.right);
    return {};
  }

  Status leaf_values(uint32_t node, float weight) {
    const auto put = [&](double x) {
      const auto leaf = static_cast<float>(x);
      forest_.leaves.push_back(static_cast<double>(weight == 1 ? leaf : leaf * weight));
    };
    if (width_ == 1) {
      put((*condition_)[node]);
      return {};
    }
    size_t at = node;
    if (by_leaf_) {
      const int32_t leaf = TRY(index((*right_)[node], tree_.path + ".right_children"));
      if (leaf < 0 || static_cast<size_t>(leaf) >= vectors_->size() / width_)
        return bad(tree_.path + ".leaf_weights", "lacks a leaf");
      at = static_cast<size_t>(leaf);
    }
    for (size_t k = 0; k < width_; ++k) put((*vectors_)[at * width_ + k]);
    return {};
  }

  Forest& forest_;
  At tree_;
  const std::vector<double>* left_ = nullptr;
  const std::vector<double>* right_ = nullptr;
  const std::vector<double>* feature_ = nullptr;
  const std::vector<double>* condition_ = nullptr;
  const std::vector<double>* default_left_ = nullptr;
  const std::vector<double>* type_ = nullptr;
  const std::vector<double>* vectors_ = nullptr;
  bool by_leaf_ = false;
  uint32_t width_ = 1;
  std::vector<int64_t> set_of_;
};

// ---- the learner

class Reader {
 public:
  explicit Reader(const ReadOptions& options) : options_(options) {}

  Result<Model> run(const Document& document) {
    if (document.kind != Kind::kObject) return bad("the document", "must be an object");
    learner_ = TRY(At{&document, ""}.get("learner"));
    TRY(header());
    const At booster = TRY(learner_.get("gradient_booster"));
    const std::string name = TRY(TRY(booster.get("name")).text());
    if (name == "gblinear") {
      TRY(linear(TRY(booster.get("model"))));
    } else if (name == "gbtree") {
      TRY(gbtree(TRY(booster.get("model")), {}));
    } else if (name == "dart") {
      const std::vector<double>* weights = TRY(TRY(booster.get("weight_drop")).numbers());
      TRY(gbtree(TRY(TRY(booster.get("gbtree")).get("model")), *weights));
    } else {
      return unsupported("model.unsupported", concat({booster.path, ".name is '", name, "'"}));
    }
    TRY(trees::check(out_.forest));
    return std::move(out_);
  }

 private:
  Status header() {
    Forest& f = out_.forest;
    f.float_compare = f.float_sum = f.base_first = true;
    const At param = TRY(learner_.get("learner_model_param"));
    f.features = TRY(TRY(param.get("num_feature")).count(trees::kFeaturesMax));
    const uint32_t classes = TRY(TRY(param.get("num_class")).count(trees::kOutputsMax));
    uint32_t targets = 1;
    if (const std::optional<At> n = param.maybe("num_target"))
      targets = std::max(TRY(n->count(trees::kOutputsMax)), 1U);
    f.outputs = std::max(classes, 1U) * targets;
    TRY(objective());
    const At scores = TRY(param.get("base_score"));
    std::vector<double> base = TRY(base_scores(scores));
    if (base.size() != 1 && base.size() != f.outputs)
      return bad(scores.path, "must be one number, or one for each output");
    base.resize(f.outputs, base.front());
    for (double& b : base) b = margin_of(base_link_, b);
    f.base = std::move(base);
    return names();
  }

  Status objective() {
    const At at = TRY(learner_.get("objective"));
    out_.objective = TRY(TRY(at.get("name")).text());
    const auto* found = std::find_if(std::begin(kObjectives), std::end(kObjectives),
                                     [&](const Objective& o) { return o.name == out_.objective; });
    if (found == std::end(kObjectives))
      return unsupported("model.unsupported", concat({at.path, ".name is '", out_.objective, "'"}));
    out_.forest.link = found->link;
    base_link_ = found->base;
    out_.forest.classifier =
        out_.objective.starts_with("multi:") || out_.objective.starts_with("binary:");
    return {};
  }

  Status names() {
    const std::optional<At> at = learner_.maybe("feature_names");
    if (!at || at->doc->kind == Kind::kNumbers) return {};
    if (at->doc->kind != Kind::kList) return bad(at->path, "must be a list of texts");
    for (const Document& name : at->doc->items) {
      if (name.kind != Kind::kText) return bad(at->path, "must be a list of texts");
      out_.forest.feature_names.push_back(name.text);
    }
    return {};
  }

  // The number of trees that answer: all, or up to the best iteration.
  Result<size_t> tree_count(const At& model, size_t all) {
    const std::optional<At> attributes = learner_.maybe("attributes");
    const std::optional<At> best = attributes ? attributes->maybe("best_iteration") : std::nullopt;
    if (options_.all_iterations || !best) return all;
    const size_t iterations = size_t{TRY(best->count(trees::kTreesMax))} + 1;
    if (const std::optional<At> indptr = model.maybe("iteration_indptr")) {
      const std::vector<double>& at = *TRY(indptr->numbers());
      if (iterations >= at.size() ||
          !(at[iterations] >= 0 && at[iterations] <= static_cast<double>(all)))
        return bad(indptr->path, "has no best iteration");
      return static_cast<size_t>(at[iterations]);
    }
    const At param = TRY(model.get("gbtree_model_param"));
    const size_t parallel =
        std::max(TRY(TRY(param.get("num_parallel_tree")).count(trees::kTreesMax)), 1U);
    return std::min(all,
                    iterations * parallel * (out_.forest.vector_leaves ? 1 : out_.forest.outputs));
  }

  Status gbtree(const At& model, const std::vector<double>& weights) {
    Forest& f = out_.forest;
    const At list = TRY(model.get("trees"));
    const std::vector<double>& info = *TRY(TRY(model.get("tree_info")).numbers());
    const std::vector<Document>& all = list.doc->items;
    if (info.size() != all.size())
      return bad(list.path, "and tree_info must be lists of one length");
    if (!weights.empty() && weights.size() != all.size())
      return bad("learner.gradient_booster.weight_drop", "must have a number for each tree");
    if (all.size() > trees::kTreesMax) return exhausted("trees.too_large", "too many trees");
    f.vector_leaves = !all.empty() && vector_width(all.front()) > 1;
    const size_t count = TRY(tree_count(model, all.size()));
    for (size_t t = 0; t < count; ++t) {
      if (!(info[t] >= 0 && info[t] < static_cast<double>(f.outputs)))
        return bad(concat({model.path, ".tree_info"}), "names an output that isn't there");
      const At tree{&all[t], concat({list.path, "[", std::to_string(t), "]"})};
      const float weight = weights.empty() ? 1.0F : static_cast<float>(weights[t]);
      TRY(TreeReader(f, tree).read(static_cast<uint32_t>(info[t]), weight));
    }
    return {};
  }
  static uint32_t vector_width(const Document& tree) {
    const Document* param = tree.find("tree_param");
    if (param == nullptr) return 1;
    const std::optional<At> size = At{param, ""}.maybe("size_leaf_vector");
    if (!size) return 1;
    const Result<uint32_t> n = size->count(trees::kOutputsMax);
    return n.ok() ? n.value() : 1;
  }

  // (feature, output) by feature; then the biases.
  Status linear(const At& model) {
    Forest& f = out_.forest;
    const At at = TRY(model.get("weights"));
    const std::vector<double>& from = *TRY(at.numbers());
    if (from.size() != (size_t{f.features} + 1) * f.outputs)
      return bad(at.path, "must have a number for each feature and output, and biases");
    f.weights.resize(size_t{f.features} * f.outputs);
    for (size_t i = 0; i < f.features; ++i)
      for (size_t k = 0; k < f.outputs; ++k)
        f.weights[k * f.features + i] =
            static_cast<double>(static_cast<float>(from[i * f.outputs + k]));
    // XGBoost 3.2 gives every output of a linear booster the first one's base score.
    const auto base = static_cast<float>(f.base.front());
    for (size_t k = 0; k < f.outputs; ++k)
      f.base[k] =
          static_cast<double>(base + static_cast<float>(from[size_t{f.features} * f.outputs + k]));
    f.missing_skips = true;
    return {};
  }

  const ReadOptions& options_;
  Model out_;
  At learner_;
  Link base_link_ = Link::kIdentity;
};

}  // namespace

Result<Model> read_xgboost(std::string_view bytes, const ReadOptions& options) {
  // Both begin with a brace; a name follows in quotes, or its length does.
  size_t at = 1;
  while (at < bytes.size() &&
         (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t'))
    ++at;
  const bool json =
      bytes.substr(0, 1) != "{" || at >= bytes.size() || bytes[at] == '"' || bytes[at] == '}';
  const Document document = TRY(json ? parse_json_document(bytes) : parse_ubjson(bytes));
  Result<Model> model = Reader(options).run(document);
  return model;
}

}  // namespace slip::model
