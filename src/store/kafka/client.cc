#include <algorithm>

#include "base/text.h"
#include "store/kafka/rd.h"
#include "sys/log.h"

// Reading. This, rd.h and producer.cc alone know librdkafka.
namespace slip::kafka {
namespace {

struct MessageDestroy {
  void operator()(rd_kafka_message_t* m) const { rd_kafka_message_destroy(m); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDestroy>;

void on_log(const rd_kafka_t* rk, int level, const char* facility, const char* text) {
  auto* told = static_cast<Told*>(rd_kafka_opaque(rk));
  if (told == nullptr) return;
  constexpr int kWarning = 4;  // Of syslog.
  if (level <= kWarning)
    told->log.info("kafka client",
                   {{"of", std::string_view(facility)}, {"text", std::string_view(text)}});
}

void on_error(rd_kafka_t*, int code, const char* text, void* opaque) {
  auto* told = static_cast<Told*>(opaque);
  const std::string_view name = rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code));
  told->trouble.with([&](std::string& t) { t = concat({name, ": ", text}); });
}

Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char why[256] = "";
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK)
    return {};
  // librdkafka's text may hold the value.
  const Property* known = property(name);
  const bool tells = known == nullptr || !known->secret;
  return invalid("kafka.property", concat({name, ": ", tells ? why : "it isn't taken"}));
}

}  // namespace

Error error_of(rd_kafka_resp_err_t code, std::string_view what) {
  std::string text = concat({what, ": ", rd_kafka_err2str(code)});
  switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return not_found("kafka.topic", std::move(text));
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return forbidden("kafka.denied", std::move(text));
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return invalid("kafka.property", std::move(text));
    default:
      return unavailable("kafka.unavailable", std::move(text));
  }
}

Result<Conf> make_conf(const std::vector<std::pair<std::string, std::string>>& fixed,
                       const std::vector<std::pair<std::string, std::string>>& properties,
                       Told* told) {
  Conf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : fixed) TRY(set(conf.get(), name, value));
  for (const auto& [name, value] : properties) {
    if (property(name) == nullptr)
      return invalid("kafka.property", concat({name, " may not be set"}));
    TRY(set(conf.get(), name, value));
  }
  rd_kafka_conf_set_opaque(conf.get(), told);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  return conf;
}

PartitionList list_of(const std::string& topic, const std::vector<Position>& positions) {
  PartitionList out(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const Position& p : positions)
    rd_kafka_topic_partition_list_add(out.get(), topic.c_str(), p.partition)->offset = p.offset;
  return out;
}

namespace {

class RdConsumer final : public Consumer {
 public:
  RdConsumer(std::string topic, std::unique_ptr<Told> told)
      : topic_(std::move(topic)), told_(std::move(told)) {}
  ~RdConsumer() override {
    if (handle_ == nullptr) return;
    rd_kafka_consumer_close(handle_);
    rd_kafka_destroy(handle_);
  }

  Status open(Conf conf) {
    char why[512] = "";
    handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why, sizeof why);
    if (handle_ == nullptr) return invalid("kafka.property", why);
    (void)conf.release();  // It is the handle's now.
    rd_kafka_poll_set_consumer(handle_);
    return {};
  }

  Result<std::vector<int32_t>> partitions() override {
    rd_kafka_topic_t* topic = rd_kafka_topic_new(handle_, topic_.c_str(), nullptr);
    if (topic == nullptr) return error_of(rd_kafka_last_error(), topic_);
    const rd_kafka_metadata_t* all = nullptr;
    const rd_kafka_resp_err_t code = rd_kafka_metadata(handle_, 0, topic, &all, kAskMs);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return asked(code, topic_);
    std::vector<int32_t> out;
    rd_kafka_resp_err_t of_topic = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    for (int i = 0; i < all->topic_cnt; ++i) {
      const rd_kafka_metadata_topic_t& t = all->topics[i];
      if (topic_ != t.topic) continue;
      of_topic = t.err;
      for (int p = 0; p < t.partition_cnt; ++p) out.push_back(t.partitions[p].id);
    }
    rd_kafka_metadata_destroy(all);
    if (of_topic != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(of_topic, topic_);
    if (out.empty()) return error_of(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, topic_);
    std::sort(out.begin(), out.end());
    return out;
  }

  Result<Range> range(int32_t partition) override {
    Range out;
    const rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        handle_, topic_.c_str(), partition, &out.first, &out.end, kAskMs);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return asked(code, concat({topic_, "/", std::to_string(partition)}));
    return out;
  }

  Status assign(const std::vector<Position>& from) override {
    const PartitionList list = list_of(topic_, from);
    const rd_kafka_resp_err_t code = rd_kafka_assign(handle_, list.get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(code, topic_);
    return {};
  }

  Polled poll(const Limits& limits) override {
    Polled out;
    size_t bytes = 0;
    int wait_ms = static_cast<int>(limits.wait_ms);
    while (out.records.size() < limits.records && bytes < limits.bytes) {
      const Message m(rd_kafka_consumer_poll(handle_, wait_ms));
      if (!m) break;
      if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        wait_ms = 0;
        bytes += m->len;
        out.records.push_back(record_of(*m));
      } else {
        add_note(*m, &out);
        if (!out.notes.empty() || !out.trouble.empty()) wait_ms = 0;
      }
    }
    told_->trouble.with([&](std::string& t) {
      if (!t.empty()) out.trouble = std::exchange(t, "");
    });
    return out;
  }

