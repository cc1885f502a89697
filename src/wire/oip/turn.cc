#include "wire/oip/turn.h"

#include <memory>
#include <vector>

#include "grpc/server.h"
#include "http/server.h"
#include "serving/serving.h"
#include "wire/oip/oip.h"

namespace slip::wire::oip {
namespace {

void give(RestAnswer& answer, const Status& logged) {
  std::move(answer.respond)(logged.ok() ? std::move(answer.reply)
                                        : render_error(logged.error(), *answer.ctx));
}

void give(GrpcAnswer& answer, const Status& logged) {
  if (!logged.ok()) return std::move(answer.respond)(logged.error());
  std::move(answer.respond)(std::move(answer.reply));
}

void answer(Waiting& waiting, const Status& logged) {
  std::visit([&](auto& one) { give(one, logged); }, waiting.answer);
}

void log_and_answer(serving::Serving& serving, serving::Ack ack, Waiting& waiting) {
  const std::string_view record = waiting.record;
  answer(waiting, serving.log(std::span(&record, 1), ack));
}

class Turn;
thread_local Turn* t_open = nullptr;  // This thread's turn, while it takes more.

// Owned by the job that ends it.
class Turn {
 public:
  explicit Turn(serving::Serving& serving) : serving_(serving) { t_open = this; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { close(); }

  bool takes(const serving::Serving& serving) const { return &serving == &serving_; }
  void add(Waiting waiting) { waiting_.push_back(std::move(waiting)); }

  void end() {
    close();  // An answer may bring in the connection's next request.
    std::vector<std::string_view> records;
    records.reserve(waiting_.size());
    for (const Waiting& w : waiting_) records.push_back(w.record);
    const Status logged = serving_.log(records, serving::Ack::kKernel);
    for (Waiting& w : waiting_) {
      // One that doesn't fit must not take the others with it.
      if (logged.ok() || waiting_.size() == 1)
        answer(w, logged);
      else
        log_and_answer(serving_, serving::Ack::kKernel, w);
    }
  }

 private:
  void close() {
    if (t_open == this) t_open = nullptr;
  }

  serving::Serving& serving_;
  std::vector<Waiting> waiting_;
};

}  // namespace

void answer_when_logged(serving::Serving& serving, serving::Ack ack, Waiting waiting) {
  if (ack != serving::Ack::kKernel) return log_and_answer(serving, ack, waiting);
  if (t_open != nullptr && t_open->takes(serving)) return t_open->add(std::move(waiting));
  const auto turn = std::make_shared<Turn>(serving);
  const auto end = [turn] { turn->end(); };
  if (!http::at_turn_end(end) && !grpc::at_turn_end(end))
    return log_and_answer(serving, ack, waiting);
  turn->add(std::move(waiting));
}

}  // namespace slip::wire::oip
