#include "grpc/method.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slip::grpc {
namespace {

bool well_named(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == name.size()) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/';
  });
}

std::string_view problem_of(const Method& row) {
  const int handlers =
      (row.blocking ? 1 : 0) + (row.inline_ ? 1 : 0) + (row.open ? 1 : 0) + (row.begin ? 1 : 0);
  if (!well_named(row.name)) return "is not written as package.Service/Method";
  if (row.permission.right == http::Right::kUnset) return "names no permission";
  if (row.audit == http::Audit::kUnset) return "names no audit class";
  if (row.summary.empty()) return "has no summary";
  if (row.message_bytes_max <= 0) return "has no limit for its messages";
  if (handlers != 1) return "must have exactly one handler";
  const bool streams = row.kind == Kind::kServerStream;
  if (row.begin ? row.kind == Kind::kUnary : static_cast<bool>(row.open) != streams)
    return "has a handler of another kind";
  if (row.render_error && (row.kind == Kind::kServerStream || row.begin))
    return "renders errors, but ends with the first one";
  return {};
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kUnary:
      return "unary";
    case Kind::kServerStream:
      return "server_stream";
    case Kind::kBidi:
      return "bidi";
  }
  CHECK(false);
}

std::string_view Request::header(std::string_view lower_name) const {
  for (const auto& [name, value] : metadata)
    if (name == lower_name) return value;
  return {};
}

Responder::~Responder() {
  if (impl_) impl_->answer(internal("request.unanswered", "the handler gave no answer"));
}

Status check_methods(const std::vector<Method>& rows) {
  std::string problems;
  const auto note = [&](const Method& row, std::string_view text) {
    problems += concat({problems.empty() ? "" : "; ", row.name, " ", text});
  };
  std::set<std::string_view> known;
  for (const Method& row : rows) {
    if (const std::string_view problem = problem_of(row); !problem.empty()) note(row, problem);
    if (!known.insert(row.name).second) note(row, "is there twice");
  }
  if (!problems.empty()) return invalid("methods.invalid", std::move(problems));
  return {};
}

std::vector<std::string> service_names(const std::vector<Method>& rows) {
  std::set<std::string> out;
  for (const Method& row : rows) out.insert(row.name.substr(0, row.name.find('/')));
  return {out.begin(), out.end()};
}

}  // namespace slip::grpc
