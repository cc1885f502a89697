#include "model/document.h"

#include "base/text.h"
#include "model/document_internal.h"

namespace slip::model {

const Document* Document::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return &value;
  return nullptr;
}

Error syntax_error(size_t at, std::string_view what) {
  return invalid("model.syntax", concat({"byte ", std::to_string(at), ": ", what}));
}

void put_item(Document& list, Document item) {
  using Kind = Document::Kind;
  const bool number = item.kind == Kind::kNumber || item.kind == Kind::kBool;
  if (list.kind == Kind::kNumbers && number) {
    list.numbers.push_back(item.kind == Kind::kBool ? (item.boolean ? 1.0 : 0.0) : item.number);
    return;
  }
  if (list.kind == Kind::kNumbers) {
    list.kind = Kind::kList;
    for (const double x : list.numbers) {
      Document one;
      one.kind = Kind::kNumber;
      one.number = x;
      list.items.push_back(std::move(one));
    }
    list.numbers.clear();
  }
  list.items.push_back(std::move(item));
}

}  // namespace slip::model
