#include <algorithm>

#include <librdkafka/rdkafka.h>

#include "base/text.h"
#include "store/kafka/kafka.h"
#include "sys/log.h"
#include "sys/sync.h"

// The only file that knows librdkafka.
namespace slip::kafka {
namespace {

constexpr int kAskMs = 5000;  // For metadata and offsets.

struct ConfDestroy {
  void operator()(rd_kafka_conf_t* c) const { rd_kafka_conf_destroy(c); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDestroy>;
struct ListDestroy {
  void operator()(rd_kafka_topic_partition_list_t* l) const {
    rd_kafka_topic_partition_list_destroy(l);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDestroy>;

// What librdkafka's threads tell, for whoever polls next.
struct Told {
  explicit Told(Log& to) : log(to) {}
  Log& log;
  sys::Guarded<std::string> trouble;
};

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

// ---- writing in transactions

constexpr int kTransactionMs = 10'000;  // For beginning to publish, and for ending it.
constexpr int kQueueFullMs = 100;

struct ErrorDestroy {
  void operator()(rd_kafka_error_t* e) const { rd_kafka_error_destroy(e); }
};
using RdError = std::unique_ptr<rd_kafka_error_t, ErrorDestroy>;
struct GroupDestroy {
  void operator()(rd_kafka_consumer_group_metadata_t* g) const {
    rd_kafka_consumer_group_metadata_destroy(g);
  }
};
struct HeadersDestroy {
  void operator()(rd_kafka_headers_t* h) const { rd_kafka_headers_destroy(h); }
};

// How the records of the transaction under way ended; told by poll(), so on the producer's thread.
struct Delivered {
  Told told;
  std::string failure;
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* m, void*) {
  auto* to = static_cast<Delivered*>(m->_private);
  if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || to->code != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  to->code = m->err;
  to->failure = rd_kafka_topic_name(m->rkt);
}

class RdProducer final : public Producer {
 public:
  explicit RdProducer(std::unique_ptr<Delivered> delivered) : delivered_(std::move(delivered)) {}
  ~RdProducer() override {
    if (handle_ == nullptr) return;
    // An open transaction is aborted by whoever begins next, or by the brokers' time.
    rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(handle_, 0);
    rd_kafka_destroy(handle_);
  }

  Status open(Conf conf) {
    char why[512] = "";
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why, sizeof why);
    if (handle_ == nullptr) return invalid("kafka.property", why);
    (void)conf.release();  // It is the handle's now.
    return {};
  }

  Status begin() override { return of(rd_kafka_init_transactions(handle_, kTransactionMs)); }

  Status publish(const std::vector<Outgoing>& records, const std::string& group,
                 const std::string& topic, const std::vector<Position>& read) override {
    TRY(of(rd_kafka_begin_transaction(handle_)));
    Status done = send_all(records);
    if (done.ok()) done = send_positions(group, topic, read);
    if (done.ok()) done = of(rd_kafka_commit_transaction(handle_, kTransactionMs));
    if (done.ok()) return done;
    // Best effort: whoever begins next under this name aborts it otherwise.
    const RdError aborted(rd_kafka_abort_transaction(handle_, kAskMs));
    return done;
  }

 private:
  Status of(rd_kafka_error_t* error) {
    const RdError held(error);
    if (!held) return {};
    const rd_kafka_resp_err_t code = rd_kafka_error_code(held.get());
    if (is_fenced(code)) return fenced();
    Error out = error_of(code, rd_kafka_error_string(held.get()));
    if (out.code != Code::kNotFound && out.code != Code::kForbidden)
      out = unavailable("kafka.unavailable", std::move(out.text));
    return out;
  }

  static bool is_fenced(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
  }
  static Error fenced() {
    return conflict("kafka.fenced", "another producer of the same name has begun");
  }

  Status send_all(const std::vector<Outgoing>& records) {
    delivered_->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (const Outgoing& r : records) {
      TRY(send(r));
      rd_kafka_poll(handle_, 0);
    }
    const rd_kafka_resp_err_t flushed = rd_kafka_flush(handle_, kTransactionMs);
    if (delivered_->code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (is_fenced(delivered_->code)) return fenced();
      return error_of(delivered_->code, delivered_->failure);
    }
    if (flushed != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(flushed, "records on their way");
    return {};
  }

  Status send(const Outgoing& r) {
    std::unique_ptr<rd_kafka_headers_t, HeadersDestroy> headers(
        rd_kafka_headers_new(r.headers.size()));
    for (const auto& [name, value] : r.headers)
      rd_kafka_header_add(headers.get(), name.c_str(), static_cast<ssize_t>(name.size()),
                          value.data(), static_cast<ssize_t>(value.size()));
    for (;;) {
      // librdkafka copies the value; its signature isn't const.
      std::string value = r.value;
      const std::string key = r.key.value_or("");
      const void* key_at = r.key ? key.data() : nullptr;
      const rd_kafka_resp_err_t code = rd_kafka_producev(
          handle_, RD_KAFKA_V_TOPIC(r.topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
          RD_KAFKA_V_KEY(key_at, key.size()), RD_KAFKA_V_VALUE(value.data(), value.size()),
          RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_OPAQUE(delivered_.get()), RD_KAFKA_V_END);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)headers.release();  // The message's now.
        return {};
      }
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        if (is_fenced(code)) return fenced();
        return error_of(code, r.topic);
      }
      rd_kafka_poll(handle_, kQueueFullMs);
      if (delivered_->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_of(delivered_->code, delivered_->failure);
    }
  }

  Status send_positions(const std::string& group, const std::string& topic,
                        const std::vector<Position>& read) {
    if (read.empty()) return {};
    const PartitionList list = list_of(topic, read);
    const std::unique_ptr<rd_kafka_consumer_group_metadata_t, GroupDestroy> of_group(
        rd_kafka_consumer_group_metadata_new(group.c_str()));
    return of(
        rd_kafka_send_offsets_to_transaction(handle_, list.get(), of_group.get(), kTransactionMs));
  }

  const std::unique_ptr<Delivered> delivered_;
  rd_kafka_t* handle_ = nullptr;
};

Result<std::unique_ptr<Producer>> make_producer(const ProducerOptions& options, Log& log) {
  const std::vector<std::pair<std::string, std::string>> fixed = {
      {"bootstrap.servers", options.brokers},
      {"client.id", "slipway"},
      {"transactional.id", options.name},
      {"transaction.timeout.ms", std::to_string(6 * kTransactionMs)},
      {"enable.idempotence", "true"},
      {"linger.ms", "0"},
      {"compression.type", "lz4"},
      {"partitioner", "murmur2_random"},  // As Kafka's Java clients place keys.
      {"allow.auto.create.topics", "false"},
      {"topic.metadata.propagation.max.ms", "0"},
      {"reconnect.backoff.max.ms", "2000"},
      {"message.max.bytes", std::to_string(kRecordBytesMax)},
      {"log.connection.close", "false"}};
  std::unique_ptr<Delivered> delivered(new Delivered{Told(log), "", RD_KAFKA_RESP_ERR_NO_ERROR});
  Conf conf = TRY(make_conf(fixed, options.properties, &delivered->told));
  rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  auto out = std::make_unique<RdProducer>(std::move(delivered));
  TRY(out->open(std::move(conf)));
  return std::unique_ptr<Producer>(std::move(out));
}

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
