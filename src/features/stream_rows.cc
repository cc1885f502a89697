#include "features/stream_rows.h"

#include <cmath>

#include "base/text.h"
#include "codec/hash.h"

namespace slip::features {
namespace {

using codec::Json;

constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};
constexpr std::string_view kDeletedMember = "_deleted";

// A time as the source's messages write it; null stays null.
Result<Cell> time_of(const Json& json, int64_t unit_ns) {
  if (json.is_bool()) return invalid("feature.time", "a time is wanted");
  if (!json.is_number()) return cell_of_json(json, kTime);
  const Error beyond = invalid("feature.time", "the time is out of range");
  if (json.is_int()) {
    const int64_t v = json.as_int();
    if (unit_ns == 1) return Cell(v / 1000 - (v % 1000 < 0 ? 1 : 0));
    int64_t us = 0;
    if (__builtin_mul_overflow(v, unit_ns / 1000, &us)) return beyond;
    return Cell(us);
  }
  const double us = std::round(json.as_double() * (static_cast<double>(unit_ns) / 1000));
  if (!(std::abs(us) < 9e18)) return beyond;
  return Cell(static_cast<int64_t>(us));
}

class Decoder {
 public:
  Decoder(const Source& source, const std::vector<std::string>& keys) : source_(source) {
    for (const FeatureField& f : source.columns) {
      Place& p = places_.emplace_back();
      p.type = f.type;
      p.name = f.name;
      p.from = name_in_messages(f.name);
      p.wanted = std::find(keys.begin(), keys.end(), f.name) != keys.end();
    }
    event_ = {source.event_time, name_in_messages(source.event_time), kTime, true};
    created_ = {source.created_time, name_in_messages(source.created_time), kTime, false};
    out_.batch = make_batch(source.columns);
  }

  void add(size_t at, const kafka::Record& record, const std::string& unfit) {
    Stray stray;
    stray.record = at;
    stray.reason = decode(record);
    if (!unfit.empty()) stray.reason = unfit;
    if (stray.reason.empty()) {
      put_row();
      out_.records.push_back(at);
      return;
    }
    stray.kept = kept_of(record);
    stray.kept.set(kOriginMember, origin_json(source_.kafka->topic, record));
    out_.strays.push_back(std::move(stray));
  }
  StreamRows finish() && { return std::move(out_); }

 private:
  struct Place {
    std::string name;
    std::string from;  // In messages; "a.b" is member b of member a.
    FeatureType type;
    bool wanted = false;
  };

  std::string name_in_messages(const std::string& name) const {
    for (const auto& [from, to] : source_.renamed)
      if (to == name) return from;
    return name;
  }

  static const Json* find(const Json& object, std::string_view path) {
    if (const Json* whole = object.find(path); whole != nullptr) return whole;
    const size_t dot = path.find('.');
    if (dot == path.npos) return nullptr;
    const Json* inner = object.find(path.substr(0, dot));
    if (inner == nullptr || !inner->is_object()) return nullptr;
    return find(*inner, path.substr(dot + 1));
  }

  Result<Cell> cell_of(const Place& place) const {
    const Json* json = find(message_, place.from);
    const bool is_time = place.type.type == engine::Type::kTimestampUs;
    Result<Cell> cell = is_time ? time_of(json == nullptr ? Json() : *json, unit_ns())
                                : cell_of_json(json == nullptr ? Json() : *json, place.type);
    if (!cell.ok()) return std::move(cell).error().within(place.from);
    if (place.wanted && is_null(*cell))
      return invalid("feature.null_key",
                     concat({place.from, json == nullptr ? " is missing" : " is null"}));
    return cell;
  }
  int64_t unit_ns() const { return source_.kafka->time_unit_ns; }

  // Why the record is no row; "": it is, and lies in cells_.
  std::string decode(const kafka::Record& record) {
    message_ = Json();
    cells_.clear();
    if (record.tombstone) return "a message without a value";
    if (static_cast<int64_t>(record.value.size()) > source_.kafka->record_bytes_max)
      return concat({"larger than ", format_size(source_.kafka->record_bytes_max)});
    if (!is_utf8(record.value)) return "no UTF-8";
    Result<Json> parsed = codec::parse_json(record.value, codec::NonFinite::kToken);
    if (!parsed.ok()) return concat({"no JSON: ", parsed.error().text});
    if (!parsed->is_object()) return "no JSON object";
    message_ = std::move(*parsed);
    return decode_members();
  }

