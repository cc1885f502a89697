#include "contract/contract.h"

#include <algorithm>

#include "codec/yaml.h"
#include "contract/checker.h"
#include "contract/diff.h"
#include "contract/import.h"
#include "contract/pbtxt.h"
#include "contract/record.h"
#include "test/fuzz/fuzz.h"

// What parses checks an empty table and a record, and differs from itself in nothing.
SLIP_FUZZ(contract) {
  namespace c = slip::contract;
  std::vector<c::Issue> issues;
  const auto contract = c::parse_contract(slip::fuzz::as_text(data), &issues);
  if (!contract.ok()) return;
  CHECK(c::changes_between(*contract, *contract).empty());
  for (const c::Object& object : contract->objects) {
    std::vector<c::FieldFact> fields;
    for (const c::Property& p : object.properties)
      if (fields.size() < 8)
        fields.push_back({p.column(), slip::engine::Type::kText, "string", true});
    c::CheckOptions options;
    options.loose = true;
    c::Checker checker(*contract, object, fields, options);
    std::vector<slip::engine::Values> values(fields.size(),
                                             slip::engine::Values(slip::engine::Type::kText));
    std::vector<slip::engine::Column> columns;
    for (auto& v : values) {
      v.add_null();
      v.add_text("2026-11-23");
      columns.push_back(v.view());
    }
    CHECK(checker.add(columns, fields.empty() ? 0 : 2).ok());
    CHECK(checker.finish().ok());
    const auto record = c::RecordChecker::make(object);
    CHECK(record.ok());
    (void)record->check_record(slip::codec::Json::object({{"a", "b"}}));
  }
}

// What an importer makes of a file is a contract.
SLIP_FUZZ(contract_import) {
  namespace c = slip::contract;
  const std::string_view text = slip::fuzz::as_text(data);
  for (const auto import :
       {c::import_great_expectations, c::import_dbt, c::import_pandera, c::import_tfdv}) {
    const auto done = import(text);
    if (done.ok()) (void)c::parse_contract(slip::codec::to_yaml(done->document));
  }
}
