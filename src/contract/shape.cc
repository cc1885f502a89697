#include "contract/shape.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::contract {
namespace {

using codec::Json;

constexpr std::array kRoot = {
    Key{"apiVersion", Kind::kText, {}, true},
    Key{"kind", Kind::kText, {}, true, "DataContract"},
    Key{"id", Kind::kText, {}, true},
    Key{"version", Kind::kText, {}, true},
    Key{"status", Kind::kText, {}, true},
    Key{"name"},
    Key{"tenant"},
    Key{"domain"},
    Key{"dataProduct"},
    Key{"tags", Kind::kTexts},
    Key{"description", Kind::kMap, Section::kDescription},
    Key{"servers", Kind::kList, Section::kServer},
    Key{"schema", Kind::kList, Section::kObject},
    Key{"support", Kind::kList, Section::kSupport},
    Key{"price", Kind::kMap, Section::kPrice},
    Key{"team", Kind::kTeam, Section::kTeam},
    Key{"roles", Kind::kList, Section::kRole},
    Key{"slaDefaultElement"},
    Key{"slaProperties", Kind::kList, Section::kSla},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
    Key{"customProperties", Kind::kList, Section::kCustom},
    Key{"contractCreatedTs"},
};
constexpr std::array kDescription = {
    Key{"usage"},
    Key{"purpose"},
    Key{"limitations"},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
    Key{"customProperties", Kind::kList, Section::kCustom},
};
constexpr std::array kAuthority = {
    Key{"id", Kind::kId},
    Key{"url", Kind::kText, {}, true},
    Key{"type", Kind::kText, {}, true},
    Key{"description"},
};
constexpr std::array kCustom = {
    Key{"id", Kind::kId},
    Key{"property", Kind::kText, {}, true},
    Key{"value", Kind::kAny, {}, true},
    Key{"description"},
};
constexpr std::array kServer = {
    Key{"id", Kind::kId},
    Key{"server", Kind::kText, {}, true},
    Key{"type", Kind::kText, {}, true},
    Key{"description"},
    Key{"environment"},
    Key{"roles", Kind::kList, Section::kRole},
    Key{"customProperties", Kind::kList, Section::kCustom},
};
constexpr std::array kRole = {
    Key{"id", Kind::kId},
    Key{"role", Kind::kText, {}, true},
    Key{"description"},
    Key{"access"},
    Key{"firstLevelApprovers"},
    Key{"secondLevelApprovers"},
    Key{"customProperties", Kind::kList, Section::kCustom},
};
constexpr std::array kSupport = {
    Key{"id", Kind::kId}, Key{"channel", Kind::kText, {}, true},
    Key{"url"},           Key{"description"},
    Key{"tool"},          Key{"scope"},
    Key{"invitationUrl"}, Key{"customProperties", Kind::kList, Section::kCustom},
};
constexpr std::array kPrice = {
    Key{"id", Kind::kId},
    Key{"priceAmount", Kind::kNumber},
    Key{"priceCurrency"},
    Key{"priceUnit"},
};
constexpr std::array kTeam = {
    Key{"id", Kind::kId},
    Key{"name"},
    Key{"description"},
    Key{"members", Kind::kList, Section::kTeamMember},
    Key{"tags", Kind::kTexts},
    Key{"customProperties", Kind::kList, Section::kCustom},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
};
constexpr std::array kTeamMember = {
    Key{"id", Kind::kId},
    Key{"username", Kind::kText, {}, true},
    Key{"name"},
    Key{"description"},
    Key{"role"},
    Key{"dateIn"},
    Key{"dateOut"},
    Key{"replacedByUsername"},
    Key{"tags", Kind::kTexts},
    Key{"customProperties", Kind::kList, Section::kCustom},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
};
constexpr std::array kSla = {
    Key{"id", Kind::kId},
    Key{"property", Kind::kText, {}, true},
    Key{"value", Kind::kScalar, {}, true},
    Key{"valueExt", Kind::kScalar},
    Key{"unit"},
    Key{"element"},
    Key{"driver"},
    Key{"description"},
    Key{"scheduler"},
    Key{"schedule"},
};
constexpr std::array kObject = {
    Key{"id", Kind::kId},
    Key{"name", Kind::kText, {}, true},
    Key{"logicalType", Kind::kText, {}, false, "object"},
    Key{"physicalName"},
    Key{"physicalType"},
    Key{"description"},
    Key{"businessName"},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
    Key{"tags", Kind::kTexts},
    Key{"customProperties", Kind::kList, Section::kCustom},
    Key{"dataGranularityDescription"},
    Key{"properties", Kind::kList, Section::kProperty},
    Key{"relationships", Kind::kList, Section::kRelation},
    Key{"quality", Kind::kList, Section::kQuality},
};

// A property and the items of an array differ in one thing: the name.
constexpr std::array<Key, 28> property_keys(bool named) {
  return {{
      Key{"name", Kind::kText, {}, named},
      Key{"id", Kind::kId},
      Key{"physicalType"},
      Key{"physicalName"},
      Key{"description"},
      Key{"businessName"},
      Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
      Key{"tags", Kind::kTexts},
      Key{"customProperties", Kind::kList, Section::kCustom},
      Key{"primaryKey", Kind::kBool},
      Key{"primaryKeyPosition", Kind::kInt},
      Key{"logicalType",
          Kind::kText,
          {},
          false,
          "string date timestamp time number integer object array boolean"},
      Key{"logicalTypeOptions", Kind::kOpen},
      Key{"required", Kind::kBool},
      Key{"unique", Kind::kBool},
      Key{"partitioned", Kind::kBool},
      Key{"partitionKeyPosition", Kind::kInt},
      Key{"classification"},
      Key{"encryptedName"},
      Key{"transformSourceObjects", Kind::kTexts},
      Key{"transformLogic"},
      Key{"transformDescription"},
      Key{"examples", Kind::kAnyList},
      Key{"criticalDataElement", Kind::kBool},
      Key{"relationships", Kind::kList, Section::kRelation},
      Key{"quality", Kind::kList, Section::kQuality},
      Key{"properties", Kind::kList, Section::kProperty},
      Key{"items", Kind::kMap, Section::kItem},
  }};
}
constexpr std::array kProperty = property_keys(true);
constexpr std::array kItem = property_keys(false);

constexpr std::array kQuality = {
    Key{"id", Kind::kId},
    Key{"name"},
    Key{"type", Kind::kText, {}, false, "text library sql custom"},
    Key{"metric",
        Kind::kText,
        {},
        false,
        "nullValues missingValues invalidValues duplicateValues rowCount"},
    Key{"rule"},
    Key{"arguments", Kind::kOpen},
    Key{"mustBe", Kind::kAny},
    Key{"mustNotBe", Kind::kAny},
    Key{"mustBeGreaterThan", Kind::kNumber},
    Key{"mustBeGreaterOrEqualTo", Kind::kNumber},
    Key{"mustBeLessThan", Kind::kNumber},
    Key{"mustBeLessOrEqualTo", Kind::kNumber},
    Key{"mustBeBetween", Kind::kAnyList},
    Key{"mustNotBeBetween", Kind::kAnyList},
    Key{"unit"},
    Key{"query"},
    Key{"engine"},
    Key{"implementation", Kind::kAny},
    Key{"dimension",
        Kind::kText,
        {},
        false,
        "accuracy completeness conformity consistency coverage timeliness uniqueness"},
    Key{"method"},
    Key{"severity"},
    Key{"businessImpact"},
    Key{"description"},
    Key{"tags", Kind::kTexts},
    Key{"scheduler"},
    Key{"schedule"},
    Key{"authoritativeDefinitions", Kind::kList, Section::kAuthority},
    Key{"customProperties", Kind::kList, Section::kCustom},
};
constexpr std::array kRelation = {
    Key{"type", Kind::kText, {}, false, "foreignKey"},
    Key{"from", Kind::kRef},
    Key{"to", Kind::kRef, {}, true},
    Key{"customProperties", Kind::kList, Section::kCustom},
};

// What a server of a type has besides; '!' marks what it needs, '#' a whole number.
struct ServerRow {
  std::string_view type;
  std::string_view keys;
};
constexpr std::array kServers = {
    ServerRow{"api", "location!"},
    ServerRow{"athena", "stagingDir! schema! catalog regionName"},
    ServerRow{"azure", "location! format! delimiter"},
    ServerRow{"bigquery", "project! dataset!"},
    ServerRow{"clickhouse", "host! port!# database!"},
    ServerRow{"cloudsql", "host! port!# database! schema!"},
    ServerRow{"custom",
              "account catalog database dataset delimiter endpointUrl format host location path "
              "port# project region regionName schema serviceName stagingDir warehouse stream"},
    ServerRow{"databricks", "host catalog! schema!"},
    ServerRow{"db2", "host! port!# database! schema"},
    ServerRow{"denodo", "host! port!# database"},
    ServerRow{"dremio", "host! port!# schema"},
    ServerRow{"duckdb", "database! schema"},
    ServerRow{"glue", "account! database! location format"},
    ServerRow{"hive", "host! port# database!"},
    ServerRow{"impala", "host! port# database!"},
    ServerRow{"informix", "host! port# database!"},
    ServerRow{"kafka", "host! format"},
    ServerRow{"kinesis", "region format"},
    ServerRow{"local", "path! format!"},
    ServerRow{"mysql", "host! port!# database!"},
    ServerRow{"oracle", "host! port!# serviceName!"},
    ServerRow{"postgres", "host! port!# database! schema!"},
    ServerRow{"postgresql", "host! port!# database! schema!"},
    ServerRow{"presto", "host! catalog schema"},
    ServerRow{"pubsub", "project!"},
    ServerRow{"redshift", "host database! schema! region account"},
    ServerRow{"s3", "location! endpointUrl format delimiter"},
    ServerRow{"sftp", "location! format delimiter"},
    ServerRow{"snowflake", "host port# account! database! schema! warehouse"},
    ServerRow{"sqlserver", "host! port# database! schema!"},
    ServerRow{"synapse", "host! port!# database!"},
    ServerRow{"trino", "host! port!# catalog! schema!"},
    ServerRow{"vertica", "host! port!# database! schema!"},
    ServerRow{"zen", "host! port# database!"},
};

// Keys of the server's type; the text keeps their names alive.
std::vector<Key> server_keys(const Json& server, Notes* notes, const std::string& pointer) {
  std::vector<Key> out(kServer.begin(), kServer.end());
  const Json* type = server.find("type");
  if (type == nullptr || !type->is_string()) return out;
  for (const ServerRow& row : kServers) {
    if (row.type != type->as_string()) continue;
    for (std::string_view word : split(row.keys, ' ')) {
      Key key;
      if (word.ends_with('#')) key.kind = Kind::kInt, word.remove_suffix(1);
      if (word.ends_with('!')) key.required = true, word.remove_suffix(1);
      key.name = word;
      out.push_back(key);
    }
    return out;
  }
  notes->add("contract.value", step(pointer, "type"),
             concat({"no server is of type '", type->as_string(), "'"}));
  return out;
}

class Walk {
 public:
  explicit Walk(Notes* notes) : notes_(*notes) {}

