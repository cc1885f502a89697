#include "data/data.h"

#include <algorithm>

#include "base/text.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "data/data_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::data {
namespace {

using codec::Json;

// Names appear in addresses and references.
Status check_name(const std::string& name) {
  const bool fine = !name.empty() && name.size() <= kNameBytesMax &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
                    });
  if (fine && name.front() != '.') return {};
  return invalid("dataset.name",
                 concat({"a dataset's name has 1 to ", std::to_string(kNameBytesMax),
                         " letters, digits, `_`, `-`, `.`, and doesn't begin with a dot"}));
}

Error no_dataset(const std::string& name) {
  return not_found("dataset.not_found", "no dataset `" + name + "`");
}

codec::RowBytes bytes_of(store::BlobReader& reader) {
  return {reader.size(),
          [&reader](int64_t offset, std::span<char> out) { return reader.read_at(offset, out); }};
}

ledger::Draft draft_of(const Version& v) {
  ledger::Draft draft;
  draft.verb = "dataset.version_created";
  draft.subject = {.kind = "dataset",
                   .uid = v.dataset_uid,
                   .name = v.dataset,
                   .version = std::to_string(v.number),
                   .digest = v.digest};
  draft.after_digest = v.digest;
  draft.reason = v.message;
  draft.body = Json::object({{"rows", v.rows},
                             {"bytes", v.bytes},
                             {"format", codec::row_format_name(v.format)},
                             {"columns", static_cast<int64_t>(v.columns.size())}});
  return draft;
}

}  // namespace

Result<Version> Data::commit(const Ctx& ctx, const CommitSpec& spec,
                             std::unique_ptr<store::BlobDraft> draft) {
  TRY(check_name(spec.name));
  if (spec.message.size() > kMessageBytesMax || !is_utf8(spec.message))
    return invalid("dataset.message", "a message is UTF-8 of at most 4096 bytes");
  Version made;
  made.bytes = draft->size();
  const store::Digest digest = TRY(draft->commit());
  const std::unique_ptr<store::BlobReader> reader = TRY(deps_.blobs.open(digest));
  codec::RowSchema schema = TRY(codec::scan_rows(spec.format, bytes_of(*reader)));
  made.dataset = spec.name;
  made.digest = digest.text();
  made.format = spec.format;
  made.columns = std::move(schema.columns);
  made.rows = schema.rows;
  made.message = spec.message;
  made.created_by = ctx.actor_uid;
  made.uid = new_uuid7(deps_.clock, deps_.rng).text();
  const std::string dataset_uid = new_uuid7(deps_.clock, deps_.rng).text();
  Version out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::string& project = ctx.project.text;
    const int64_t now_ms = deps_.clock.now_ms();
    std::optional<Dataset> dataset = TRY(sql::find_dataset(tx, project, spec.name));
    if (!dataset) {
      dataset = Dataset{
          .name = spec.name, .uid = dataset_uid, .created_ms = now_ms, .updated_ms = now_ms};
      TRY(sql::insert_dataset(tx, project, *dataset));
    }
    if (auto same = TRY(sql::find_digest(tx, project, *dataset, made.digest, spec.format))) {
      out = *std::move(same);
      return {};
    }
    out = made;
    out.dataset_uid = dataset->uid;
    out.parent_number = dataset->latest_version;
    out.number = dataset->latest_version + 1;
    out.created_ms = now_ms;
    TRY(sql::insert_version(tx, project, out));
    TRY(sql::touch_dataset(tx, project, *dataset, now_ms));
    return deps_.ledger.append(tx, ctx, draft_of(out));
  }));
  return out;
}

Result<std::vector<Dataset>> Data::list(const Ctx& ctx, std::string_view after, int64_t limit) {
  std::vector<Dataset> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list_datasets(tx, ctx.project.text, after, limit));
    return {};
  }));
  return out;
}

Result<Dataset> Data::find(const Ctx& ctx, const std::string& name) {
  std::optional<Dataset> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::find_dataset(tx, ctx.project.text, name));
    return {};
  }));
  if (!out) return no_dataset(name);
  return *std::move(out);
}

Result<std::vector<Version>> Data::versions(const Ctx& ctx, const std::string& name, int64_t after,
                                            int64_t limit) {
  std::vector<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::optional<Dataset> dataset = TRY(sql::find_dataset(tx, ctx.project.text, name));
    if (!dataset) return no_dataset(name);
    out = TRY(sql::list_versions(tx, ctx.project.text, *dataset, after, limit));
    return {};
  }));
  return out;
}

Result<Version> Data::version(const Ctx& ctx, const std::string& name, int64_t number) {
  std::optional<Version> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::optional<Dataset> dataset = TRY(sql::find_dataset(tx, ctx.project.text, name));
    if (!dataset) return no_dataset(name);
    out = TRY(sql::find_version(tx, ctx.project.text, *dataset, number));
    return {};
  }));
  if (out) return *std::move(out);
  return not_found("dataset_version.not_found",
                   concat({"`", name, "` has no version ", std::to_string(number)}));
}

Result<std::unique_ptr<store::BlobReader>> Data::open(const Version& version) {
  return deps_.blobs.open(TRY(codec::parse_sha256(version.digest)));
}

Status Data::each_row(const Version& version, const std::vector<std::string>& columns,
                      int64_t rows_max, const codec::OnRow& on_row) {
  std::vector<codec::RowColumn> wanted;
  for (const std::string& name : columns) {
    const auto found = std::find_if(version.columns.begin(), version.columns.end(),
                                    [&](const codec::RowColumn& c) { return c.name == name; });
    if (found == version.columns.end())
      return invalid("dataset.column",
                     concat({"`", version.dataset, "@", std::to_string(version.number),
                             "` has no column `", name, "`"}));
    wanted.push_back(*found);
  }
  const std::unique_ptr<store::BlobReader> reader = TRY(open(version));
  return codec::each_row(version.format, bytes_of(*reader), wanted, rows_max, on_row);
}

Status Data::mark(const std::function<void(const store::Digest&)>& keep) {
  return deps_.db.read([&](store::Tx& tx) {
    return sql::each_digest(tx, [&](std::string_view text) {
      if (const Result<store::Digest> digest = codec::parse_sha256(text); digest.ok())
        keep(*digest);
    });
  });
}

}  // namespace slip::data
