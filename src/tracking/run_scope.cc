#include "tracking/run_scope.h"

#include <array>
#include <cfloat>
#include <utility>

#include "base/text.h"
#include "tracking/run_search.h"

namespace slip::tracking {
namespace {

using search::Sql;

// SQLite joins a CROSS JOIN in the order of writing, and so begins with the few rows of
// run_tag_parent wherever it would otherwise begin with all runs of the experiment.
constexpr std::string_view kParentTagOf = "t.key = 'mlflow.parentRunId' AND ";

std::string began_no_earlier(std::string_view child) {
  return concat({"(q.start_ms < ", child, ".start_ms OR (q.start_ms = ", child,
                 ".start_ms AND q.run_n < ", child, ".run_n))"});
}

void add_pair_group(Sql* sql, std::string_view table, const std::string& name,
                    const GroupKey& key) {
  const bool absent = key.kind == GroupKey::Kind::kAbsent;
  sql->add(absent ? " AND NOT EXISTS (SELECT 1 FROM " : " AND EXISTS (SELECT 1 FROM ").add(table);
  sql->add(" p WHERE p.run_n = r.run_n AND p.key = ?").bind(name);
  if (!absent) sql->add(" AND p.value = ?").bind(key.text);
  sql->add(")");
}

void add_metric_group(Sql* sql, std::string_view project, const std::string& name,
                      const GroupKey& key) {
  const bool absent = key.kind == GroupKey::Kind::kAbsent;
  sql->add(absent ? " AND NOT EXISTS" : " AND EXISTS");
  sql->add(" (SELECT 1 FROM metric_latest m WHERE m.run_n = r.run_n AND m.key_n = ");
  add_key_number(sql, project, name);
  switch (key.kind) {
    case GroupKey::Kind::kStretch:
      sql->add(" AND m.flag = 0 AND m.value >= ?").bind(key.low);
      if (key.high < DBL_MAX) sql->add(" AND m.value < ?").bind(key.high);
      break;
    case GroupKey::Kind::kNan:
      sql->add(" AND m.flag = 1");
      break;
    case GroupKey::Kind::kAbove:
      sql->add(" AND m.flag = 2");
      break;
    case GroupKey::Kind::kBelow:
      sql->add(" AND m.flag = 3");
      break;
    case GroupKey::Kind::kText:
    case GroupKey::Kind::kAbsent:
      break;
  }
  sql->add(")");
}

Status add_group(Sql* sql, const RunSearch& search) {
  const GroupBy by = TRY(parse_group_by(search.query.group_by));
  const GroupKey key = TRY(parse_group_key(search.query.group, by.of_metric()));
  switch (by.kind) {
    case GroupBy::Kind::kMetric:
      add_metric_group(sql, search.project, by.key, key);
      break;
    case GroupBy::Kind::kParam:
      add_pair_group(sql, "run_param", by.key, key);
      break;
    case GroupBy::Kind::kTag:
      add_pair_group(sql, "run_tag", by.key, key);
      break;
    case GroupBy::Kind::kAttribute:
      sql->add(" AND ").add(TRY(text_attribute(by.key))).add(" = ?").bind(key.text);
      if (key.kind == GroupKey::Kind::kAbsent) sql->add(" AND FALSE");
      break;
  }
  return {};
}

void add_parent(Sql* sql, const RunSearch& search) {
  const std::string& id = search.query.parent_id;
  sql->add(" AND ").add(kParentTagOf).add("t.value = ?");
  sql->add(" AND EXISTS (SELECT 1 FROM run q WHERE q.project = ? AND q.run_id = ?");
  sql->bind(id).bind(std::string(search.project)).bind(id);
  sql->add(" AND ").add(began_no_earlier("r")).add(")");
}

// What the search finds whatever its scope, on alias r.
Status add_found(Sql* sql, const RunSearch& search) {
  sql->add(" AND ");
  add_experiments(sql, "r.experiment_id", search.query.experiment_ids);
  TRY(add_run_conditions(sql, search.project, search.query, search.filter));
  sql->add(search.page.visible);
  return {};
}

// The inner r is the parent as the search would find it; c is the run itself, because inside r
// means the parent.
Status add_roots(Sql* sql, const RunSearch& search) {
  sql->add(" AND NOT EXISTS (SELECT 1 FROM run_tag t CROSS JOIN run c CROSS JOIN run q");
  sql->add(" WHERE c.run_n = t.run_n AND q.project = ? AND q.run_id = t.value");
  sql->bind(std::string(search.project));
  sql->add(" AND t.run_n = r.run_n AND ").add(kParentTagOf).add(began_no_earlier("c"));
  sql->add(" AND EXISTS (SELECT 1 FROM run r WHERE r.run_n = q.run_n");
  TRY(add_found(sql, search));
  sql->add("))");
  return {};
}

}  // namespace

Result<GroupBy> parse_group_by(std::string_view text) {
  using Kind = GroupBy::Kind;
  constexpr std::array<std::pair<std::string_view, Kind>, 4> kKinds = {
      {{"metrics", Kind::kMetric},
       {"params", Kind::kParam},
       {"tags", Kind::kTag},
       {"attributes", Kind::kAttribute}}};
  const size_t dot = text.find('.');
  if (dot != std::string_view::npos && dot + 1 < text.size())
    for (const auto& [name, kind] : kKinds)
      if (text.substr(0, dot) == name) {
        GroupBy by{.kind = kind, .key = std::string(text.substr(dot + 1))};
        if (kind == Kind::kAttribute) TRY(text_attribute(by.key));
        return by;
      }
  return invalid("run_groups.by", concat({"'", text,
                                          "' is nothing to group runs by: params.KEY, tags.KEY,"
                                          " metrics.KEY or attributes.KEY"}));
}

std::string_view scope_from(const RunQuery& query) {
  if (query.parent_id.empty()) return "run r WHERE r.project = ?";
  return "run_tag t CROSS JOIN run r WHERE r.run_n = t.run_n AND r.project = ?";
}

Status add_scope(Sql* sql, const RunSearch& search) {
  const RunQuery& query = search.query;
  if (!query.group_by.empty()) TRY(add_group(sql, search));
  if (!query.parent_id.empty()) add_parent(sql, search);
  if (query.roots) TRY(add_roots(sql, search));
  return {};
}

std::string scope_identity(const RunQuery& query) {
  if (query.group_by.empty() && query.parent_id.empty() && !query.roots) return {};
  return concat({"\n", query.group_by, "\n", query.group, "\n", query.parent_id,
                 query.roots ? "\nroots" : "\n"});
}

Status add_has_children(Sql* sql, const RunSearch& search) {
  sql->add(" AND EXISTS (SELECT 1 FROM run_tag t CROSS JOIN run r WHERE r.run_n = t.run_n AND ");
  sql->add(kParentTagOf).add("t.value = q.run_id AND r.project = ? AND ");
  sql->bind(std::string(search.project)).add(began_no_earlier("r"));
  TRY(add_found(sql, search));
  sql->add(")");
  return {};
}

}  // namespace slip::tracking
