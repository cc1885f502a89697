#include "features/redis_note.h"

#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "engine/window/bytes.h"
#include "sys/fs.h"

namespace slip::features {
namespace {

using codec::Json;

constexpr std::string_view kMagic = "SLPREDI1";
constexpr int64_t kNoteBytesMax = 64 << 20;

Error damaged() {
  return corrupt("feature.redis_note", "the note of what lies in Redis is damaged")
      .with_hint("delete features/redis in the data directory: Redis is filled again");
}

template <class Names>
Json hex_list(const Names& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(to_hex(one));
  return out;
}

template <class Add>
Status each_hex(const Json& in, std::string_view name, Add add) {
  const Json* list = in.find(name);
  if (list == nullptr || !list->is_array()) return damaged();
  for (const Json& one : list->items()) {
    const auto bytes = one.is_string() ? from_hex(one.as_string()) : std::nullopt;
    if (!bytes) return damaged();
    add(*bytes);
  }
  return {};
}

Json drop_json(const std::string& uid, const RedisDrop& d) {
  Json out = Json::object({{"uid", uid},
                           {"pattern", to_hex(d.pattern)},
                           {"head", to_hex(d.head)},
                           {"values", d.values},
                           {"project", d.project}});
  out.set("fields", hex_list(d.fields));
  return out;
}

Result<std::string> hex_of(const Json& in, std::string_view name) {
  const auto bytes = from_hex(TRY(codec::want_string(in, name)));
  if (!bytes) return damaged();
  return *bytes;
}

Result<RedisDrop> drop_of(const Json& in) {
  RedisDrop out;
  out.pattern = TRY(hex_of(in, "pattern"));
  out.head = TRY(hex_of(in, "head"));
  out.values = TRY(codec::want_int(in, "values"));
  out.project = TRY(codec::want_string(in, "project"));
  TRY(each_hex(in, "fields", [&](std::string f) { out.fields.push_back(std::move(f)); }));
  return out;
}

Result<RedisNote> note_of(const Json& in) {
  RedisNote out;
  out.writer = TRY(codec::want_string(in, "writer"));
  out.target = TRY(codec::want_string(in, "target"));
  out.cursor = TRY(codec::want_int(in, "cursor"));
  out.generation = TRY(codec::want_int(in, "generation"));
  out.flushes = TRY(codec::int_or(in, "flushes", 0));
  out.flushes_from = TRY(codec::int_or(in, "flushes_from", 0));
  out.removed = TRY(codec::int_or(in, "removed", 0));
  out.wipe = TRY(codec::bool_or(in, "wipe", false));
  TRY(each_hex(in, "seen", [&](std::string s) { out.seen.insert(std::move(s)); }));
  TRY(each_hex(in, "claims", [&](std::string s) { out.claims.insert(std::move(s)); }));
  TRY(each_hex(in, "elsewhere", [&](std::string s) { out.elsewhere.insert(std::move(s)); }));
  if (const Json* counts = in.find("counts"); counts != nullptr && counts->is_object())
    for (const auto& [server, count] : counts->members())
      if (count.is_int()) out.counts[server] = count.as_int();
  if (in.find("asked") != nullptr)
    TRY(each_hex(in, "asked", [&](std::string s) { out.asked.insert(std::move(s)); }));
  if (const Json* gone = in.find("gone"); gone != nullptr && gone->is_array())
    for (const Json& one : gone->items()) out.gone.push_back(TRY(drop_of(one)));
  const Json* views = in.find("views");
  if (views == nullptr || !views->is_array()) return damaged();
  for (const Json& one : views->items())
    out.views[TRY(codec::want_string(one, "uid"))] = TRY(drop_of(one));
  return out;
}

}  // namespace

Result<RedisNote> read_redis_note(Fs& fs, const std::string& dir) {
  const Result<std::string> text = read_file(fs, dir + "/redis", kNoteBytesMax);
  if (!text.ok() && text.error().code == Code::kNotFound) return RedisNote();
  TRY(text);
  std::string_view in = *text;
  uint64_t sum = 0;
  if (!in.starts_with(kMagic)) return damaged();
  in.remove_prefix(kMagic.size());
  if (!window::take(in, sum) || sum != codec::xxh3(in)) return damaged();
  const Result<Json> json = codec::parse_json(in);
  if (!json.ok()) return damaged();
  Result<RedisNote> out = note_of(*json);
  if (!out.ok()) return damaged();
  return out;
}

Status write_redis_note(Fs& fs, const std::string& dir, const RedisNote& note) {
  Json views = Json::array();
  for (const auto& [uid, drop] : note.views) views.push(drop_json(uid, drop));
  Json json = Json::object({{"writer", note.writer},
                            {"target", note.target},
                            {"cursor", note.cursor},
                            {"generation", note.generation},
                            {"flushes", note.flushes},
                            {"flushes_from", note.flushes_from},
                            {"removed", note.removed},
                            {"wipe", note.wipe}});
  Json counts = Json::object();
  for (const auto& [server, count] : note.counts) counts.set(server, count);
  json.set("counts", std::move(counts));
  json.set("seen", hex_list(note.seen));
  json.set("claims", hex_list(note.claims));
  json.set("elsewhere", hex_list(note.elsewhere));
  json.set("views", std::move(views));
  json.set("asked", hex_list(note.asked));
  Json gone = Json::array();
  for (const RedisDrop& drop : note.gone) gone.push(drop_json("", drop));
  json.set("gone", std::move(gone));
  const std::string body = codec::to_json(json);
  std::string bytes(kMagic);
  window::put(bytes, codec::xxh3(body));
  TRY(fs.make_dirs(dir));
  return write_file_atomic(fs, dir + "/redis", bytes + body);
}

}  // namespace slip::features
