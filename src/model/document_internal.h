#pragma once

#include <cstddef>
#include <string_view>

#include "model/document.h"

// What the two parsers of documents share. Pure.
namespace slip::model {

Error syntax_error(size_t at, std::string_view what);
// Numbers side by side until something else comes; `list` began as kNumbers.
void put_item(Document& list, Document item);

}  // namespace slip::model
