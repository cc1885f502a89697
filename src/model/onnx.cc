#include "model/model.h"
namespace slip::model {
Result<Model> read_onnx(std::string_view) { return unsupported("model.unsupported","x"); }
}
