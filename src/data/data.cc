#include "data/data.h"

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "data/data_store.h"
#include "store/blob_files.h"
#include "store/caller.h"
#include "store/tree/tree.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::data {
namespace {

constexpr int64_t kRootsAtOnce = 500;

Status check_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kNameBytesMax || name[0] == '.' || name[0] == '-' ||
      !std::all_of(name.begin(), name.end(), plain))
    return invalid("dataset.name",
                   "a dataset's name has 1 to 128 letters, digits, '.', '_' or '-', and begins"
                   " with a letter, a digit or '_'");
  return {};
}

Error no_dataset(const std::string& name) {
  return not_found("dataset.not_found", "no dataset '" + name + "'");
}

// Keeps the source for as long as the reader lives.
class OwningReader final : public codec::TableReader {
 public:
  OwningReader(std::unique_ptr<store::BlobSource> source,
               std::unique_ptr<codec::TableReader> reader)
      : source_(std::move(source)), reader_(std::move(reader)) {}
  const std::vector<codec::Field>& schema() const override { return reader_->schema(); }
  Result<std::optional<codec::Table>> next() override { return reader_->next(); }

 private:
  std::unique_ptr<store::BlobSource> source_;
  std::unique_ptr<codec::TableReader> reader_;
};

codec::Json value_of(const codec::Column& column, int64_t row) {
  switch (column.type) {
    case codec::ColumnType::kBool:
      return column.boolean(row);
    case codec::ColumnType::kInt64:
    case codec::ColumnType::kTimestampUs:
      return column.i64(row);
    case codec::ColumnType::kDouble:
      return column.f64(row);
    default:
      return column.text(row);
  }
}

ledger::Draft committed(const Version& v, const std::string& parent_digest) {
  ledger::Draft out;
  out.verb = "dataset_version.committed";
  out.subject = {.kind = "dataset_version",
                 .uid = v.uid,
                 .name = v.dataset,
                 .version = std::to_string(v.number),
                 .digest = v.root};
  out.before_digest = parent_digest;
  out.after_digest = v.root;
  out.body = codec::Json::object({{"content_digest", v.digest},
                                  {"format", codec::format_name(v.format)},
                                  {"rows", v.rows},
                                  {"bytes", v.bytes},
                                  {"columns", static_cast<int64_t>(v.columns.size())}});
  if (!v.message.empty()) out.body.set("message", v.message);
  return out;
}

Dataset dataset_of(const sql::Repository& r) {
  return {.name = r.name,
          .uid = r.uid,
          .versions_count = r.head,
          .latest_version = r.head,
          .created_ms = r.created_ms,
          .updated_ms = r.updated_ms,
          .latest = {}};
}

}  // namespace

Result<Version> Data::commit(const Ctx& ctx, const CommitSpec& spec,
                             std::unique_ptr<store::BlobDraft> draft) {
  TRY(check_name(spec.name));
  if (spec.message.size() > kMessageBytesMax || !is_utf8(spec.message))
    return invalid("dataset.message", "a message is UTF-8 text of at most 4096 bytes");
  if (draft->size() == 0) return invalid("dataset.empty", "the file is empty");

  Version made;
  made.dataset = spec.name;
  made.format = spec.format;
  made.message = spec.message;
  made.bytes = draft->size();
  const store::Digest digest = TRY(draft->commit());
  made.digest = digest.text();
  store::BlobSource source(TRY(deps_.blobs.open(digest)));
  codec::TableFacts facts = TRY(codec::check_table(spec.format, source));
  made.rows = facts.rows;
  made.columns = std::move(facts.schema);
  if (sql::schema_json(made.columns).size() > kSchemaBytesMax)
    return exhausted("table.too_large", "the schema is larger than 1 MiB");
  const std::string path = concat({"data.", codec::format_name(made.format)});
  made.root = TRY(store::tree::build(deps_.blobs, {{path, digest, made.bytes, ""}})).text();
  made.uid = new_uuid7(deps_.clock, deps_.rng).text();
  made.created_ms = deps_.clock.now_ms();
  made.created_by = ctx.actor_uid;
  const std::string repository_uid = new_uuid7(deps_.clock, deps_.rng).text();

  Version out;
  const std::string& project = ctx.project.text;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = made;
    std::optional<sql::Repository> known = TRY(sql::find_repository(tx, project, made.dataset));
    if (!known) {
      known = sql::Repository{repository_uid,  made.dataset,    0,
                              made.created_ms, made.created_ms, made.created_by};
      TRY(sql::insert_repository(tx, project, *known));
      TRY(store::make_owner(tx, ctx, "dataset", repository_uid));
    }
    if (std::optional<Version> same =
            TRY(sql::find_content(tx, project, *known, made.digest, made.format))) {
      out = std::move(*same);
      return {};
    }
    std::string parent_digest;
    if (known->head > 0) {
      const std::optional<Version> parent =
          TRY(sql::find_version(tx, project, *known, known->head));
      if (parent) parent_digest = parent->root;
    }
    out.number = known->head + 1;
    out.parent_number = known->head;
    out.dataset_uid = known->uid;
    TRY(sql::insert_version(tx, project, known->uid, out));
    TRY(sql::move_main(tx, project, *known, out));
    return deps_.ledger.append(tx, ctx, committed(out, parent_digest));
  }));
  return out;
}

