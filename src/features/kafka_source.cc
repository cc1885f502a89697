#include "features/kafka_source.h"

#include <algorithm>
#include <array>

#include "features/definition_members.h"
#include "store/kafka/kafka.h"

namespace slip::features {
namespace {

using codec::Json;

struct Unit {
  std::string_view name;
  int64_t ns;
};
constexpr std::array<Unit, 4> kUnits = {
    {{"ns", 1}, {"us", 1000}, {"ms", 1'000'000}, {"s", 1'000'000'000}}};

constexpr size_t kBrokersMax = 32;
constexpr size_t kTopicBytesMax = 249;  // Kafka's own limit.

bool plain(std::string_view text, std::string_view besides) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           besides.find(c) != besides.npos;
  });
}

Status add_broker(std::string_view text, const std::string& path, KafkaSource* out) {
  const std::string_view one = trim(text);
  const size_t colon = one.rfind(':');
  const auto port = colon == one.npos ? std::nullopt : parse_int(one.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535 || colon == 0 || !plain(one.substr(0, colon), ".-_[]:"))
    return bad(path, concat({"host:port is wanted, not '", one, "'"}));
  out->brokers.emplace_back(one);
  return {};
}

Status brokers_of(Members& m, KafkaSource* out) {
  const Json* given = m.take("brokers");
  const std::string path = m.at("brokers");
  if (given != nullptr && given->is_string()) {
    for (const std::string_view one : split(std::string_view(given->as_string()), ','))
      TRY(add_broker(one, path, out));
  } else if (given != nullptr && given->is_array()) {
    for (const Json& one : given->items()) {
      if (!one.is_string()) return bad(path, "host:port is wanted");
      TRY(add_broker(one.as_string(), path, out));
    }
  }
  if (out->brokers.empty() || out->brokers.size() > kBrokersMax)
    return bad(path, "1 to 32 of host:port are wanted");
  return {};
}

Result<KafkaFrom> from_of(Members& m, std::string_view key, KafkaFrom fallback, bool may_stop) {
  const std::string text = TRY(m.text(key, kafka_from_name(fallback)));
  for (const KafkaFrom f : {KafkaFrom::kStop, KafkaFrom::kEarliest, KafkaFrom::kLatest})
    if (kafka_from_name(f) == text && (may_stop || f != KafkaFrom::kStop)) return f;
  return bad(m.at(key),
             may_stop ? "stop, earliest or latest is wanted" : "earliest or latest is wanted");
}

Result<KafkaValue> value_of(const Json& json, const kafka::Property& of, const std::string& path) {
  KafkaValue out;
  if (json.is_object() && !of.secret && !of.pem && of.name != "sasl.username")
    return bad(path, "text is wanted; secrets, certificates and sasl.username may be looked up");
  if (!json.is_object()) {
    if (of.secret)
      return bad(path,
                 "a secret isn't written down: {env: SLIPWAY_KAFKA_…} or {file: NAME} is wanted");
    if (json.is_string()) {
      out.text = json.as_string();
    } else if (json.is_int() || json.is_bool()) {
      out.text = codec::to_json(json);
    } else {
      return bad(path, "text is wanted");
    }
    return out;
  }
  Members m(json, path);
  const std::string variable = TRY(m.text("env"));
  const std::string file = TRY(m.text("file"));
  TRY(m.end());
  if (variable.empty() == file.empty()) return bad(path, "{env: NAME} or {file: NAME} is wanted");
  out.in = file.empty() ? KafkaValue::In::kEnvironment : KafkaValue::In::kFile;
  out.text = file.empty() ? variable : file;
  if (file.empty() && (!out.text.starts_with(kKafkaVariables) || !plain(out.text, "_")))
    return bad(path, "the names of such variables begin with SLIPWAY_KAFKA_");
  if (!file.empty() && (out.text.starts_with('/') || !plain(out.text, "._-/")))
    return bad(path, "the name of a file below the directory of `kafka_secrets` is wanted");
  return out;
}

Status properties_of(Members& m, KafkaSource* out) {
  const Json* given = TRY(m.object("properties"));
  if (given == nullptr) return {};
  for (const auto& [name, json] : given->members()) {
    const std::string path = concat({m.at("properties"), ".", name});
    const kafka::Property* known = kafka::property(name);
    if (known == nullptr)
      return bad(path, concat({"may not be set; these may: ", kafka::property_names()}));
    KafkaValue value = TRY(value_of(json, *known, path));
    if (name == "sasl.mechanism" && value.in == KafkaValue::In::kText && value.text != "PLAIN" &&
        value.text != "SCRAM-SHA-256" && value.text != "SCRAM-SHA-512")
      return bad(path, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 is wanted");
    out->properties[name] = std::move(value);
  }
  return {};
}

Json value_json(const KafkaValue& v) {
  if (v.in == KafkaValue::In::kText) return v.text;
  Json out = Json::object();
  out.set(v.in == KafkaValue::In::kFile ? "file" : "env", v.text);
  return out;
}

}  // namespace

std::string_view kafka_from_name(KafkaFrom from) {
  constexpr std::string_view kNames[] = {"stop", "earliest", "latest"};
  return kNames[static_cast<size_t>(from)];
}

Json KafkaSource::meaning() const {
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                  [&](const Unit& u) { return u.ns == time_unit_ns; });
  return Json::object({{"topic", topic}, {"format", "json"}, {"time_unit", unit->name}});
}

Json KafkaSource::document() const {
  Json out = Json::object();
  Json all = Json::array();
  for (const std::string& b : brokers) all.push(b);
  out.set("brokers", std::move(all));
  const Json of = meaning();
  for (const auto& [key, value] : of.members()) out.set(key, value);
  out.set("start", kafka_from_name(start));
  out.set("on_reset", kafka_from_name(on_reset));
  if (uncommitted) out.set("isolation", "uncommitted");
  if (record_bytes_max != kKafkaRecordBytes) out.set("max_record_bytes", record_bytes_max);
  if (properties.empty()) return out;
  Json said = Json::object();
  for (const auto& [name, value] : properties) said.set(name, value_json(value));
  out.set("properties", std::move(said));
  return out;
}

Result<KafkaSource> parse_kafka_source(const Json& json, const std::string& path) {
  Members m(json, path);
  KafkaSource out;
  TRY(brokers_of(m, &out));
  out.topic = TRY(m.text("topic"));
  if (out.topic.empty() || out.topic.size() > kTopicBytesMax || !plain(out.topic, "._-"))
    return bad(m.at("topic"), "the name of a topic is wanted");
  const std::string format = TRY(m.text("format", "json"));
  if (format != "json") return bad(m.at("format"), "json is wanted: one object a message");
  const std::string unit = TRY(m.text("time_unit", "us"));
  const auto* known =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == unit; });
  if (known == kUnits.end()) return bad(m.at("time_unit"), "s, ms, us or ns is wanted");
  out.time_unit_ns = known->ns;
  out.start = TRY(from_of(m, "start", out.start, false));
  out.on_reset = TRY(from_of(m, "on_reset", out.on_reset, true));
  const std::string isolation = TRY(m.text("isolation", "committed"));
  if (isolation != "committed" && isolation != "uncommitted")
    return bad(m.at("isolation"), "committed or uncommitted is wanted");
  out.uncommitted = isolation == "uncommitted";
  out.record_bytes_max = TRY(m.number("max_record_bytes", kKafkaRecordBytes));
  if (out.record_bytes_max < 1 || out.record_bytes_max > kKafkaRecordBytesMax)
    return bad(m.at("max_record_bytes"), "1 to 16777216 is wanted");
  TRY(properties_of(m, &out));
  TRY(m.end());
  return out;
}

}  // namespace slip::features
