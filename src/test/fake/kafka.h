#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/kafka/kafka.h"

// A broker with one topic to read, in memory, and any to write to: partitions that grow, are cut at the front, go and come anew,
// and a connection that breaks. Consumers read what is there when they poll. One thread.
namespace slip::test {

class FakeKafka final : public kafka::Client {
 public:
  explicit FakeKafka(int32_t partitions = 1) { create(partitions); }

  void create(int32_t partitions) {
    there_ = true;
    partitions_.clear();
    grow(partitions);
  }
  void grow(int32_t partitions) { partitions_.resize(static_cast<size_t>(partitions)); }
  void remove() { there_ = false; }
  void break_connection(bool broken) { broken_ = broken; }
  // As retention does: what is before `offset` goes.
  void cut(int32_t partition, int64_t offset) { at(partition).first = offset; }

  int64_t add(int32_t partition, std::string value, bool tombstone = false) {
    Partition& p = at(partition);
    kafka::Record r;
    r.partition = partition;
    r.offset = p.next++;
    r.timestamp_ms = 1'700'000'000'000 + r.offset;
    r.tombstone = tombstone;
    r.value = std::move(value);
    p.records.push_back(std::move(r));
    return p.next - 1;
  }
  // As the marks of a transaction do: an offset without a message.
  void skip(int32_t partition) { ++at(partition).next; }
  int64_t end(int32_t partition) { return at(partition).next; }
  int32_t partitions() const { return static_cast<int32_t>(partitions_.size()); }
  int64_t polls() const { return polls_; }

  // What was published, in order, by topic; and where groups went on.
  std::map<std::string, std::vector<kafka::Outgoing>> published;
  std::map<std::string, std::map<int32_t, int64_t>> groups;
  // The next publication fails: before anything is visible, or behind it, its answer lost.
  enum class Fail : uint8_t { kNot, kBefore, kAfter };
  void fail_publishing(Fail how) { fail_ = how; }

  Result<std::unique_ptr<kafka::Consumer>> consumer(
      const kafka::ConsumerOptions& options) override {
    return std::unique_ptr<kafka::Consumer>(std::make_unique<Reader>(*this, options.group));
  }
  Result<std::unique_ptr<kafka::Producer>> producer(
      const kafka::ProducerOptions& options) override {
    return std::unique_ptr<kafka::Producer>(std::make_unique<Writer>(*this, options.name));
  }

 private:
  struct Partition {
    int64_t first = 0;
    int64_t next = 0;
    std::vector<kafka::Record> records;
  };
  Partition& at(int32_t partition) { return partitions_[static_cast<size_t>(partition)]; }

  class Reader final : public kafka::Consumer {
   public:
    Reader(FakeKafka& broker, std::string group) : broker_(broker), group_(std::move(group)) {}

    Result<std::vector<kafka::Position>> committed(
        const std::vector<int32_t>& partitions) override {
      if (broker_.broken_) return unavailable("kafka.unavailable", "broken");
      std::vector<kafka::Position> out;
      for (const auto& [p, offset] : broker_.groups[group_])
        if (std::find(partitions.begin(), partitions.end(), p) != partitions.end())
          out.push_back({p, offset});
      return out;
    }

    Result<std::vector<int32_t>> partitions() override {
      if (broker_.broken_) return unavailable("kafka.unavailable", "broken");
      if (!broker_.there_) return not_found("kafka.topic", "no such topic");
      std::vector<int32_t> out;
      for (int32_t p = 0; p < broker_.partitions(); ++p) out.push_back(p);
      return out;
    }
    Result<kafka::Range> range(int32_t partition) override {
      if (broker_.broken_) return unavailable("kafka.unavailable", "broken");
      if (!broker_.there_) return not_found("kafka.topic", "no such topic");
      return kafka::Range{broker_.at(partition).first, broker_.at(partition).next};
    }
    Status assign(const std::vector<kafka::Position>& from) override {
      at_.clear();
      for (const kafka::Position& p : from) at_[p.partition] = p.offset;
      return {};
    }
    kafka::Polled poll(const Limits& limits) override {
      kafka::Polled out;
      ++broker_.polls_;
      if (broker_.broken_) {
        out.trouble = "broken";
        return out;
      }
      for (auto& [p, offset] : at_) {
        if (!broker_.there_) {
          out.notes.push_back({kafka::Note::Kind::kGone, p, 0});
          continue;
        }
        const Partition& from = broker_.at(p);
        if (offset < from.first || offset > from.next) {
          out.notes.push_back({kafka::Note::Kind::kOutOfRange, p, offset});
          continue;
        }
        const size_t share = std::max<size_t>(1, limits.records / at_.size());
        size_t n = 0;
        for (const kafka::Record& r : from.records) {
          if (r.offset < offset || n == share) continue;
          out.records.push_back(r);
          offset = r.offset + 1;
          ++n;
        }
        if (n < share) {
          offset = from.next;
          out.notes.push_back({kafka::Note::Kind::kEnd, p, from.next});
        }
      }
      return out;
    }
    std::optional<int64_t> known_end(int32_t partition) override {
      if (partition >= broker_.partitions()) return std::nullopt;
      return broker_.at(partition).next;
    }

   private:
    FakeKafka& broker_;
    const std::string group_;
    std::map<int32_t, int64_t> at_;
  };

  class Writer final : public kafka::Producer {
   public:
    Writer(FakeKafka& broker, std::string name) : broker_(broker), name_(std::move(name)) {}
    Status begin() override {
      if (broker_.broken_) return unavailable("kafka.unavailable", "broken");
      epoch_ = ++broker_.epochs_[name_];
      return {};
    }
    Status publish(const std::vector<kafka::Outgoing>& records, const std::string& group,
                   const std::string&, const std::vector<kafka::Position>& read) override {
      if (broker_.broken_) return unavailable("kafka.unavailable", "broken");
      if (epoch_ != broker_.epochs_[name_]) return conflict("kafka.fenced", "another began");
      const Fail how = std::exchange(broker_.fail_, Fail::kNot);
      if (how == Fail::kBefore) return unavailable("kafka.unavailable", "failed");
      for (const kafka::Outgoing& r : records) broker_.published[r.topic].push_back(r);
      for (const kafka::Position& p : read) broker_.groups[group][p.partition] = p.offset;
      if (how == Fail::kAfter) return unavailable("kafka.unavailable", "no answer");
      return {};
    }

   private:
    FakeKafka& broker_;
    const std::string name_;
    int64_t epoch_ = 0;
  };

  std::vector<Partition> partitions_;
  bool there_ = true;
  bool broken_ = false;
  int64_t polls_ = 0;
  Fail fail_ = Fail::kNot;
  std::map<std::string, int64_t> epochs_;  // Of producers, by name.
};

}  // namespace slip::test
