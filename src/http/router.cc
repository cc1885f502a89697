#include "http/router.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "http/target.h"

namespace slip::http {
namespace {

constexpr uint8_t bit(Method method) {
  return static_cast<uint8_t>(1u << static_cast<int>(method));
}

struct Piece {
  std::string before;
  std::string name;
  std::string after;
  bool param = false;
  bool rest = false;
};

// Nothing when the segment is not written as router.h says.
std::optional<Piece> parse_piece(std::string_view segment) {
  Piece piece;
  const size_t open = segment.find('{');
  if (open == std::string_view::npos) {
    if (segment.find('}') != std::string_view::npos) return std::nullopt;
    piece.before = segment;
    return piece;
  }
  const size_t close = segment.find('}', open);
  if (close == std::string_view::npos) return std::nullopt;
  std::string_view name = segment.substr(open + 1, close - open - 1);
  piece.param = true;
  if (name.ends_with("...")) {
    piece.rest = true;
    name.remove_suffix(3);
  }
  piece.before = segment.substr(0, open);
  piece.name = name;
  piece.after = segment.substr(close + 1);
  const bool affixed = !piece.before.empty() || !piece.after.empty();
  if (name.empty() || piece.after.find_first_of("{}") != std::string::npos ||
      (piece.rest && affixed))
    return std::nullopt;
  return piece;
}

std::string row_problem(const Route& row) {
  if (!row.path.starts_with('/')) return "the path must begin with '/'";
  if (row.path.starts_with("/~")) return "'/~' is the prefix of projects";
  if (row.permission.right == Right::kUnset) return "names no permission";
  if (row.permission.right != Right::kPublic && row.permission.resource.empty())
    return "names no resource";
  if (row.admit && row.permission.right != Right::kPublic)
    return "admits by itself, yet is not public";
  if (row.audit == Audit::kUnset) return "names no audit class";
  if (row.summary.empty()) return "has no summary";
  if (static_cast<bool>(row.blocking) == static_cast<bool>(row.inline_))
    return "needs exactly one handler";
  if (row.method == Method::kHead) return "HEAD is answered by the GET row";
  if (row.body.kind != BodyKind::kNone && row.body.limit_bytes <= 0) return "has no body limit";
  if (row.waits_for_others && !row.blocking) return "only a `blocking` row may wait for others";
  if (row.body.kind == BodyKind::kSpool && !row.blocking) return "a spooled body needs `blocking`";
  return {};
}

void note(std::string* problems, const Route& row, std::string_view text) {
  problems->append(
      concat({problems->empty() ? "" : "; ", method_name(row.method), " ", row.path, ": ", text}));
}

}  // namespace

uint8_t Router::Ends::methods() const {
  uint8_t out = 0;
  for (size_t i = 0; i < kMethodCount; ++i)
    if (row[i] >= 0) out = static_cast<uint8_t>(out | 1u << i);
  if (out & bit(Method::kGet)) out |= bit(Method::kHead);
  return out;
}

int32_t Router::Ends::pick(Method method) const {
  return row[static_cast<size_t>(method == Method::kHead ? Method::kGet : method)];
}

struct Router::Search {
  Method method;
  std::string_view path;
  std::vector<std::string_view> raw;
  std::vector<std::string> segments;
  std::vector<std::string> values;
  int32_t row = -1;
  uint8_t methods = 0;
};

Result<Router> Router::make(std::vector<Route> rows) {
  Router router;
  router.rows_ = std::make_unique<std::vector<Route>>(std::move(rows));
  router.root_ = std::make_unique<Node>();
  router.names_.resize(router.rows_->size());
  std::string problems;
  for (size_t i = 0; i < router.rows_->size(); ++i) {
    const Route& row = (*router.rows_)[i];
    const std::string problem = row_problem(row);
    if (!problem.empty()) {
      note(&problems, row, problem);
      continue;
    }
    TRY(router.add(i, &problems));
  }
  if (!problems.empty()) return invalid("routes.invalid", std::move(problems));
  return router;
}

Router::Node* Router::step(Node* node, std::string_view segment) {
  auto piece = parse_piece(segment);
  if (!piece) return nullptr;
  std::unique_ptr<Node>* child = nullptr;
  if (!piece->param) {
    child = &node->fixed[piece->before];
  } else if (piece->before.empty() && piece->after.empty()) {
    child = &node->param;
  } else {
    const auto same = [&](const Mixed& m) {
      return m.before == piece->before && m.after == piece->after;
    };
    auto found = std::ranges::find_if(node->mixed, same);
    if (found == node->mixed.end()) {
      const auto longer = [&](const Mixed& m) {
        return m.before.size() + m.after.size() < piece->before.size() + piece->after.size();
      };
      found = node->mixed.insert(std::ranges::find_if(node->mixed, longer),
                                 Mixed{piece->before, piece->after, nullptr});
    }
    child = &found->child;
  }
  if (!*child) *child = std::make_unique<Node>();
  return child->get();
}

Status Router::add(size_t index, std::string* problems) {
  const Route& row = (*rows_)[index];
  std::vector<std::string_view> segments;
  TRY(split_path(row.path, &segments));
  Node* node = root_.get();
  Ends* ends = nullptr;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto piece = parse_piece(segments[i]);
    if (!piece || (piece->rest && i + 1 != segments.size())) {
      note(problems, row, "a segment of the path is not written as text or {name}");
      return {};
    }
    if (piece->param) names_[index].push_back(piece->name);
    if (piece->rest) {
      ends = &node->rest;
    } else {
      node = step(node, segments[i]);
      ends = &node->ends;
    }
  }
  int32_t& slot = ends->row[static_cast<size_t>(row.method)];
  if (slot >= 0) {
    note(problems, row, concat({"has the shape of ", (*rows_)[static_cast<size_t>(slot)].path}));
    return {};
  }
  slot = static_cast<int32_t>(index);
  if (names_[index].empty()) plain_[row.path] = ends;
  return {};
}