  void section(const Json& value, Section which, const std::string& pointer, int depth) {
    if (!value.is_object()) return wrong(pointer, "is a mapping of keys");
    if (depth > kPropertyDepthMax)
      return notes_.add("contract.depth", pointer, "properties nest deeper than 32");
    std::vector<Key> extended;
    std::span<const Key> keys = keys_of(which);
    if (which == Section::kServer) keys = extended = server_keys(value, &notes_, pointer);
    for (const auto& [name, member] : value.members()) {
      const auto key = std::ranges::find(keys, name, &Key::name);
      if (key != keys.end())
        check(member, *key, step(pointer, name), depth);
      else if (!is_open(which))
        unknown(keys, name, pointer);
    }
    for (const Key& key : keys)
      if (key.required && value.find(key.name) == nullptr)
        notes_.add("contract.missing", pointer, concat({"needs the key '", key.name, "'"}));
  }

 private:
  // The standard leaves two sections open.
  static bool is_open(Section section) {
    return section == Section::kDescription || section == Section::kCustom;
  }
  void unknown(std::span<const Key> keys, const std::string& name, const std::string& pointer) {
    const std::string near = nearest_key(keys, name);
    notes_.add("contract.unknown_key", step(pointer, name),
               concat({"ODCS 3.1 has no key '", name, "' here",
                       near.empty() ? "" : "; did you mean '" + near + "'?"}));
  }
  void wrong(const std::string& pointer, std::string_view what) {
    notes_.add("contract.type", pointer, concat({"this ", what}));
  }

