#include "core/query/duckdb_api.h"

#include <bit>
#include <string>
#include <type_traits>

#include <dlfcn.h>

#include "base/text.h"

namespace slip::query {
namespace {

struct Loaded {
  DuckApi api = {};
  std::string missing;  // What went wrong; "": nothing.
};

Loaded load() {
  Loaded out;
  void* library = dlopen("libduckdb.so", RTLD_NOW | RTLD_LOCAL);  // Beside the binary.
  if (library == nullptr) {
    const char* why = dlerror();
    out.missing = why == nullptr ? "libduckdb.so" : why;
    return out;
  }
  const auto find = [&](auto* function, const char* name) {
    const std::string symbol = concat({"duckdb_", name});
    void* at = dlsym(library, symbol.c_str());
    if (at == nullptr) out.missing = concat({"libduckdb.so lacks ", symbol});
    *function = std::bit_cast<std::remove_reference_t<decltype(*function)>>(at);
  };
#define FIND(name) find(&out.api.name, #name)
  FIND(create_config);
  FIND(set_config);
  FIND(destroy_config);
  FIND(open_ext);
  FIND(close);
  FIND(connect);
  FIND(disconnect);
  FIND(interrupt);
  FIND(free);
  FIND(query);
  FIND(result_error);
  FIND(destroy_result);
  FIND(extract_statements);
  FIND(extract_statements_error);
  FIND(destroy_extracted);
  FIND(prepare_extracted_statement);
  FIND(prepare_error);
  FIND(destroy_prepare);
  FIND(prepared_statement_type);
  FIND(nparams);
  FIND(prepared_statement_column_count);
  FIND(prepared_statement_column_name);
  FIND(prepared_statement_column_type);
  FIND(pending_prepared_streaming);
  FIND(pending_execute_task);
  FIND(pending_error);
  FIND(execute_pending);
  FIND(destroy_pending);
  FIND(fetch_chunk);
  FIND(create_logical_type);
  FIND(destroy_logical_type);
  FIND(create_data_chunk);
  FIND(destroy_data_chunk);
  FIND(data_chunk_reset);
  FIND(data_chunk_set_size);
  FIND(data_chunk_get_size);
  FIND(data_chunk_get_vector);
  FIND(vector_get_data);
  FIND(vector_get_validity);
  FIND(vector_ensure_validity_writable);
  FIND(vector_assign_string_element_len);
  FIND(vector_size);
  FIND(appender_create);
  FIND(append_data_chunk);
  FIND(appender_close);
  FIND(appender_destroy);
  FIND(appender_error);
#undef FIND
  return out;
}

}  // namespace

Result<const DuckApi*> duck_api() {
  static const Loaded loaded = load();
  if (!loaded.missing.empty())
    return unavailable("sql.engine", concat({"there is no SQL engine: ", loaded.missing}));
  return &loaded.api;
}

}  // namespace slip::query
