#include "wire/feast/objects.h"

#include <feast/objects.pb.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "features/compiled.h"
#include "test/gen/dice.h"
#include "wire/feast/registry.h"

namespace slip::wire::feast {
namespace {

using features::Definition;
using features::Kind;

// A shelf of the documents, as the catalogue makes it; of one version each.
features::Shelf shelf_of(const std::vector<Definition>& definitions) {
  features::Shelf out;
  std::map<std::string, features::FeatureField> entities;
  for (const Definition& d : definitions) {
    auto applied = std::make_shared<features::Applied>();
    applied->definition = d;
    applied->definition.version = 1;
    applied->created_ms = 1'700'000'000'000;
    out.latest[static_cast<size_t>(d.kind)][d.name] = applied;
    out.all[static_cast<size_t>(d.kind)][{d.name, 1}] = applied;
    if (d.kind == Kind::kEntity) entities[d.name] = d.entity.join_key;
  }
  const auto& sources = out.latest[static_cast<size_t>(Kind::kSource)];
  for (const auto& [name, a] : out.latest[static_cast<size_t>(Kind::kView)]) {
    const features::View& v = a->definition.view;
    const features::Source source =
        v.inline_source ? *v.inline_source : sources.at(v.source)->definition.source;
    auto made = std::make_shared<features::CompiledView>(
        features::compile_view(a->definition, source, entities).value());
    out.views[{name, 1}] = made;
    out.latest_views[name] = made;
  }
  return out;
}

std::vector<Definition> definitions_of(std::string_view yaml) {
  return features::parse_definitions(yaml).value();
}

struct Types {
  gen::Dice dice;
  size_t below(size_t n) { return static_cast<size_t>(dice.below(n)); }
  std::string type() {
    constexpr std::string_view kTypes[] = {
        "bool",          "int32",         "int64",        "float32",     "float64",
        "string",        "bytes",         "timestamp",    "list<int32>", "list<int64>",
        "list<float32>", "list<float64>", "list<string>", "list<bool>"};
    return std::string(kTypes[below(std::size(kTypes))]);
  }
};

// Documents that Feast can say: entities, sources, views of columns, services of them.
std::vector<Definition> random_definitions(uint64_t seed) {
  Types t{gen::Dice::seeded(seed)};
  std::string yaml;
  const size_t sources = 1 + t.below(3);
  size_t views = 0;
  std::vector<std::string> features;
  for (size_t s = 0; s < sources; ++s) {
    const std::string source = concat({"s", std::to_string(s)});
    const std::string key = concat({"k", std::to_string(t.below(2))});
    const size_t columns = 1 + t.below(6);
    yaml += concat({"kind: Source\nname: ", source, "\nevent_time: at\n",
                    t.below(2) ? "created_time: made\n" : "", "columns:\n  ", key, ": int64\n"});
    for (size_t c = 0; c < columns; ++c)
      yaml += concat({"  c", std::to_string(c), ": ", t.type(), "\n"});
    yaml += "---\n";
    const size_t readers = 1 + t.below(2);
    for (size_t v = 0; v < readers; ++v) {
      const std::string view = concat({"v", std::to_string(views++)});
      yaml +=
          concat({"kind: FeatureView\nname: ", view, "\nsource: ", source, "\nentity: {", key,
                  ": int64}\n", t.below(2) ? "ttl: 2h\n" : "", t.below(3) ? "" : "online: false\n",
                  t.below(2) ? "description: d\nowner: o\ntags: {a: b}\n" : "", "features: ["});
      // All of them, that the columns of a source are those that its views read.
      for (size_t c = 0; c < columns; ++c) {
        yaml += concat({c ? ", " : "", "c", std::to_string(c)});
        if (t.below(2)) features.push_back(concat({view, ":c", std::to_string(c)}));
      }
      yaml += "]\n---\n";
    }
  }
  for (size_t k = 0; k < 2; ++k)
    yaml += concat({"kind: Entity\nname: e", std::to_string(k), "\njoin_key: k", std::to_string(k),
                    "\ntype: int64\ndescription: who\n---\n"});
  if (!features.empty())
    yaml += concat({"kind: FeatureService\nname: svc\nowner: o\nfeatures: [\"",
                    join(features, "\", \""), "\"]\n"});
  return definitions_of(yaml);
}

const Definition* find(const std::vector<Definition>& all, const Definition& like) {
  for (const Definition& d : all)
    if (d.kind == like.kind && d.name == like.name) return &d;
  return nullptr;
}

// Definitions -> Feast's messages -> the importer -> the same definitions.
TEST(FeastObjects, WhatFeastCanSayComesBack) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const std::vector<Definition> before = random_definitions(seed);
    const auto registry = registry_of(shelf_of(before), "p");
    const Imported made = import_registry(registry->SerializeAsString(), "p").value();
    EXPECT_EQ(made.left_out, std::vector<std::string>()) << "seed " << seed;
    EXPECT_EQ(made.definitions.size(), before.size()) << "seed " << seed;
    for (const Definition& d : before) {
      const Definition* back = find(made.definitions, d);
      ASSERT_NE(back, nullptr) << d.name << ", seed " << seed;
      EXPECT_EQ(back->digest(), d.digest()) << d.name << ", seed " << seed;
      if (d.kind == Kind::kView) {
        EXPECT_EQ(back->about, d.about) << d.name << ", seed " << seed;
        EXPECT_EQ(back->view.online, d.view.online) << d.name << ", seed " << seed;
      }
    }
  }
}