  void texts(const Json& value, const std::string& pointer) {
    if (!value.is_array()) return wrong(pointer, "is a list of texts");
    for (size_t i = 0; i < value.items().size(); ++i)
      if (!value.items()[i].is_string()) wrong(step(pointer, i), "is a text");
  }
  void list(const Json& value, Section section_of, const std::string& pointer, int depth) {
    if (!value.is_array()) return wrong(pointer, "is a list");
    for (size_t i = 0; i < value.items().size(); ++i)
      section(value.items()[i], section_of, step(pointer, i), depth + 1);
  }
  void text(const Json& value, const Key& key, const std::string& pointer) {
    if (!value.is_string()) return wrong(pointer, "is a text; put numbers and dates in quotes");
    const std::string& word = value.as_string();
    const auto words = split(key.one_of, ' ');
    if (!key.one_of.empty() && std::ranges::find(words, word) == words.end())
      notes_.add("contract.value", pointer, concat({"'", word, "' is none of ", key.one_of}));
    if (key.kind != Kind::kId) return;
    const auto fits = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '-' || c == '_';
    };
    if (word.empty() || !std::ranges::all_of(word, fits))
      notes_.add("contract.value", pointer, "an id is of letters, digits, '-' and '_'");
  }

  void check(const Json& value, const Key& key, const std::string& pointer, int depth) {
    switch (key.kind) {
      case Kind::kText:
      case Kind::kId:
        return text(value, key, pointer);
      case Kind::kNumber:
        if (!value.is_number()) wrong(pointer, "is a number");
        return;
      case Kind::kInt:
        if (!value.is_int()) wrong(pointer, "is a whole number");
        return;
      case Kind::kBool:
        if (!value.is_bool()) wrong(pointer, "is true or false");
        return;
      case Kind::kScalar:
        if (value.is_array() || value.is_object()) wrong(pointer, "is a single value");
        return;
      case Kind::kAny:
        return;
      case Kind::kAnyList:
        if (!value.is_array()) wrong(pointer, "is a list");
        return;
      case Kind::kOpen:
        if (!value.is_object()) wrong(pointer, "is a mapping of keys");
        return;
      case Kind::kTexts:
        return texts(value, pointer);
      case Kind::kRef:
        return value.is_string() ? void() : texts(value, pointer);
      case Kind::kList:
        return list(value, key.section, pointer, depth);
      case Kind::kTeam:
        if (value.is_array()) return list(value, Section::kTeamMember, pointer, depth);
        return section(value, Section::kTeam, pointer, depth + 1);
      case Kind::kMap:
        return section(value, key.section, pointer, depth + 1);
    }
  }

