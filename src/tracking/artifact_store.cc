#include "tracking/artifact_store.h"

namespace slip::tracking::sql {

Result<std::optional<std::string>> find_root(store::Tx& tx, std::string_view project,
                                             std::string_view base) {
  std::optional<std::string> out;
  TRY(tx.first("SELECT root FROM artifact_tree WHERE project = ? AND base = ?", {project, base},
               [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Result<bool> swap_root(store::Tx& tx, std::string_view project, const Swap& swap, int64_t now_ms) {
  if (!swap.before)
    return TRY(tx.exec("INSERT INTO artifact_tree (project, base, root, updated_ms)"
                       " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                       {project, swap.base, swap.after, now_ms})) > 0;
  return TRY(tx.exec("UPDATE artifact_tree SET root = ?, updated_ms = ?"
                     " WHERE project = ? AND base = ? AND root = ?",
                     {swap.after, now_ms, project, swap.base, *swap.before})) > 0;
}

Result<std::vector<std::string>> bases_below(store::Tx& tx, std::string_view project,
                                             std::string_view prefix, int64_t limit) {
  std::vector<std::string> out;
  // Text compares bytewise: all that starts with "a/" lies between "a/" and "a0".
  std::string end(prefix);
  if (end.empty())
    end = "\xf4\x8f\xbf\xbf";  // U+10FFFF, above every path.
  else
    end.back() = static_cast<char>(end.back() + 1);
  TRY(tx.each(
      "SELECT base FROM artifact_tree WHERE project = ? AND base >= ? AND base < ?"
      " ORDER BY base LIMIT CAST(? AS BIGINT)",
      {project, prefix, end, limit}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Status each_root(store::Tx& tx, const std::function<void(std::string_view)>& on_root) {
  return tx.each("SELECT root FROM artifact_tree", {},
                 [&](const store::Row& row) { on_root(row.text(0)); });
}

}  // namespace slip::tracking::sql