constexpr std::string_view kComputed = R"(
kind: Source
name: txn
columns: {user: int64, amount: float64}
---
kind: FeatureView
name: spend
entity: {user: int64}
source: txn
aggregate: [{op: sum, of: amount, windows: [1h], as: spend}]
---
kind: FeatureView
name: last
entity: {user: int64}
source: txn
features: [amount]
---
kind: FeatureView
name: inline
entity: {shop: string}
features: {rate: float32}
)";

TEST(FeastObjects, ViewsThatComputeAreFedThroughTheirSource) {
  const features::Shelf shelf = shelf_of(definitions_of(kComputed));
  const auto registry = registry_of(shelf, "p");
  std::map<std::string, const ::feast::core::FeatureViewSpec*> views;
  for (const auto& v : registry->feature_views()) views[v.spec().name()] = &v.spec();
  ASSERT_EQ(views.size(), 4u);
  EXPECT_FALSE(views.at("spend")->online());
  EXPECT_FALSE(views.at("spend")->has_stream_source());
  EXPECT_TRUE(views.at("last")->online());
  EXPECT_FALSE(views.at("last")->has_stream_source());  // Else its rows would be pushed twice.
  EXPECT_EQ(views.at("txn_events")->stream_source().name(), "txn");
  EXPECT_EQ(views.at("inline")->stream_source().name(), "inline");
  EXPECT_EQ(views.at("inline")->entities(0), "shop");
  EXPECT_EQ(registry->entities_size(), 2);
  EXPECT_EQ(source_meant(shelf, "txn"), "txn");
  EXPECT_EQ(source_meant(shelf, "txn_history"), "txn");
  EXPECT_EQ(source_meant(shelf, "txn_events"), "txn");
  EXPECT_EQ(source_meant(shelf, "inline_history"), "inline");
  EXPECT_EQ(source_meant(shelf, "none"), "");
}

TEST(FeastObjects, WhatTheClientToldCountsAsLongAsItHolds) {
  std::vector<Definition> all = definitions_of(kComputed);
  all[0].about.tags["slipway.feast.data_source"] =
      R"({"type":"BATCH_FILE","timestampField":"event_timestamp",)"
      R"("fileOptions":{"uri":"/d.parquet"}})";
  EXPECT_EQ(registry_of(shelf_of(all), "p")->data_sources(0).file_options().uri(), "/d.parquet");
  all[0].source.event_time = "at";
  EXPECT_EQ(registry_of(shelf_of(all), "p")->data_sources(0).type(),
            ::feast::core::DataSource::PUSH_SOURCE);
  all[0].about.tags["slipway.feast.data_source"] = "{nothing";
  const auto registry = registry_of(shelf_of(all), "p");
  EXPECT_EQ(registry->data_sources(0).timestamp_field(), "at");
  EXPECT_TRUE(registry->data_sources(0).tags().empty());  // Ours aren't shown.
}

}  // namespace
}  // namespace slip::wire::feast
