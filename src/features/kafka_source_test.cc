#include "features/kafka_source.h"

#include <gtest/gtest.h>

#include "codec/yaml.h"
#include "features/definition.h"

namespace slip::features {
namespace {

Result<KafkaSource> parsed(const std::string& yaml) {
  return parse_kafka_source(codec::parse_yaml(yaml).value(), "kafka");
}

TEST(KafkaSource, ReadsBackWhatItSays) {
  const char* rows[] = {
      "{brokers: 'a:9092,b:9093', topic: t}",
      "{brokers: ['[::1]:9092'], topic: t.x-y_z, time_unit: ms, start: latest, on_reset: earliest}",
      "{brokers: [a:1], topic: t, isolation: uncommitted, max_record_bytes: 1000, properties: "
      "{security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-256, sasl.username: u, "
      "sasl.password: {env: SLIPWAY_KAFKA_PASSWORD}, ssl.ca.pem: {file: ca.pem}, "
      "socket.timeout.ms: 5000}}"};
  for (const char* row : rows) {
    const KafkaSource first = parsed(row).value();
    EXPECT_EQ(parse_kafka_source(first.document(), "kafka").value(), first) << row;
  }
}

TEST(KafkaSource, WhatIsWrongIsNamed) {
  struct Row {
    const char* yaml;
    const char* text;
  };
  const Row rows[] = {
      {"{topic: t}", "kafka.brokers"},
      {"{brokers: a, topic: t}", "host:port"},
      {"{brokers: 'a:99999', topic: t}", "host:port"},
      {"{brokers: 'http://a:1', topic: t}", "host:port"},
      {"{brokers: 'a:1'}", "kafka.topic"},
      {"{brokers: 'a:1', topic: 'a b'}", "kafka.topic"},
      {"{brokers: 'a:1', topic: t, format: avro}", "kafka.format"},
      {"{brokers: 'a:1', topic: t, time_unit: h}", "kafka.time_unit"},
      {"{brokers: 'a:1', topic: t, start: stop}", "kafka.start"},
      {"{brokers: 'a:1', topic: t, on_reset: never}", "kafka.on_reset"},
      {"{brokers: 'a:1', topic: t, isolation: none}", "kafka.isolation"},
      {"{brokers: 'a:1', topic: t, max_record_bytes: 0}", "kafka.max_record_bytes"},
      {"{brokers: 'a:1', topic: t, group: g}", "kafka.group: no such member"},
      {"{brokers: 'a:1', topic: t, properties: {ssl.ca.location: /etc/ca}}", "ssl.ca.location"},
      {"{brokers: 'a:1', topic: t, properties: {plugin.library.paths: x}}", "may not be set"},
      {"{brokers: 'a:1', topic: t, properties: {sasl.password: secret}}", "isn't written down"},
      {"{brokers: 'a:1', topic: t, properties: {sasl.password: {env: PATH}}}", "SLIPWAY_KAFKA_"},
      {"{brokers: 'a:1', topic: t, properties: {sasl.password: {file: /etc/shadow}}}",
       "kafka_secrets"},
      {"{brokers: 'a:1', topic: t, properties: {sasl.password: {env: SLIPWAY_KAFKA_P, file: p}}}",
       "{env: NAME} or {file: NAME}"},
      {"{brokers: 'a:1', topic: t, properties: {sasl.mechanism: GSSAPI}}", "PLAIN"}};
  for (const Row& row : rows) {
    const Result<KafkaSource> got = parsed(row.yaml);
    ASSERT_FALSE(got.ok()) << row.yaml;
    EXPECT_EQ(got.error().reason, "feature.field");
    EXPECT_NE(got.error().text.find(row.text), std::string::npos)
        << row.yaml << ": " << got.error().text;
  }
}

TEST(KafkaSource, WhichTopicIsMeantAndWhereItsBrokersAreIsNot) {
  const auto digest = [](const std::string& kafka) {
    return parse_definitions("kind: Source\nname: s\ncolumns: {a: int64}\nkafka: " + kafka)
        .value()[0]
        .digest();
  };
  const std::string one = digest("{brokers: 'a:1', topic: t}");
  EXPECT_EQ(one, digest("{brokers: 'b:1', topic: t, on_reset: latest}"));
  EXPECT_NE(one, digest("{brokers: 'a:1', topic: u}"));
  EXPECT_NE(one, digest("{brokers: 'a:1', topic: t, time_unit: s}"));
  const Definition d =
      parse_definitions(
          "kind: Source\nname: s\ncolumns: {a: int64}\nkafka: {brokers: 'a:1', topic: t}")
          .value()[0];
  EXPECT_EQ(parse_definition(d.document()).value().document(), d.document());
}

}  // namespace
}  // namespace slip::features
