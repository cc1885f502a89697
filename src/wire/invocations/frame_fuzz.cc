#include "wire/invocations/frame.h"

#include "test/fuzz/fuzz.h"

SLIP_FUZZ(invocations_json) {
  (void)slip::wire::invocations::parse_json_input(slip::fuzz::as_text(data));
}
SLIP_FUZZ(invocations_csv) {
  (void)slip::wire::invocations::parse_csv_input(slip::fuzz::as_text(data));
}
