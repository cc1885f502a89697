#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "core/worker/frames.h"
#include "core/worker/worker.h"
#include "sys/process.h"

// One worker process, from the server's side: started, talked to, ended. Private to core/worker,
// but for tests. One thread; the process ends with the thread that started it, and with this.
namespace slip::worker {

// A function as it is sent, and named by what was sent.
struct Definition {
  std::string json;  // name, mode, entry, outputs
  std::string bytes;
  std::string digest;
  size_t source_bytes = 0;
};
Definition define(const PythonFunction& function);

struct Outcome {
  enum class Process : uint8_t {
    kAlive,   // May be used again.
    kSpent,   // Answered, but better ended.
    kUnread,  // Gone before it had read the request: another may be asked the same.
    kKilled,  // The function took it along, or had to be stopped.
  };
  Process process = Process::kAlive;
  Result<std::string> answer;
};

class Session {
 public:
  struct World {
    const Deps& deps;
    const Options& options;
    const std::atomic<bool>& stopping;  // Set: whatever waits gives up soon.
  };
  // kUnavailable `worker.unavailable`. What is learnt of the machine goes into `level`. `world`'s
  // parts outlive it.
  static Result<std::unique_ptr<Session>> start(const World& world, Level* level);

  Outcome run(const Definition& definition, std::string_view rows, int64_t deadline_ns);

 private:
  Session(const World& world, Connected process)
      : world_(world), process_(std::move(process)), reader_(world.options.answer_bytes_max) {}
  Status greet(Level* level, int64_t deadline_ns);
  Result<Frame> next_frame(int64_t deadline_ns);
  Result<Frame> reply(int64_t id, int64_t deadline_ns);
  Outcome finish(const Definition& definition, const Frame& reply);
  Outcome broken(const Error& error, bool taken);
  std::string how_it_ended();
  std::string last_words();

  const World world_;
  Connected process_;
  FrameReader reader_;
  std::set<std::string> known_;  // Digests of the functions that it has.
  int64_t last_id_ = 0;
};

// What a worker answered is what was promised: so many rows, these columns of these types.
Status check_answer(const PythonFunction& function, std::string_view answer, int64_t rows);

}  // namespace slip::worker
