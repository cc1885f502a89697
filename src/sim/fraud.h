#pragma once

#include <cstdint>
#include <vector>

// Card payments with known fraud, from a seed: cards and terminals on a map, a card pays at
// terminals near it, amounts and hours of its own. Four ways of fraud: a stolen card's big amounts,
// terminals that are compromised for weeks, cards whose number leaked and that pay several times
// their usual amounts, and, late in the history, tiny amounts at night. The same seed makes the
// same payments on every machine (no libm but sqrt). Pure.
//
// After the scheme of Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, "Reproducible Machine
// Learning for Credit Card Fraud Detection" (2022), ch. 3.
namespace slip::sim {

struct FraudSpec {
  uint64_t seed = 7;
  int64_t cards = 1500;
  int64_t terminals = 3000;
  int64_t days = 120;
  int64_t new_attack_day = 90;  // From then on; at or beyond `days`: never.
};

enum class FraudKind : uint8_t { kNone, kBigAmount, kTerminal, kLeakedCard, kNight };

struct Payment {
  int64_t second = 0;  // Since the first day's midnight.
  int64_t card = 0;
  int64_t terminal = 0;
  int64_t cents = 0;
  FraudKind fraud = FraudKind::kNone;
};
// By time.
std::vector<Payment> simulate_fraud(const FraudSpec& spec);

}  // namespace slip::sim