  Notes& notes_;
};

}  // namespace

std::span<const Key> keys_of(Section section) {
  switch (section) {
    case Section::kRoot:
      return kRoot;
    case Section::kDescription:
      return kDescription;
    case Section::kAuthority:
      return kAuthority;
    case Section::kCustom:
      return kCustom;
    case Section::kServer:
      return kServer;
    case Section::kRole:
      return kRole;
    case Section::kSupport:
      return kSupport;
    case Section::kPrice:
      return kPrice;
    case Section::kTeam:
      return kTeam;
    case Section::kTeamMember:
      return kTeamMember;
    case Section::kSla:
      return kSla;
    case Section::kObject:
      return kObject;
    case Section::kProperty:
      return kProperty;
    case Section::kItem:
      return kItem;
    case Section::kQuality:
      return kQuality;
    case Section::kRelation:
      return kRelation;
  }
  return {};
}

void Notes::add(std::string_view reason, std::string pointer, std::string text) {
  if (all_.size() < kIssuesMax)
    all_.push_back({std::string(reason), std::move(pointer), 0, std::move(text)});
}

void check_shape(const Json& value, Section section, const std::string& pointer, Notes* notes) {
  Walk(notes).section(value, section, pointer, 0);
}

std::string step(const std::string& pointer, std::string_view key) {
  std::string out = pointer + "/";
  for (const char c : key) c == '~' ? out += "~0" : c == '/' ? out += "~1" : out += c;
  return out;
}

std::string step(const std::string& pointer, size_t index) {
  return concat({pointer, "/", std::to_string(index)});
}

std::string nearest_key(std::span<const Key> keys, std::string_view wrong) {
  std::string out;
  size_t best = 3;
  if (wrong.size() > 64) return out;
  for (const Key& key : keys) {
    const size_t distance = edit_distance(lower(key.name), lower(wrong));
    if (distance >= best) continue;
    best = distance;
    out = key.name;
  }
  return out;
}

}  // namespace slip::contract
