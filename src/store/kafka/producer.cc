#include "base/text.h"
#include "store/kafka/rd.h"

// Writing in transactions.
namespace slip::kafka {
namespace {

constexpr int kTransactionMs = 30'000;  // For beginning to publish, and for ending it.
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
          RD_KAFKA_V_KEY(key_at, key.size()),
          RD_KAFKA_V_VALUE(value.data(), value.size()), RD_KAFKA_V_HEADERS(headers.get()),
          RD_KAFKA_V_OPAQUE(delivered_.get()), RD_KAFKA_V_END);
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
    return of(rd_kafka_send_offsets_to_transaction(handle_, list.get(), of_group.get(),
                                                   kTransactionMs));
  }

  const std::unique_ptr<Delivered> delivered_;
  rd_kafka_t* handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Producer>> make_producer(const ProducerOptions& options, Log& log) {
  const std::vector<std::pair<std::string, std::string>> fixed = {
      {"bootstrap.servers", options.brokers},
      {"client.id", "slipway"},
      {"transactional.id", options.name},
      {"transaction.timeout.ms", std::to_string(2 * kTransactionMs)},
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

}  // namespace slip::kafka
