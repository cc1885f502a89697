#include "sim/history.h"

#include "base/text.h"
#include "registry/governance.h"
#include "sim/client.h"
#include "sim/life.h"

namespace slip::sim {
namespace {

// One life: from opening the data directory to a loss of power.
class Life {
 public:
  Life(const HistorySpec& spec, SimExecutor& executor, SimFs& fs, SimRng& dice,
       Client::Shared shared)
      : spec_(spec), executor_(executor), fs_(fs), dice_(dice), shared_(shared) {}

  void run(int number) {
    SimRng rng(spec_.seed * 1000 + static_cast<uint64_t>(number));
    faults_ =
        choose_faults(fs_, dice_, {.crash_below = 600, .change_below = 400, .full_one_in = 6});
    Result<std::unique_ptr<Spine>> spine = Spine::open(executor_, fs_, rng);
    if (spine.ok()) {
      work(**spine, number);
      spine->reset();
    } else if (!faults_.any) {
      shared_.violations.add("does not open: " + spine.error().text);
    }
    fs_.set_capacity(INT64_MAX);
    fs_.power_cut();
    ++shared_.counts.crashes;
    check(rng);
  }

 private:
  // Versions that may be promoted, so that the clients have something to fight about.
  static void prepare_models(Spine& spine) {
    Ctx author;
    author.actor_uid = "author";
    Ctx reviewer;
    reviewer.actor_uid = "reviewer";
    registry::Registry& r = *spine.registry;
    if (r.get_model(author, kModel).ok()) return;
    ignore(r.create_model(author, kModel, std::nullopt, {}), "a fault; a later life tries again");
    for (int64_t n = 1; n <= 3; ++n) {
      registry::NewVersion wanted;
      wanted.model = kModel;
      wanted.source = "runs:/first/" + std::to_string(n);
      ignore(r.create_version(author, wanted), "as above");
      ignore(r.evaluate_gate(author, kModel, n, {{registry::Check::Kind::kFloor, "accuracy", 0.5}}),
             "as above");
      ignore(registry::Governance(r).approve(reviewer, kModel, n, {.ask_if_missing = true}),
             "as above");
    }
  }

  void work(Spine& spine, int number) {
    prepare_models(spine);
    if (faults_.full) fs_.set_capacity(static_cast<int64_t>(100'000 + dice_.below(600'000)));
    std::vector<std::unique_ptr<Client>> clients;
    for (int c = 0; c < spec_.clients; ++c) {
      const std::string name = concat({"c", std::to_string(c), ".", std::to_string(number)});
      clients.push_back(std::make_unique<Client>(spine, executor_, shared_, name, dice_.next()));
    }
    run_clients(executor_, fs_, clients, spec_.steps, faults_.crash_at);
  }

  // Opens cleanly and looks.
  void check(SimRng& rng) {
    Result<std::unique_ptr<Spine>> spine = Spine::open(executor_, fs_, rng);
    if (!spine.ok())
      return shared_.violations.add("does not open after a crash: " + spine.error().text);
    check_promises(**spine, shared_.promises, shared_.violations);
  }

  const HistorySpec& spec_;
  SimExecutor& executor_;
  SimFs& fs_;
  SimRng& dice_;
  Client::Shared shared_;
  Faults faults_;
};

}  // namespace

HistoryResult run_history(const HistorySpec& spec) {
  HistoryResult result;
  SimExecutor executor(spec.seed);
  executor.run([&] {
    SimFs fs(spec.seed);
    SimRng dice(spec.seed ^ 0xd1ce);
    Promises promises;
    Violations violations;
    for (int life = 0; life < spec.lives && violations.all().empty(); ++life)
      Life(spec, executor, fs, dice, {promises, violations, result}).run(life);
    result.violations = violations.all();
  });
  return result;
}

}  // namespace slip::sim
