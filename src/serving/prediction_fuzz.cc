#include "serving/prediction.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// What is read is written the same again, in the present format.
SLIP_FUZZ(prediction_record) {
  using namespace slip;
  const std::string_view bytes = fuzz::as_text(data);
  const Result<serving::PredictionRecord> r = serving::decode_prediction(bytes);
  if (!r.ok()) return;
  const std::string again = serving::encode_prediction(*r);
  if (bytes[0] == again[0]) CHECK(again == bytes);
  CHECK(serving::encode_prediction(serving::decode_prediction(again).value()) == again);
}
