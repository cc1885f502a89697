#include "base/error.h"

namespace slip {
namespace {

Error make(Code code, std::string_view reason, std::string text) {
  return {.code = code, .reason = std::string(reason), .text = std::move(text), .hint = {}};
}

}  // namespace

Error invalid(std::string_view reason, std::string text) {
  return make(Code::kInvalid, reason, std::move(text));
}
Error not_found(std::string_view reason, std::string text) {
  return make(Code::kNotFound, reason, std::move(text));
}
Error exists(std::string_view reason, std::string text) {
  return make(Code::kExists, reason, std::move(text));
}
Error conflict(std::string_view reason, std::string text) {
  return make(Code::kConflict, reason, std::move(text));
}
Error unauthorized(std::string_view reason, std::string text) {
  return make(Code::kUnauthorized, reason, std::move(text));
}
Error forbidden(std::string_view reason, std::string text) {
  return make(Code::kForbidden, reason, std::move(text));
}
Error exhausted(std::string_view reason, std::string text) {
  return make(Code::kExhausted, reason, std::move(text));
}
Error unavailable(std::string_view reason, std::string text) {
  return make(Code::kUnavailable, reason, std::move(text));
}
Error timed_out(std::string_view reason, std::string text) {
  return make(Code::kTimeout, reason, std::move(text));
}
Error unsupported(std::string_view reason, std::string text) {
  return make(Code::kUnsupported, reason, std::move(text));
}
Error corrupt(std::string_view reason, std::string text) {
  return make(Code::kCorrupt, reason, std::move(text));
}
Error internal(std::string_view reason, std::string text) {
  return make(Code::kInternal, reason, std::move(text));
}

}  // namespace slip
