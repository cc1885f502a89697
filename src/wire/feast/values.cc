#include "wire/feast/values.h"

#include <cmath>

#include <feast/values.pb.h>

#include "base/text.h"

namespace slip::wire::feast {
namespace {

namespace proto = ::feast::types;
using codec::Json;
using features::Cell;

template <class List>
Json list_of(const List& list) {
  Json out = Json::array();
  for (const auto& one : list.val()) out.push(Json(one));
  return out;
}
template <class List>
Json base64_list(const List& list) {
  Json out = Json::array();
  for (const std::string& one : list.val()) out.push(to_base64(one));
  return out;
}
template <class List>
Json real_list(const List& list) {
  Json out = Json::array();
  for (const auto one : list.val()) out.push(static_cast<double>(one));
  return out;
}
template <class List>
Json whole_list(const List& list) {
  Json out = Json::array();
  for (const auto one : list.val()) out.push(static_cast<int64_t>(one));
  return out;
}

Result<Json> scalar_of(const proto::Value& v) {
  switch (v.val_case()) {
    case proto::Value::VAL_NOT_SET:
    case proto::Value::kNullVal:
      return Json(nullptr);
    case proto::Value::kBytesVal:
      return Json(to_base64(v.bytes_val()));
    case proto::Value::kStringVal:
      return Json(v.string_val());
    case proto::Value::kInt32Val:
      return Json(int64_t{v.int32_val()});
    case proto::Value::kInt64Val:
      return Json(int64_t{v.int64_val()});
    case proto::Value::kDoubleVal:
      return Json(v.double_val());
    case proto::Value::kFloatVal:
      return Json(static_cast<double>(v.float_val()));
    case proto::Value::kBoolVal:
      return Json(v.bool_val());
    case proto::Value::kUnixTimestampVal:
      return Json(int64_t{v.unix_timestamp_val()});
    case proto::Value::kZonedTimestampVal:
      return Json(int64_t{v.zoned_timestamp_val().unix_timestamp()});
    case proto::Value::kJsonVal:
      return Json(v.json_val());
    case proto::Value::kUuidVal:
      return Json(v.uuid_val());
    case proto::Value::kTimeUuidVal:
      return Json(v.time_uuid_val());
    case proto::Value::kDecimalVal:
      return Json(v.decimal_val());
    default:
      return invalid("feature.value", "nested values aren't offered");
  }
}

int64_t seconds_of(int64_t us) { return us / 1'000'000 - (us % 1'000'000 < 0 ? 1 : 0); }

// A list without items is a list.
void set_list(const Cell& cell, const features::FeatureType& type, proto::Value* out) {
  using engine::Type;
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&cell)) {
    if (type.flags) {
      auto& to = *out->mutable_bool_list_val();
      for (const int64_t v : *ints) to.add_val(v != 0);
    } else if (type.narrow) {
      auto& to = *out->mutable_int32_list_val();
      for (const int64_t v : *ints) to.add_val(static_cast<int32_t>(v));
    } else if (type.item == Type::kTimestampUs) {
      auto& to = *out->mutable_unix_timestamp_list_val();
      for (const int64_t v : *ints) to.add_val(seconds_of(v));
    } else {
      out->mutable_int64_list_val()->mutable_val()->Add(ints->begin(), ints->end());
    }
  } else if (const auto* reals = std::get_if<std::vector<double>>(&cell)) {
    if (type.narrow) {
      auto& to = *out->mutable_float_list_val();
      for (const double v : *reals) to.add_val(static_cast<float>(v));
    } else {
      out->mutable_double_list_val()->mutable_val()->Add(reals->begin(), reals->end());
    }
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&cell)) {
    if (type.item == Type::kBytes) {
      auto& to = *out->mutable_bytes_list_val();
      for (const std::string& v : *texts) to.add_val(v);
    } else {
      auto& to = *out->mutable_string_list_val();
      for (const std::string& v : *texts) to.add_val(v);
    }
  }
}

}  // namespace

