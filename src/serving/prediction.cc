#include "serving/prediction.h"

#include <cstring>
#include <limits>

#include "base/check.h"

namespace slip::serving {
namespace {

constexpr uint8_t kFormat = 2;
constexpr uint8_t kFormatWithoutActor = 1;
constexpr uint32_t kTensorsMax = 1024;
constexpr size_t kFixedBytes = 256;  // What a record has besides tensors, usually.

class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}
  template <class T>
  void number(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    out_->append(raw, sizeof(T));
  }
  void text(std::string_view s) {
    CHECK(s.size() <= std::numeric_limits<uint32_t>::max());
    number(static_cast<uint32_t>(s.size()));
    out_->append(s);
  }
  void tensor(const Tensor& t) {
    text(t.name);
    number(static_cast<uint8_t>(t.type));
    number(static_cast<uint8_t>(t.shape.size()));
    for (const int64_t d : t.shape) number(d);
    if (t.type != DataType::kBytes) {
      text(t.data);
      return;
    }
    number(static_cast<uint32_t>(t.strings.size()));
    for (const std::string& s : t.strings) text(s);
  }

 private:
  std::string* out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  template <class T>
  Result<T> number() {
    if (in_.size() < sizeof(T)) return damaged();
    T value;
    std::memcpy(&value, in_.data(), sizeof(T));
    in_.remove_prefix(sizeof(T));
    return value;
  }
  Result<std::string> text() {
    const uint32_t size = TRY(number<uint32_t>());
    if (in_.size() < size) return damaged();
    std::string out(in_.substr(0, size));
    in_.remove_prefix(size);
    return out;
  }
  Result<Tensor> tensor() {
    Tensor t;
    t.name = TRY(text());
    const auto type = TRY(number<uint8_t>());
    if (type >= kDataTypeCount) return damaged();
    t.type = static_cast<DataType>(type);
    const auto rank = TRY(number<uint8_t>());
    for (uint8_t i = 0; i < rank; ++i) t.shape.push_back(TRY(number<int64_t>()));
    const Result<int64_t> elements = count_elements(t.shape);
    if (!elements.ok()) return damaged();
    if (t.type != DataType::kBytes) {
      t.data = TRY(text());
      if (t.data.size() != static_cast<size_t>(*elements) * data_type_bytes(t.type))
        return damaged();
      return t;
    }
    const auto count = TRY(number<uint32_t>());
    if (count != *elements || count > in_.size() / sizeof(uint32_t)) return damaged();
    for (uint32_t i = 0; i < count; ++i) t.strings.push_back(TRY(text()));
    return t;
  }
  bool done() const { return in_.empty(); }

  static Error damaged() {
    return corrupt("prediction.corrupt", "a prediction record does not decode");
  }

 private:
  std::string_view in_;
};

}  // namespace

int64_t PredictionRecord::rows() const {
  int64_t n = -1;
  for (const std::vector<Tensor>* side : {&inputs, &outputs})
    for (const Tensor& t : *side) {
      if (t.shape.empty() || (n >= 0 && t.rows() != n)) return 1;
      n = t.rows();
    }
  return n < 0 ? 1 : n;
}

std::string encode_prediction(const PredictionView& r) {
  size_t payload = 0;
  for (const std::span<const Tensor> side : {r.inputs, r.outputs})
    for (const Tensor& t : side) payload += t.name.size() + t.data.size() + 8 * t.shape.size() + 16;
  std::string out;
  out.reserve(payload + kFixedBytes);
  Writer w(&out);
  w.number(kFormat);
  w.text(r.project);
  w.text(r.deployment);
  w.text(r.deployment_uid);
  out.append(reinterpret_cast<const char*>(r.id.bytes.data()), r.id.bytes.size());
  w.number(r.ts_us);
  w.number(r.model_version);
  w.number(static_cast<uint8_t>(r.role));
  w.number(r.canary_weight);
  w.number(r.latency_us);
  w.text(r.client_ref);
  w.text(r.trace_id);
  w.text(r.actor_uid);
  w.text(r.actor_kind);
  for (const std::span<const Tensor> side : {r.inputs, r.outputs}) {
    w.number(static_cast<uint32_t>(side.size()));
    for (const Tensor& t : side) w.tensor(t);
  }
  return out;
}

std::string encode_prediction(const PredictionRecord& r) {
  return encode_prediction(PredictionView{.project = r.project,
                                          .deployment = r.deployment,
                                          .deployment_uid = r.deployment_uid,
                                          .id = r.id,
                                          .ts_us = r.ts_us,
                                          .model_version = r.model_version,
                                          .role = r.role,
                                          .canary_weight = r.canary_weight,
                                          .latency_us = r.latency_us,
                                          .client_ref = r.client_ref,
                                          .trace_id = r.trace_id,
                                          .actor_uid = r.actor_uid,
                                          .actor_kind = r.actor_kind,
                                          .inputs = r.inputs,
                                          .outputs = r.outputs});
}

Result<PredictionRecord> decode_prediction(std::string_view bytes) {
  Reader in(bytes);
  const auto format = TRY(in.number<uint8_t>());
  if (format != kFormat && format != kFormatWithoutActor) return Reader::damaged();
  PredictionRecord r;
  r.project = TRY(in.text());
  r.deployment = TRY(in.text());
  r.deployment_uid = TRY(in.text());
  for (uint8_t& b : r.id.bytes) b = TRY(in.number<uint8_t>());
  r.ts_us = TRY(in.number<int64_t>());
  r.model_version = TRY(in.number<int64_t>());
  const auto role = TRY(in.number<uint8_t>());
  if (role > static_cast<uint8_t>(Role::kCanary)) return Reader::damaged();
  r.role = static_cast<Role>(role);
  r.canary_weight = TRY(in.number<double>());
  r.latency_us = TRY(in.number<int64_t>());
  r.client_ref = TRY(in.text());
  r.trace_id = TRY(in.text());
  if (format != kFormatWithoutActor) {
    r.actor_uid = TRY(in.text());
    r.actor_kind = TRY(in.text());
  }
  for (std::vector<Tensor>* side : {&r.inputs, &r.outputs}) {
    const auto count = TRY(in.number<uint32_t>());
    if (count > kTensorsMax) return Reader::damaged();
    for (uint32_t i = 0; i < count; ++i) side->push_back(TRY(in.tensor()));
  }
  if (!in.done()) return Reader::damaged();
  return r;
}

}  // namespace slip::serving
