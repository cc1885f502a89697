#include "model/model.h"

#include "base/text.h"

namespace slip::model {

std::string_view library_name(Library library) {
  constexpr std::string_view kNames[] = {"xgboost", "lightgbm", "onnx"};
  return kNames[static_cast<size_t>(library)];
}

std::vector<std::string> given_names(const trees::Forest& forest) {
  const std::vector<std::string>& names = forest.feature_names;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] != concat({"Column_", std::to_string(i)}) &&
        names[i] != concat({"f", std::to_string(i)}))
      return names;
  return {};
}

Result<Model> read_model(std::string_view bytes, const ReadOptions& options) {
  if (bytes.starts_with("{")) return read_xgboost(bytes, options);
  if (bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n")) return read_lightgbm(bytes);
  if (bytes.empty()) return invalid("model.format", "the file is empty");
  return read_onnx(bytes);
}

}  // namespace slip::model