  Result<std::vector<Position>> committed(const std::vector<int32_t>& partitions) override {
    std::vector<Position> all;
    for (const int32_t p : partitions) all.push_back({p, RD_KAFKA_OFFSET_INVALID});
    const PartitionList list = list_of(topic_, all);
    const rd_kafka_resp_err_t code = rd_kafka_committed(handle_, list.get(), kAskMs);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return asked(code, topic_);
    std::vector<Position> out;
    for (int i = 0; i < list->cnt; ++i) {
      if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return asked(list->elems[i].err, topic_);
      if (list->elems[i].offset >= 0)
        out.push_back({list->elems[i].partition, list->elems[i].offset});
    }
    return out;
  }

  std::optional<int64_t> known_end(int32_t partition) override {
    int64_t first = RD_KAFKA_OFFSET_INVALID;
    int64_t end = RD_KAFKA_OFFSET_INVALID;
    rd_kafka_get_watermark_offsets(handle_, topic_.c_str(), partition, &first, &end);
    if (end < 0) return std::nullopt;
    return end;
  }

 private:
  // A question that nobody answered: the reason is what the connection last told.
  Error asked(rd_kafka_resp_err_t code, std::string_view what) {
    Error out = error_of(code, what);
    rd_kafka_poll(handle_, 0);
    const std::string why = told_->trouble.with([](const std::string& t) { return t; });
    if (!why.empty() && out.code == Code::kUnavailable) out.text += concat({" (", why, ")"});
    return out;
  }

  static Record record_of(const rd_kafka_message_t& m) {
    Record out;
    out.partition = m.partition;
    out.offset = m.offset;
    rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const int64_t ms = rd_kafka_message_timestamp(&m, &kind);
    if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) out.timestamp_ms = ms;
    out.tombstone = m.payload == nullptr;
    if (!out.tombstone) out.value.assign(static_cast<const char*>(m.payload), m.len);
    if (m.key != nullptr) out.key.emplace(static_cast<const char*>(m.key), m.key_len);
    return out;
  }

  static void add_note(const rd_kafka_message_t& m, Polled* out) {
    switch (m.err) {
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        out->notes.push_back({Note::Kind::kEnd, m.partition, m.offset});
        return;
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        out->notes.push_back({Note::Kind::kOutOfRange, m.partition, m.offset});
        return;
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        out->notes.push_back({Note::Kind::kGone, m.partition, 0});
        return;
      case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return;  // No group is joined.
      default:
        out->trouble = concat({rd_kafka_err2name(m.err), ": ", rd_kafka_message_errstr(&m)});
    }
  }

  const std::string topic_;
  const std::unique_ptr<Told> told_;
  rd_kafka_t* handle_ = nullptr;
};

class RdClient final : public Client {
 public:
  explicit RdClient(Log& log) : log_(log) {}

  Result<std::unique_ptr<Consumer>> consumer(const ConsumerOptions& options) override {
    // A topic that is gone is told at once; that it is only slow to appear the reader bears.
    const std::vector<std::pair<std::string, std::string>> fixed = {
        {"bootstrap.servers", options.brokers},
        {"group.id", options.group},  // Wanted by librdkafka; nothing joins it.
        {"client.id", "slipway"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},
        {"topic.metadata.propagation.max.ms", "0"},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {"reconnect.backoff.max.ms", "2000"},
        {"fetch.wait.max.ms", "100"},
        {"log.connection.close", "false"},
        {"queued.max.messages.kbytes",
         std::to_string(std::max<size_t>(1024, options.queue_bytes >> 10))},
        {"fetch.max.bytes", std::to_string(std::max(options.queue_bytes, size_t{1} << 20))},
        {"message.max.bytes", std::to_string(std::min(options.queue_bytes, size_t{1} << 20))},
        {"receive.message.max.bytes", std::to_string(2 * kRecordBytesMax)},
        {"isolation.level", options.uncommitted ? "read_uncommitted" : "read_committed"}};
    auto told = std::make_unique<Told>(log_);
    Conf conf = TRY(make_conf(fixed, options.properties, told.get()));
    auto out = std::make_unique<RdConsumer>(options.topic, std::move(told));
    TRY(out->open(std::move(conf)));
    return std::unique_ptr<Consumer>(std::move(out));
  }

  Result<std::unique_ptr<Producer>> producer(const ProducerOptions& options) override {
    return make_producer(options, log_);
  }

 private:
  Log& log_;
};

}  // namespace

std::unique_ptr<Client> make_client(Log& log) { return std::make_unique<RdClient>(log); }

}  // namespace slip::kafka