Result<std::vector<Dataset>> Data::list(const Ctx& ctx, std::string_view after, int64_t limit) {
  std::vector<Dataset> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (const sql::Repository& r :
         TRY(sql::list_repositories(tx, ctx, after, std::min(limit, kListMax)))) {
      Dataset& d = out.emplace_back(dataset_of(r));
      d.latest = TRY(sql::find_version(tx, ctx.project.text, r, r.head));
    }
    return {};
  }));
  return out;
}

Result<Dataset> Data::find(const Ctx& ctx, const std::string& name) {
  Dataset out;
  const std::string& project = ctx.project.text;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::optional<sql::Repository> r = TRY(sql::find_repository(tx, project, name));
    if (!r) return no_dataset(name);
    out = dataset_of(*r);
    return {};
  }));
  return out;
}

Result<std::vector<Version>> Data::versions(const Ctx& ctx, const std::string& name, int64_t after,
                                            int64_t limit) {
  std::vector<Version> out;
  const std::string& project = ctx.project.text;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::optional<sql::Repository> r = TRY(sql::find_repository(tx, project, name));
    if (!r) return no_dataset(name);
    out = TRY(sql::list_versions(tx, project, *r, after, std::min(limit, kListMax)));
    return {};
  }));
  return out;
}

Result<Version> Data::version(const Ctx& ctx, const std::string& name, int64_t number) {
  std::optional<Version> out;
  const std::string& project = ctx.project.text;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::optional<sql::Repository> r = TRY(sql::find_repository(tx, project, name));
    if (!r) return no_dataset(name);
    out = TRY(sql::find_version(tx, project, *r, number));
    return {};
  }));
  if (!out)
    return not_found("dataset_version.not_found",
                     concat({"dataset '", name, "' has no version ", std::to_string(number)}));
  return std::move(*out);
}

Result<std::unique_ptr<store::BlobReader>> Data::open(const Version& version) {
  return deps_.blobs.open(TRY(codec::parse_sha256(version.digest)));
}

Result<std::unique_ptr<codec::TableReader>> Data::rows(const Version& version,
                                                       codec::ReadOptions options) {
  auto source = std::make_unique<store::BlobSource>(TRY(open(version)));
  auto reader = TRY(codec::open_table(version.format, *source, std::move(options)));
  return std::make_unique<OwningReader>(std::move(source), std::move(reader));
}

Status Data::each_row(const Version& version, const std::vector<std::string>& columns,
                      int64_t rows_max, const OnRow& on_row) {
  const auto reader = TRY(rows(version, {.columns = columns}));
  for (int64_t seen = 0; seen < rows_max;) {
    const std::optional<codec::Table> batch = TRY(reader->next());
    if (!batch) return {};
    for (int64_t row = 0; row < batch->rows && seen < rows_max; ++row, ++seen) {
      codec::Json object = codec::Json::object();
      for (size_t i = 0; i < batch->columns.size(); ++i)
        if (!batch->columns[i].is_null(row))
          object.set(batch->schema[i].name, value_of(batch->columns[i], row));
      TRY(on_row(object));
    }
  }
  return {};
}

Status Data::mark(const std::function<void(const store::Digest&)>& keep) {
  for (std::string after;;) {
    std::vector<std::string> roots;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      roots = TRY(sql::list_roots(tx, after, kRootsAtOnce));
      return {};
    }));
    if (roots.empty()) return {};
    for (const std::string& root : roots)
      TRY(store::tree::mark(deps_.blobs, TRY(codec::parse_sha256(root)), keep));
    after = roots.back();
  }
}

}  // namespace slip::data