  std::string decode_members() {
    for (const Place& p : places_) {
      Result<Cell> cell = cell_of(p);
      if (!cell.ok()) return std::move(cell).error().text;
      cells_.push_back(std::move(*cell));
    }
    Result<Cell> event = cell_of(event_);
    if (!event.ok()) return std::move(event).error().text;
    event_us_ = std::get<int64_t>(*event);
    if (event_us_ <= -window::kMaxTimeUs || event_us_ >= window::kMaxTimeUs)
      return "the event time is out of range";
    created_cell_ = Cell();
    if (!created_.name.empty()) {
      Result<Cell> created = cell_of(created_);
      if (!created.ok()) return std::move(created).error().text;
      created_cell_ = std::move(*created);
    }
    const Json* deleted = message_.find(kDeletedMember);
    deleted_ = deleted != nullptr && deleted->is_bool() && deleted->as_bool();
    if (deleted != nullptr && !deleted->is_bool() && !deleted->is_null())
      return "_deleted is true or false";
    return "";
  }

  void put_row() {
    Batch& b = out_.batch;
    for (size_t i = 0; i < places_.size(); ++i) add_cell(&b.columns[i], cells_[i]);
    b.event.add_i64(event_us_);
    add_cell(&b.created, created_cell_);
    b.deleted.add_bool(deleted_);
  }

  Json kept_of(const kafka::Record& record) const {
    if (!message_.is_object()) return text_of_record(source_.kafka->topic, record);
    Json out = Json::object();
    const auto keep = [&](const Place& p) {
      const Json* json = p.name.empty() ? nullptr : find(message_, p.from);
      if (json == nullptr) return;
      const bool is_time = p.type.type == engine::Type::kTimestampUs;
      const Result<Cell> time = is_time ? time_of(*json, unit_ns()) : Result<Cell>(Cell());
      const bool known = is_time && time.ok() && !is_null(*time);
      out.set(p.name, known ? json_of_cell(*time, kTime) : *json);
    };
    for (const Place& p : places_) keep(p);
    keep(event_);
    keep(created_);
    if (const Json* deleted = message_.find(kDeletedMember)) out.set(kDeletedMember, *deleted);
    return out;
  }

  const Source& source_;
  std::vector<Place> places_;
  Place event_;
  Place created_;
  StreamRows out_;
  // Of the record at hand.
  Json message_;
  std::vector<Cell> cells_;
  Cell created_cell_;
  int64_t event_us_ = 0;
  bool deleted_ = false;
};

}  // namespace

StreamRows rows_of_records(std::span<const kafka::Record> records, const Source& source,
                           const std::vector<std::string>& keys, const std::string& unfit) {
  Decoder decoder(source, keys);
  for (size_t i = 0; i < records.size(); ++i) decoder.add(i, records[i], unfit);
  return std::move(decoder).finish();
}

Json text_of_record(const std::string& topic, const kafka::Record& record) {
  Json out = Json::object({{std::string(kOriginMember), origin_json(topic, record)}});
  if (record.tombstone) return out;
  const bool cut = record.value.size() > kStrayBytesMax;
  if (is_utf8(record.value))
    out.set("_text", cut ? utf8_prefix(record.value, kStrayBytesMax / 4) : record.value);
  else
    out.set("_base64", to_base64(std::string_view(record.value).substr(0, kStrayBytesMax)));
  if (cut) out.set("_bytes", static_cast<int64_t>(record.value.size()));
  return out;
}

std::string origin_text(const std::string& topic, const kafka::Record& record) {
  return concat({topic, "/", std::to_string(record.partition), "@", std::to_string(record.offset)});
}

Json origin_json(const std::string& topic, const kafka::Record& record) {
  return Json::object({{"topic", topic},
                       {"partition", static_cast<int64_t>(record.partition)},
                       {"offset", record.offset},
                       {"timestamp_ms", record.timestamp_ms}});
}

// Laid out as a UUIDv7: milliseconds, then what tells it from others of that moment.
std::string stray_uid(const std::string& topic, const kafka::Record& record) {
  const uint64_t low = codec::xxh3(record.value, codec::xxh3(origin_text(topic, record)));
  const uint64_t high = codec::xxh3(origin_text(topic, record), low);
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(0, record.timestamp_ms));
  std::string bytes;
  for (int shift = 40; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(ms >> shift));
  bytes.push_back(static_cast<char>(0x70 | (high & 0x0f)));
  bytes.push_back(static_cast<char>(high >> 8));
  bytes.push_back(static_cast<char>(0x80 | (low & 0x3f)));
  for (int shift = 8; shift <= 56; shift += 8) bytes.push_back(static_cast<char>(low >> shift));
  const std::string hex = to_hex(bytes);
  const std::string_view h = hex;
  return concat({h.substr(0, 8), "-", h.substr(8, 4), "-", h.substr(12, 4), "-", h.substr(16, 4),
                 "-", h.substr(20)});
}

}  // namespace slip::features
