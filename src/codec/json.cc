#include "codec/json.h"

#include <cmath>

#include "base/text.h"

namespace slip::codec {

struct Json::Rep {
  std::variant<bool, int64_t, double, std::string, std::vector<Json>, std::vector<JsonMember>> v;
  bool operator==(const Rep&) const = default;
};

Json::Json() = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;
Json::Json(const Json& other) : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}
Json& Json::operator=(const Json& other) {
  if (this != &other) rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
  return *this;
}
Json::Json(bool v) : rep_(std::make_unique<Rep>(Rep{v})) {}
Json::Json(int64_t v) : rep_(std::make_unique<Rep>(Rep{v})) {}
Json::Json(double v) : rep_(std::make_unique<Rep>(Rep{v})) {}
Json::Json(std::string v) : rep_(std::make_unique<Rep>(Rep{std::move(v)})) {}

Json Json::array(std::vector<Json> items) {
  Json out;
  out.rep_ = std::make_unique<Rep>(Rep{std::move(items)});
  return out;
}

Json Json::object(std::vector<JsonMember> members) {
  Json out;
  out.rep_ = std::make_unique<Rep>(Rep{std::move(members)});
  return out;
}

Json::Kind Json::kind() const {
  return rep_ ? static_cast<Kind>(rep_->v.index() + 1) : Kind::kNull;
}

bool Json::as_bool() const {
  CHECK(is_bool());
  return std::get<bool>(rep_->v);
}

int64_t Json::as_int() const {
  CHECK(is_int());
  return std::get<int64_t>(rep_->v);
}

double Json::as_double() const {
  CHECK(is_number());
  if (is_int()) return static_cast<double>(std::get<int64_t>(rep_->v));
  return std::get<double>(rep_->v);
}

const std::string& Json::as_string() const {
  CHECK(is_string());
  return std::get<std::string>(rep_->v);
}

const std::vector<Json>& Json::items() const {
  CHECK(is_array());
  return std::get<std::vector<Json>>(rep_->v);
}

const std::vector<JsonMember>& Json::members() const {
  CHECK(is_object());
  return std::get<std::vector<JsonMember>>(rep_->v);
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const JsonMember& m : members())
    if (m.first == key) return &m.second;
  return nullptr;
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) *this = object();
  CHECK(is_object());
  auto& all = std::get<std::vector<JsonMember>>(rep_->v);
  for (JsonMember& m : all) {
    if (m.first != key) continue;
    m.second = std::move(value);
    return *this;
  }
  all.emplace_back(std::string(key), std::move(value));
  return *this;
}

bool Json::erase(std::string_view key) {
  if (!is_object()) return false;
  return std::erase_if(std::get<std::vector<JsonMember>>(rep_->v),
                       [&](const JsonMember& m) { return m.first == key; }) > 0;
}

Json& Json::push(Json value) {
  if (is_null()) *this = array();
  CHECK(is_array());
  std::get<std::vector<Json>>(rep_->v).push_back(std::move(value));
  return *this;
}

bool Json::operator==(const Json& other) const {
  if (!rep_ || !other.rep_) return !rep_ && !other.rep_;
  return *rep_ == *other.rep_;
}

// ---- typed reading

namespace {

Error missing(std::string_view key) {
  return invalid("request.missing_field", concat({"field '", key, "' is missing"}));
}

Error wrong(std::string_view key, std::string_view wanted) {
  return invalid("request.wrong_type", concat({"field '", key, "' must be ", wanted}));
}

Result<const Json*> want(const Json& object, std::string_view key) {
  if (!object.is_object()) return invalid("request.wrong_type", "the value must be an object");
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return missing(key);
  return value;
}

// True when the key is absent or null, so that the fallback holds.
Result<bool> absent(const Json& object, std::string_view key) {
  if (object.is_null()) return true;
  if (!object.is_object()) return invalid("request.wrong_type", "the value must be an object");
  const Json* value = object.find(key);
  return value == nullptr || value->is_null();
}

}  // namespace

Result<std::string> want_string(const Json& object, std::string_view key) {
  const Json* value = TRY(want(object, key));
  if (!value->is_string()) return wrong(key, "a string");
  return value->as_string();
}

Result<int64_t> want_int(const Json& object, std::string_view key) {
  const Json* value = TRY(want(object, key));
  if (value->is_int()) return value->as_int();
  // JavaScript and friends write 3.0 for 3.
  if (value->is_number() && std::abs(value->as_double()) <= 0x1p53 &&
      std::trunc(value->as_double()) == value->as_double())
    return static_cast<int64_t>(value->as_double());
  return wrong(key, "an integer");
}

Result<double> want_double(const Json& object, std::string_view key, NonFinite non_finite) {
  const Json* value = TRY(want(object, key));
  if (value->is_number()) return value->as_double();
  if (non_finite == NonFinite::kString && value->is_string()) {
    const std::string& s = value->as_string();
    if (s == "NaN") return std::nan("");
    if (s == "Infinity") return HUGE_VAL;
    if (s == "-Infinity") return -HUGE_VAL;
  }
  return wrong(key, "a number");
}

Result<bool> want_bool(const Json& object, std::string_view key) {
  const Json* value = TRY(want(object, key));
  if (!value->is_bool()) return wrong(key, "true or false");
  return value->as_bool();
}

Result<std::string> string_or(const Json& object, std::string_view key, std::string_view fallback) {
  if (TRY(absent(object, key))) return std::string(fallback);
  return want_string(object, key);
}

Result<int64_t> int_or(const Json& object, std::string_view key, int64_t fallback) {
  if (TRY(absent(object, key))) return fallback;
  return want_int(object, key);
}

Result<double> double_or(const Json& object, std::string_view key, double fallback) {
  if (TRY(absent(object, key))) return fallback;
  return want_double(object, key);
}

Result<bool> bool_or(const Json& object, std::string_view key, bool fallback) {
  if (TRY(absent(object, key))) return fallback;
  return want_bool(object, key);
}

}  // namespace slip::codec
