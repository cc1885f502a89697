#include "serving/prediction.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(prediction_record) {
  using namespace slip;
  const Result<serving::PredictionRecord> r = serving::decode_prediction(fuzz::as_text(data));
  if (r.ok()) CHECK(serving::encode_prediction(*r) == fuzz::as_text(data));
}
