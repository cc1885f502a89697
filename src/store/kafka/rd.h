#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/result.h"
#include "store/kafka/kafka.h"
#include "sys/sync.h"

// What consumers and producers of librdkafka share. Only files of this module include this.
namespace slip::kafka {

inline constexpr int kAskMs = 5000;  // For metadata and offsets.

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

Error error_of(rd_kafka_resp_err_t code, std::string_view what);
// A configuration of ours, then the properties that may be set.
Result<Conf> make_conf(const std::vector<std::pair<std::string, std::string>>& fixed,
                       const std::vector<std::pair<std::string, std::string>>& properties,
                       Told* told);
PartitionList list_of(const std::string& topic, const std::vector<Position>& positions);

Result<std::unique_ptr<Producer>> make_producer(const ProducerOptions& options, Log& log);

}  // namespace slip::kafka
