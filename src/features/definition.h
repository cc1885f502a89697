#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "engine/window/plan.h"
#include "features/cell.h"

// What people write about features, as YAML documents: Entity, Source, FeatureView, OnDemand,
// FeatureService, and data contracts of ODCS (DataContract). A definition is a value; what it
// computes decides its digest, what it is called, owned, described or tested doesn't. Pure; any
// thread. README.md shows the documents.
//
// Errors name document and path: kInvalid `feature.yaml|feature.kind|feature.field|feature.name|
// feature.type|feature.duration|feature.aggregate|feature.reference`.
namespace slip::features {

// limits
inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kFeaturesMax = 2000;  // Of one view or service.
inline constexpr size_t kJoinKeysMax = 8;
inline constexpr size_t kDocumentsMax = 1000;
inline constexpr size_t kDefinitionBytesMax = 1 << 20;  // Of one document as JSON.

enum class Kind : uint8_t { kEntity, kSource, kView, kOnDemand, kService, kContract };
inline constexpr int kKindCount = 6;
std::string_view kind_name(Kind kind);  // "Entity", "Source", …, "DataContract"
std::optional<Kind> parse_kind(std::string_view name);

// For people; never part of what is computed.
struct About {
  std::string description;
  std::string owner;
  std::map<std::string, std::string> tags;
  bool operator==(const About&) const = default;
};

struct Entity {
  FeatureField join_key;
};

// Rows that arrive: a push source, a stream, a table of events. Its history is kept once, whoever
// reads it.
struct Source {
  std::vector<FeatureField> columns;  // Without the times.
  std::string event_time = "event_timestamp";
  std::string created_time;  // "": none. Breaks ties between equal event times.
  std::string contract;      // "ID" or "ID#object" that rows must satisfy; "": none.
  std::optional<int64_t>
      retention_us;  // Rows with older event times leave the history. No meaning.
  std::string file;  // Where rows lie on the server's machine (files.h); "": nowhere. No meaning.
  std::map<std::string, std::string> renamed;  // What files call a column or time -> its name here.
  // SQL that computes the rows from other sources' (staging.h): then none come from elsewhere.
  struct Computed {
    std::string sql;
    std::map<std::string, std::string> inputs;  // Table -> Source.
    std::optional<int64_t> every_us;  // So old, it is computed again all the same. No meaning.
  };
  std::optional<Computed> computed;
  const FeatureField* find(std::string_view column) const;
  const std::string& name_of(const std::string& in_file) const;
};

struct RowFeature {
  std::string name;
  std::string expression;  // engine/expr
};

struct AggregateFeature {
  std::string name;  // Of the feature: "spend_1h".
  window::Aggregate aggregate;
  std::string of;  // Column or row feature.
};

struct Example {  // A view's `tests:`: events in, values expected at a moment.
  codec::Json events;
  codec::Json expect;
  std::string at;
  std::string name;
};

struct View {
  std::vector<FeatureField> join_keys;
  std::vector<std::string> entities;  // Names of Entity documents, where such were named.
  std::string source;                 // Name of the Source; an inline one has the view's name.
  std::optional<Source> inline_source;
  std::vector<std::string> columns;  // Features that are columns of the source as they are.
  std::vector<RowFeature> row;
  std::vector<AggregateFeature> aggregates;  // Not empty: these are the features, `row` feeds them.
  std::optional<int64_t> ttl_us;             // None: for ever.
  int64_t lateness_us = window::kHourUs;
  std::string filter;  // Expression: rows for which it isn't true are no events of this view.
  bool online = true;
  std::vector<Example> tests;
  bool windowed() const { return !aggregates.empty(); }
};

// A reference to features: "view:feature", "view@3:feature", "view:*".
struct Reference {
  std::string view;
  int64_t version = 0;  // 0: the latest.
  std::string feature;  // "*": all.
  bool operator==(const Reference&) const = default;
  std::string text() const;
};
// Also "view@v3:f", "view@latest:f"; another "@x" belongs to the name.
Result<Reference> parse_reference(std::string_view text);

// A function that somebody wrote; it runs in a process of its own (functions.h). What it computes
// is no part of the promise that both readings give the same bits.
struct PythonFunction {
  enum class Mode : uint8_t {
    kPandas,     // f(DataFrame) -> DataFrame
    kPython,     // f({column: [values]}) -> the same
    kSingleton,  // f({column: value}) -> the same, a row at a time
  };
  Mode mode = Mode::kPandas;
  std::string source;  // Defines `entry`, or one function.
  std::string entry;
  std::string pickle;  // Instead: the function as Feast's client sends it. Never opened here.
};

struct OnDemand {
  struct Input {
    std::string name;  // In the expressions.
    Reference of;
  };
  std::vector<Input> inputs;
  std::vector<FeatureField> request;
  std::vector<RowFeature> features;
  std::optional<PythonFunction> python;  // Then `features` is empty, and these come back:
  std::vector<FeatureField> outputs;
};

struct Service {
  struct Item {
    Reference of;
    std::string name;                              // Of the feature in answers; "": its own.
    std::map<std::string, std::string> join_keys;  // The view's -> the request's.
    std::string view_as;                           // The view's in full names; "": its own.
  };
  std::vector<Item> items;
  double log_sample = 0;  // Part of the keys whose served vectors are kept.
};

struct Definition {
  Kind kind = Kind::kEntity;
  std::string name;
  int64_t version = 0;  // As written; 0: the next one when it has changed.
  About about;
  Entity entity;
  Source source;
  View view;
  OnDemand on_demand;
  Service service;
  codec::Json contract;  // The whole ODCS document.

  // The meaning alone: everything that changes a value, in canonical form. Equal meanings have
  // equal digests.
  codec::Json meaning() const;
  std::string digest() const;  // SHA-256 of it, hex.
  // The whole document, as it is kept and shown; parse_definition() reads it back.
  codec::Json document() const;
};

Result<Definition> parse_definition(const codec::Json& document);
// Documents separated by lines of "---".
Result<std::vector<Definition>> parse_definitions(std::string_view yaml);

Result<int64_t> parse_duration_us(std::string_view text);  // "90s", "10m", "1h30m", "7d", "2w"
std::string duration_text(int64_t us);
Status check_feature_name(std::string_view what, std::string_view name);

}  // namespace slip::features
