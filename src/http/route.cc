#include "http/route.h"

#include "base/check.h"

namespace slip::http {

std::vector<Need> one_need(Right right, std::string_view kind, std::string uid) {
  std::vector<Need> out;
  out.push_back({.right = right, .kind = kind, .uid = std::move(uid)});
  return out;
}

std::string_view method_name(Method method) {
  constexpr std::string_view kNames[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  return kNames[static_cast<size_t>(method)];
}

std::string_view Request::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

const std::string& Request::param(std::string_view name) const {
  for (const auto& [key, value] : params)
    if (key == name) return value;
  CHECK(!"the row has no such parameter");
}

const std::string* Request::query_value(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return &value;
  return nullptr;
}

void Responder::Impl::abandon() {
  Reply reply;
  reply.status = 500;
  reply.body = R"({"code":"request.unanswered","status":500,"title":"Internal error"})";
  answer(std::move(reply));
}

}  // namespace slip::http
