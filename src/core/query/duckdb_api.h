#pragma once

#include <array>
#include <cstdint>

#include "base/result.h"

// The functions of DuckDB's C API that we call, as its documentation declares them. The library is
// opened once and stays. Any thread.
namespace slip::query {

// Types of columns by their numbers; what isn't named here has no meaning to us.
enum class DuckType : int32_t {
  kBool = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kUint8 = 6,
  kUint16 = 7,
  kUint32 = 8,
  kUint64 = 9,
  kFloat = 10,
  kDouble = 11,
  kTimestamp = 12,
  kDate = 13,
  kHuge = 16,
  kText = 17,
  kBlob = 18,
  kDecimal = 19,
  kTimestampS = 20,
  kTimestampMs = 21,
  kTimestampNs = 22,
  kList = 24,
  kStruct = 25,
  kMap = 26,
  kUnion = 28,
  kTimestampTz = 31,
  kUnsignedHuge = 32,
  kArray = 33,
};

struct DuckResult {
  std::array<uint64_t, 5> deprecated;
  void* internal;
};

// Twelve bytes lie in place, more where `at` points.
struct DuckText {
  uint32_t size;
  std::array<char, 4> prefix;
  const char* at;
};
inline constexpr uint32_t kDuckTextInPlace = 12;

inline constexpr int kDuckSelect = 1;        // Of statement types.
inline constexpr int kDuckReady = 0;         // Of pending states.
inline constexpr int kDuckPendingError = 2;  // Of pending states.

struct DuckApi {
  int (*create_config)(void** config);
  int (*set_config)(void* config, const char* name, const char* value);
  void (*destroy_config)(void** config);
  int (*open_ext)(const char* path, void** database, void* config, char** error);
  void (*close)(void** database);
  int (*connect)(void* database, void** connection);
  void (*disconnect)(void** connection);
  void (*interrupt)(void* connection);  // Any thread.
  void (*free)(void* memory);
  int (*query)(void* connection, const char* text, DuckResult* result);
  const char* (*result_error)(DuckResult* result);
  void (*destroy_result)(DuckResult* result);

  uint64_t (*extract_statements)(void* connection, const char* text, void** extracted);
  const char* (*extract_statements_error)(void* extracted);
  void (*destroy_extracted)(void** extracted);
  int (*prepare_extracted_statement)(void* connection, void* extracted, uint64_t index,
                                     void** statement);
  const char* (*prepare_error)(void* statement);
  void (*destroy_prepare)(void** statement);
  int (*prepared_statement_type)(void* statement);
  uint64_t (*nparams)(void* statement);
  uint64_t (*prepared_statement_column_count)(void* statement);
  const char* (*prepared_statement_column_name)(void* statement, uint64_t column);
  DuckType (*prepared_statement_column_type)(void* statement, uint64_t column);
  int (*pending_prepared_streaming)(void* statement, void** pending);
  int (*pending_execute_task)(void* pending);
  const char* (*pending_error)(void* pending);
  int (*execute_pending)(void* pending, DuckResult* result);
  void (*destroy_pending)(void** pending);
  void* (*fetch_chunk)(DuckResult result);

  void* (*create_logical_type)(DuckType type);
  void (*destroy_logical_type)(void** type);
  void* (*create_data_chunk)(void** types, uint64_t columns);
  void (*destroy_data_chunk)(void** chunk);
  void (*data_chunk_reset)(void* chunk);
  void (*data_chunk_set_size)(void* chunk, uint64_t rows);
  uint64_t (*data_chunk_get_size)(void* chunk);
  void* (*data_chunk_get_vector)(void* chunk, uint64_t column);
  void* (*vector_get_data)(void* vector);
  uint64_t* (*vector_get_validity)(void* vector);
  void (*vector_ensure_validity_writable)(void* vector);
  void (*vector_assign_string_element_len)(void* vector, uint64_t row, const char* text,
                                           uint64_t size);
  uint64_t (*vector_size)();

  int (*appender_create)(void* connection, const char* schema, const char* table, void** appender);
  int (*append_data_chunk)(void* appender, void* chunk);
  int (*appender_close)(void* appender);
  int (*appender_destroy)(void** appender);
  const char* (*appender_error)(void* appender);
};

// kUnavailable `sql.engine`: the library isn't beside the binary, or another one is.
Result<const DuckApi*> duck_api();

}  // namespace slip::query