Result<Json> json_of_value(const proto::Value& v) {
  switch (v.val_case()) {
    case proto::Value::kBytesListVal:
      return base64_list(v.bytes_list_val());
    case proto::Value::kStringListVal:
      return list_of(v.string_list_val());
    case proto::Value::kInt32ListVal:
      return whole_list(v.int32_list_val());
    case proto::Value::kInt64ListVal:
      return whole_list(v.int64_list_val());
    case proto::Value::kDoubleListVal:
      return real_list(v.double_list_val());
    case proto::Value::kFloatListVal:
      return real_list(v.float_list_val());
    case proto::Value::kBoolListVal:
      return list_of(v.bool_list_val());
    case proto::Value::kUnixTimestampListVal:
      return whole_list(v.unix_timestamp_list_val());
    case proto::Value::kStringSetVal:
      return list_of(v.string_set_val());
    case proto::Value::kInt32SetVal:
      return whole_list(v.int32_set_val());
    case proto::Value::kInt64SetVal:
      return whole_list(v.int64_set_val());
    case proto::Value::kDoubleSetVal:
      return real_list(v.double_set_val());
    case proto::Value::kFloatSetVal:
      return real_list(v.float_set_val());
    default:
      return scalar_of(v);
  }
}

void set_value(const Cell& cell, const features::FeatureType& type, proto::Value* out) {
  using engine::Type;
  if (const auto* b = std::get_if<bool>(&cell)) {
    out->set_bool_val(*b);
  } else if (const auto* i = std::get_if<int64_t>(&cell)) {
    if (type.type == Type::kTimestampUs)
      out->set_unix_timestamp_val(seconds_of(*i));
    else if (type.narrow)
      out->set_int32_val(static_cast<int32_t>(*i));
    else
      out->set_int64_val(*i);
  } else if (const auto* d = std::get_if<double>(&cell)) {
    if (!std::isfinite(*d)) return;
    if (type.narrow)
      out->set_float_val(static_cast<float>(*d));
    else
      out->set_double_val(*d);
  } else if (const auto* s = std::get_if<std::string>(&cell)) {
    type.type == Type::kBytes ? out->set_bytes_val(*s) : out->set_string_val(*s);
  } else {
    set_list(cell, type, out);
  }
}

namespace {

template <class To, class List>
std::vector<To> items_of(const List& list) {
  std::vector<To> out;
  for (const auto& one : list.val()) out.push_back(To(one));
  return out;
}

}  // namespace

Result<Cell> cell_of_value(const proto::Value& v, const features::FeatureType& type) {
  switch (v.val_case()) {
    case proto::Value::kBytesVal:
      return features::fit(v.bytes_val(), type);
    case proto::Value::kUnixTimestampVal:
      if (type.type == engine::Type::kTimestampUs) return Cell(v.unix_timestamp_val() * 1'000'000);
      break;
    case proto::Value::kUnixTimestampListVal: {
      auto times = items_of<int64_t>(v.unix_timestamp_list_val());
      if (type.item == engine::Type::kTimestampUs)
        for (int64_t& t : times) t *= 1'000'000;
      return features::fit(std::move(times), type);
    }
    case proto::Value::kBytesListVal:
      if (type.type == engine::Type::kList && type.item == engine::Type::kBytes)
        return Cell(items_of<std::string>(v.bytes_list_val()));
      return features::fit(items_of<std::string>(v.bytes_list_val()), type);
    case proto::Value::kStringListVal:
      return features::fit(items_of<std::string>(v.string_list_val()), type);
    case proto::Value::kInt32ListVal:
      return features::fit(items_of<int64_t>(v.int32_list_val()), type);
    case proto::Value::kInt64ListVal:
      return features::fit(items_of<int64_t>(v.int64_list_val()), type);
    case proto::Value::kDoubleListVal:
      return features::fit(items_of<double>(v.double_list_val()), type);
    case proto::Value::kFloatListVal:
      return features::fit(items_of<double>(v.float_list_val()), type);
    case proto::Value::kBoolListVal:
      return features::fit(items_of<int64_t>(v.bool_list_val()), type);
    default:
      break;
  }
  return features::cell_of_json(TRY(json_of_value(v)), type);
}

}  // namespace slip::wire::feast
