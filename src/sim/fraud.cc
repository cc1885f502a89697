#include "sim/fraud.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sys/sim/sim_rng.h"

namespace slip::sim {
namespace {

constexpr int64_t kDay = 86'400;
constexpr double kRadius = 5;  // Of a map of 100 x 100.
constexpr int64_t kBigCents = 22'000;
constexpr int64_t kTerminalDays = 28;
constexpr int64_t kCardDays = 14;

// Normal enough, and the same everywhere: the sum of twelve uniforms (Irwin-Hall).
double normal(SimRng& rng, double mean, double deviation) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += rng.uniform();
  return mean + deviation * sum;
}

// Poisson for small means, by multiplying uniforms; exp(-mean) by its series.
int64_t poisson(SimRng& rng, double mean) {
  double limit = 1;
  double term = 1;
  for (int k = 1; k < 40; ++k) {
    term *= -mean / k;
    limit += term;
  }
  int64_t n = 0;
  for (double p = rng.uniform(); p > limit; p *= rng.uniform()) ++n;
  return n;
}

struct Place {
  double x = 0;
  double y = 0;
};

struct Card {
  Place home;
  double mean_cents = 0;
  double per_day = 0;
  std::vector<int64_t> terminals;
  int64_t leaked_until = -1;
};

struct World {
  std::vector<Card> cards;
  std::vector<Place> terminals;
  std::vector<int64_t> compromised_until;  // A terminal's last bad day.
};

Place place(SimRng& rng) { return {rng.uniform() * 100, rng.uniform() * 100}; }

World make_world(const FraudSpec& spec, SimRng& rng) {
  World w;
  for (int64_t i = 0; i < spec.terminals; ++i) w.terminals.push_back(place(rng));
  w.compromised_until.assign(w.terminals.size(), -1);
  for (int64_t i = 0; i < spec.cards; ++i) {
    Card& c = w.cards.emplace_back();
    c.home = place(rng);
    c.mean_cents = 500 + rng.uniform() * 9500;
    c.per_day = rng.uniform() * 4;
    for (size_t t = 0; t < w.terminals.size(); ++t) {
      const double dx = w.terminals[t].x - c.home.x;
      const double dy = w.terminals[t].y - c.home.y;
      if (dx * dx + dy * dy < kRadius * kRadius) c.terminals.push_back(static_cast<int64_t>(t));
    }
  }
  return w;
}

void spread_attacks(int64_t day, World* w, SimRng& rng) {
  for (int i = 0; i < 2 && !w->terminals.empty(); ++i)
    w->compromised_until[rng.below(w->terminals.size())] = day + kTerminalDays;
  for (int i = 0; i < 3 && !w->cards.empty(); ++i)
    w->cards[rng.below(w->cards.size())].leaked_until = day + kCardDays;
}

Payment pay(const FraudSpec& spec, const World& w, int64_t index, int64_t day, SimRng& rng) {
  const Card& c = w.cards[static_cast<size_t>(index)];
  Payment p;
  p.card = index;
  p.terminal = c.terminals[rng.below(c.terminals.size())];
  const double hour = std::clamp(normal(rng, 13, 5), 0.0, 23.99);
  p.second = day * kDay + static_cast<int64_t>(hour * 3600);
  const double cents = normal(rng, c.mean_cents, c.mean_cents / 2);
  p.cents = static_cast<int64_t>(cents > 50 ? cents : 50 + rng.uniform() * c.mean_cents * 2);
  const double luck = rng.uniform();
  if (p.cents > kBigCents) p.fraud = FraudKind::kBigAmount;
  if (w.compromised_until[static_cast<size_t>(p.terminal)] > day) p.fraud = FraudKind::kTerminal;
  if (c.leaked_until > day && luck < 1.0 / 3) {
    p.fraud = FraudKind::kLeakedCard;
    p.cents *= 5;
  }
  if (day >= spec.new_attack_day && p.fraud == FraudKind::kNone && luck > 0.99) {
    p.fraud = FraudKind::kNight;
    p.cents = 100 + static_cast<int64_t>(rng.uniform() * 200);
    p.second = day * kDay + static_cast<int64_t>(rng.uniform() * 4 * 3600);
  }
  return p;
}

}  // namespace

std::vector<Payment> simulate_fraud(const FraudSpec& spec) {
  SimRng rng(spec.seed);
  World w = make_world(spec, rng);
  std::vector<Payment> out;
  for (int64_t day = 0; day < spec.days; ++day) {
    spread_attacks(day, &w, rng);
    for (int64_t i = 0; i < spec.cards; ++i) {
      if (w.cards[static_cast<size_t>(i)].terminals.empty()) continue;
      for (int64_t n = poisson(rng, w.cards[static_cast<size_t>(i)].per_day); n > 0; --n)
        out.push_back(pay(spec, w, i, day, rng));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Payment& a, const Payment& b) {
    return std::tie(a.second, a.card) < std::tie(b.second, b.card);
  });
  return out;
}

}  // namespace slip::sim
