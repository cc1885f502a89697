#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/contract.h"
#include "cli/sql_files.h"
#include "cli/table_files.h"
#include "codec/yaml.h"

// A file of rows against an object of a contract.
namespace slip::cli {
namespace {

using contract::Contract;
using contract::Object;
using contract::Relationship;

constexpr int64_t kBatchRows = 64 << 10;

Result<const Object*> object_of(const Contract& contract, const ContractCheck& check) {
  std::string names;
  for (const Object& o : contract.objects) names += concat({names.empty() ? "" : ", ", o.name});
  if (!check.object.empty()) {
    const Object* found = contract.find(check.object);
    if (found != nullptr) return found;
    return invalid("contract.object", concat({"the contract has no object '", check.object, "'"}))
        .with_hint(concat({"its objects are ", names}));
  }
  if (contract.objects.size() == 1) return &contract.objects.front();
  const std::string name = stem(check.data);
  for (const Object& o : contract.objects)
    if (o.name == name || o.physical_name == name) return &o;
  return invalid("contract.object", contract.objects.empty()
                                        ? "the contract describes no object"
                                        : "the contract describes several objects")
      .with_hint(concat({"--schema NAME: ", names}));
}

// A file and how its contract reads it.
struct Opened {
  std::unique_ptr<FileBytes> bytes;
  std::unique_ptr<codec::TableReader> reader;
  bool loose = false;
};
Result<Opened> open(Fs& fs, const std::string& path, const Object& object) {
  Opened out;
  const codec::Format format = TRY(table_format(path));
  out.loose = format != codec::Format::kParquet;
  out.bytes = TRY(FileBytes::open(fs, path));
  codec::ReadOptions options;
  options.batch_rows = kBatchRows;
  options.as_text = contract::text_columns(object);
  Result<std::unique_ptr<codec::TableReader>> reader =
      codec::open_table(format, *out.bytes, std::move(options));
  if (!reader.ok()) return std::move(reader).error().within(path);
  out.reader = std::move(reader).value();
  return out;
}

// Keys of the other objects' files, read once for each relationship that needs them.
class Others {
 public:
  Others(Fs& fs, const Contract& contract) : fs_(fs), contract_(contract) {}

  Status load(const Object& child, const std::vector<std::string>& files) {
    std::map<std::string, std::string> paths;
    for (const std::string& file : files) {
      const size_t equals = file.find('=');
      if (equals == file.npos || contract_.find(file.substr(0, equals)) == nullptr)
        return invalid("usage.with", concat({"'", file, "' is no OBJECT=FILE of this contract"}));
      paths[file.substr(0, equals)] = file.substr(equals + 1);
    }
    for (const Relationship& r : child.relationships) {
      const auto path = paths.find(r.to_object);
      if (path != paths.end()) TRY(read(r, path->second));
    }
    return {};
  }
  const engine::Keys* find(const Relationship& r) const {
    const auto at = keys_.find(name(r));
    return at == keys_.end() ? nullptr : &at->second;
  }

 private:
  static std::string name(const Relationship& r) {
    return concat({r.to_object, "\n", join(r.to, "\n")});
  }
  Status read(const Relationship& r, const std::string& path) {
    if (keys_.contains(name(r))) return {};
    const Object& parent = *contract_.find(r.to_object);
    const Opened file = TRY(open(fs_, path, parent));
    while (const std::optional<codec::Table> batch = TRY(file.reader->next())) {
      std::vector<engine::Column> columns;
      for (const std::string& property : r.to) {
        const codec::Column* c = batch->find(parent.find(property)->column());
        if (c == nullptr) c = batch->find(property);
        if (c == nullptr)
          return invalid("contract.column", concat({path, " has no column '", property, "'"}));
        columns.push_back(view(*c));
      }
      engine::Keys& keys = keys_.try_emplace(name(r), columns).first->second;
      for (int64_t i = 0; i < batch->rows; ++i) keys.add(columns, i);
    }
    return {};
  }

  Fs& fs_;
  const Contract& contract_;
  std::map<std::string, engine::Keys> keys_;
};

bool has_sql(const Object& object) {
  const auto any = [](const std::vector<contract::Quality>& all) {
    return std::ranges::any_of(
        all, [](const contract::Quality& q) { return q.type == contract::Quality::Type::kSql; });
  };
  return any(object.quality) ||
         std::ranges::any_of(object.properties,
                             [&](const contract::Property& p) { return any(p.quality); });
}

}  // namespace

Result<Contract> read_contract(Fs& fs, const std::string& path) {
  const std::string text = TRY(read_file(fs, path, static_cast<int64_t>(codec::kYamlBytesMax)));
  Result<Contract> parsed = contract::parse_contract(text);
  if (!parsed.ok()) return std::move(parsed).error().within(path);
  return parsed;
}

Result<contract::Report> check_file(Fs& fs, const ContractCheck& check) {
  TRY(table_format(check.data));
  const Contract contract = TRY(read_contract(fs, check.contract));
  const Object* object = TRY(object_of(contract, check));
  Others others(fs, contract);
  TRY(others.load(*object, check.others));
  const Opened file = TRY(open(fs, check.data, *object));
  contract::CheckOptions options;
  options.now_us = check.now_us;
  options.samples = check.samples;
  options.loose = file.loose;
  options.memory_bytes = check.memory_bytes;
  options.spill = check.spill;
  if (check.sql != nullptr && has_sql(*object)) {
    TRY(check.sql->add(object->name, check.data, contract::text_columns(*object)));
    options.sql = check.sql;
  }
  options.keys = [&others](const Relationship& r) { return others.find(r); };
  contract::Checker checker(contract, *object, facts_of(file.reader->schema()), options);
  while (const std::optional<codec::Table> batch = TRY(file.reader->next()))
    TRY(checker.add(views(*batch), batch->rows));
  return checker.finish();
}

}  // namespace slip::cli
