#include "wire/feast/registry.h"

#include <gtest/gtest.h>

namespace slip::wire::feast {
namespace {

// Messages as their bytes.
std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<char>(v | 0x80));
  out.push_back(static_cast<char>(v));
  return out;
}
std::string bytes(uint32_t field, const std::string& value) {
  return varint(uint64_t{field} << 3 | 2) + varint(value.size()) + value;
}
std::string number(uint32_t field, uint64_t value) {
  return varint(uint64_t{field} << 3) + varint(value);
}
std::string column(const std::string& name, uint64_t type) {
  return bytes(1, name) + number(2, type);
}

std::string file_source(const std::string& name) {
  return bytes(20, name) + number(1, 1) + bytes(3, "ts") + bytes(5, "made") +
         bytes(11, bytes(2, "/d.parquet"));
}
std::string entity() {
  return bytes(1,
               bytes(1, bytes(1, "driver") + bytes(9, "p") + number(2, 4) + bytes(4, "driver_id")));
}
std::string view(const std::string& name, const std::string& project) {
  return bytes(6, bytes(1, bytes(1, name) + bytes(2, project) + bytes(3, "driver") +
                               bytes(4, column("rate", 6)) + bytes(4, column("days", 3)) +
                               bytes(6, number(1, 86'400)) + bytes(7, file_source("stats")) +
                               number(8, 1) + bytes(12, column("driver_id", 4))));
}

std::string keyless() {
  return bytes(6, bytes(1, bytes(1, "world") + bytes(2, "p") + bytes(3, "__dummy") +
                               bytes(4, column("n", 4)) + bytes(7, file_source("stats")) +
                               bytes(12, column("__dummy_id", 2))));
}
std::string on_demand() {
  const std::string of_view = bytes(2, bytes(3, bytes(1, "a") + bytes(2, column("rate", 6))));
  const std::string of_request =
      bytes(2, bytes(2, bytes(20, "in") + bytes(18, bytes(3, column("val", 3)))));
  return bytes(
      8, bytes(1, bytes(1, "sum") + bytes(2, "p") + bytes(3, column("more", 5)) +
                      bytes(4, bytes(1, "a") + of_view) + bytes(4, bytes(1, "in") + of_request) +
                      bytes(10, bytes(1, bytes(1, "f") + bytes(2, "dill"))) + bytes(11, "python") +
                      number(15, 1)));
}

TEST(FeastRegistry, NamesOfSources) {
  EXPECT_EQ(source_name_of("stats"), "stats");
  const std::string path = source_name_of("/data/my stats.v1.parquet");
  EXPECT_TRUE(path.starts_with("my_stats_")) << path;
  EXPECT_EQ(source_name_of(path), path);
  EXPECT_NE(source_name_of("/other/my stats.v1.parquet"), path);
  EXPECT_TRUE(features::check_feature_name("source", source_name_of(std::string(500, '/'))).ok());
  EXPECT_TRUE(features::check_feature_name("source", source_name_of("")).ok());
}

TEST(FeastRegistry, ViewsWithTheirSources) {
  const std::string registry =
      entity() + view("a", "p") + view("b", "other") +
      bytes(8, bytes(1, bytes(1, "odd") + bytes(2, "p"))) + keyless() + on_demand() +
      bytes(7, bytes(1, bytes(1, "svc") + bytes(2, "p") +
                            bytes(3, bytes(1, "a") + bytes(2, column("rate", 6)))));
  const Imported made = import_registry(registry, "p").value();
  ASSERT_EQ(made.definitions.size(), 6u);
  EXPECT_EQ(made.definitions[0].kind, features::Kind::kSource);
  EXPECT_EQ(made.definitions[0].source.event_time, "ts");
  EXPECT_EQ(made.definitions[0].source.created_time, "made");
  ASSERT_EQ(made.definitions[0].source.columns.size(), 4u);  // Of both views.
  EXPECT_EQ(made.definitions[0].source.columns[1].type.text(), "float32");
  EXPECT_EQ(made.definitions[1].entity.join_key.name, "driver_id");
  const features::View& v = made.definitions[2].view;
  EXPECT_EQ(v.columns, (std::vector<std::string>{"rate", "days"}));
  EXPECT_EQ(*v.ttl_us, 86'400'000'000);
  EXPECT_TRUE(v.online);
  EXPECT_EQ(made.definitions[0].source.file, "/d.parquet");
  EXPECT_TRUE(made.definitions[3].view.join_keys.empty());
  const features::OnDemand& o = made.definitions[4].on_demand;
  ASSERT_EQ(o.inputs.size(), 2u);
  EXPECT_EQ(o.inputs[0].name, "a__rate");
  EXPECT_EQ(o.inputs[1].name, "rate");
  EXPECT_EQ(o.inputs[1].of.text(), "a:rate");
  ASSERT_EQ(o.request.size(), 1u);
  EXPECT_EQ(o.request[0].type.text(), "int32");
  EXPECT_EQ(o.python->pickle, "dill");
  EXPECT_EQ(o.python->mode, features::PythonFunction::Mode::kSingleton);
  EXPECT_EQ(o.outputs[0].name, "more");
  ASSERT_EQ(made.definitions[5].service.items.size(), 1u);
  EXPECT_EQ(made.definitions[5].service.items[0].of.text(), "a:rate");
  for (const features::Definition& d : made.definitions)
    EXPECT_EQ(features::parse_definition(d.document()).value().digest(), d.digest()) << d.name;
  ASSERT_EQ(made.files.size(), 1u);
  EXPECT_EQ(made.files[0].uri, "/d.parquet");
  EXPECT_EQ(
      made.left_out,
      (std::vector<std::string>{"OnDemandFeatureView odd: it is computed by no Python function"}));
}

TEST(FeastRegistry, WhatIsNoneIsRefused) {
  EXPECT_EQ(import_registry("no registry", "").error().reason, "feast.registry");
  std::string deep = bytes(20, "s");
  for (int i = 0; i < 100; ++i) deep = bytes(26, deep);
  const std::string registry = bytes(6, bytes(1, bytes(1, "v") + bytes(7, deep)));
  EXPECT_EQ(import_registry(registry, "").error().reason, "feast.registry");
  EXPECT_TRUE(import_registry("", "").value().definitions.empty());
}

}  // namespace
}  // namespace slip::wire::feast