bool Router::settle(const Ends& ends, Search* search) {
  search->methods = static_cast<uint8_t>(search->methods | ends.methods());
  search->row = ends.pick(search->method);
  return search->row >= 0;
}

bool Router::walk(const Node& node, size_t at, Search* search) {
  if (at == search->segments.size()) return settle(node.ends, search);
  const std::string& segment = search->segments[at];
  if (const auto it = node.fixed.find(segment); it != node.fixed.end())
    if (walk(*it->second, at + 1, search)) return true;
  for (const Mixed& m : node.mixed) {
    if (segment.size() <= m.before.size() + m.after.size() || !segment.starts_with(m.before) ||
        !segment.ends_with(m.after))
      continue;
    search->values.push_back(
        segment.substr(m.before.size(), segment.size() - m.before.size() - m.after.size()));
    if (walk(*m.child, at + 1, search)) return true;
    search->values.pop_back();
  }
  if (node.param && !segment.empty()) {
    search->values.push_back(segment);
    if (walk(*node.param, at + 1, search)) return true;
    search->values.pop_back();
  }
  if (node.rest.methods() == 0 || !settle(node.rest, search)) return false;
  std::string rest = segment;
  for (size_t i = at + 1; i < search->segments.size(); ++i)
    rest.append("/").append(search->segments[i]);
  search->values.push_back(std::move(rest));
  return true;
}

Result<Router::Match> Router::find(
    Method method, std::string_view path,
    std::vector<std::pair<std::string_view, std::string>>* params) const {
  params->clear();
  if (const auto it = plain_.find(path); it != plain_.end()) {
    const int32_t row = it->second->pick(method);
    if (row >= 0) return Match{&(*rows_)[static_cast<size_t>(row)], it->second->methods()};
  }
  Search search{method, path, {}, {}, {}, -1, 0};
  search.raw.reserve(8);  // Most paths.
  TRY(split_path(path, &search.raw));
  search.segments.resize(search.raw.size());
  for (size_t i = 0; i < search.raw.size(); ++i)
    TRY(decode_segment(search.raw[i], &search.segments[i]));
  if (!walk(*root_, 0, &search)) return Match{nullptr, search.methods};
  const auto& names = names_[static_cast<size_t>(search.row)];
  for (size_t i = 0; i < names.size(); ++i)
    params->emplace_back(names[i], std::move(search.values[i]));
  return Match{&(*rows_)[static_cast<size_t>(search.row)], search.methods};
}

std::string Router::allow(uint8_t methods) {
  std::string out;
  for (size_t i = 0; i < kMethodCount; ++i)
    if (methods & 1u << i)
      out.append(out.empty() ? "" : ", ").append(method_name(static_cast<Method>(i)));
  return out;
}

}  // namespace slip::http
