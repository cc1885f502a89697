#pragma once

#include <stddef.h>
#include <stdint.h>

/* Slipway's models of trees and its expressions for devices and for other languages: a C library
 * without a server, files, network or threads of its own. The same code as the server's, so the
 * same bits: slipway_rt_predict_f32() is what a deployment answers.
 *
 * - A model is read from memory: LightGBM (text), XGBoost (JSON, UBJSON), ONNX (trees, linear).
 * - A transform is one expression over columns by name, as feature views have them.
 * - Models, transforms and values are immutable: any number of threads may use one at once. Whoever
 *   made one frees it, after the last use; NULL may be freed.
 * - Functions that can fail return a slipway_rt_status; what went wrong is then said, for the
 *   calling thread, until its next call that fails: slipway_rt_error(). Out-parameters are
 * untouched on failure. No C++ exception leaves the library; bad input is an error, never a crash.
 * - Names and structures of one slipway_rt_abi() never change; later ones add to them.
 */

#if defined(__GNUC__)
#define SLIPWAY_RT_API __attribute__((visibility("default")))
#else
#define SLIPWAY_RT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SLIPWAY_RT_ABI 1

typedef int32_t slipway_rt_status;
enum {
  SLIPWAY_RT_OK = 0,
  SLIPWAY_RT_INVALID = 1,     /* What was handed in can't be right. */
  SLIPWAY_RT_UNSUPPORTED = 2, /* A model says what can't be answered as its library does. */
  SLIPWAY_RT_EXHAUSTED = 3,   /* Too large, or no memory. */
  SLIPWAY_RT_INTERNAL = 4
};

SLIPWAY_RT_API uint32_t slipway_rt_abi(void);        /* SLIPWAY_RT_ABI of the library. */
SLIPWAY_RT_API const char* slipway_rt_version(void); /* "0.1.0" */
/* Of this thread's last failure: a sentence, and a slug that stays ("model.syntax"). Never NULL. */
SLIPWAY_RT_API const char* slipway_rt_error(void);
SLIPWAY_RT_API const char* slipway_rt_error_reason(void);

/* ---- models of trees, and linear ones */

typedef struct slipway_rt_model slipway_rt_model;

typedef int32_t slipway_rt_output;
enum {
  SLIPWAY_RT_ANSWER = 0, /* As the library's predict() gives it. */
  SLIPWAY_RT_RAW = 1,    /* Sums of leaves, without averages and links. */
  SLIPWAY_RT_LABEL = 2   /* The number of the class that is meant; one a row. */
};

/* The bytes may be freed afterwards. */
SLIPWAY_RT_API slipway_rt_status slipway_rt_model_load(const void* bytes, size_t size,
                                                       slipway_rt_model** out);
SLIPWAY_RT_API void slipway_rt_model_free(slipway_rt_model* model);

/* Of NULL: 0, or "". Texts live as long as the model. */
SLIPWAY_RT_API const char* slipway_rt_model_library(const slipway_rt_model* model); /* "lightgbm" */
SLIPWAY_RT_API const char* slipway_rt_model_objective(const slipway_rt_model* model);
SLIPWAY_RT_API const char* slipway_rt_model_kernel(const slipway_rt_model* model); /* "avx2" */
SLIPWAY_RT_API uint32_t slipway_rt_model_features(const slipway_rt_model* model);  /* A row. */
SLIPWAY_RT_API int slipway_rt_model_is_classifier(const slipway_rt_model* model);
/* Numbers a row. */
SLIPWAY_RT_API uint32_t slipway_rt_model_outputs(const slipway_rt_model* model,
                                                 slipway_rt_output output);
/* "" where the model names none. */
SLIPWAY_RT_API const char* slipway_rt_model_feature_name(const slipway_rt_model* model,
                                                         uint32_t index);
SLIPWAY_RT_API const char* slipway_rt_model_class_name(const slipway_rt_model* model,
                                                       uint32_t index);

/* Rows to be answered. Row-major: `rows` * `features` numbers in, `rows` * outputs out, which
 * `out_size` must be; `features` must be the model's. NaN is a missing value. */
typedef struct slipway_rt_ask_f32 {
  slipway_rt_output output;
  const float* values;
  size_t rows;
  size_t features;
  float* out;
  size_t out_size;
} slipway_rt_ask_f32;
typedef struct slipway_rt_ask_f64 {
  slipway_rt_output output;
  const double* values;
  size_t rows;
  size_t features;
  double* out;
  size_t out_size;
} slipway_rt_ask_f64;

SLIPWAY_RT_API slipway_rt_status slipway_rt_predict_f32(const slipway_rt_model* model,
                                                        const slipway_rt_ask_f32* ask);
SLIPWAY_RT_API slipway_rt_status slipway_rt_predict_f64(const slipway_rt_model* model,
                                                        const slipway_rt_ask_f64* ask);

/* ---- expressions */

typedef int32_t slipway_rt_type;
enum {
  SLIPWAY_RT_BOOL = 0,         /* Bits, the least significant first. */
  SLIPWAY_RT_INT64 = 1,        /* int64_t */
  SLIPWAY_RT_DOUBLE = 2,       /* double */
  SLIPWAY_RT_TEXT = 3,         /* UTF-8, by offsets. */
  SLIPWAY_RT_BYTES = 4,        /* By offsets. */
  SLIPWAY_RT_TIMESTAMP_US = 5, /* int64_t, microseconds since 1970-01-01T00:00Z. */
  SLIPWAY_RT_LIST = 6          /* Of another type, by offsets into `items`. */
};

/* A column, laid out like the Arrow C Data Interface; also a column's name and type alone. */
typedef struct slipway_rt_column {
  const char* name;
  slipway_rt_type type;
  slipway_rt_type item_type; /* SLIPWAY_RT_LIST. */
  int64_t rows;
  const uint8_t* validity; /* A bit a row, (rows + 7) / 8 bytes; NULL: no value is null. */
  const int32_t* offsets;  /* TEXT, BYTES, LIST: rows + 1. */
  const void* data;        /* NULL of a list. */
  size_t data_bytes;       /* How many `data` has; no access goes beyond. */
  const struct slipway_rt_column* items; /* SLIPWAY_RT_LIST. */
} slipway_rt_column;

/* Rules of time zones, for expressions that name one: `bytes` finds the TZif file of a name and
 * returns 0; it keeps the bytes until it is called again. `release`: "2025b". */
typedef struct slipway_rt_zones {
  const char* release;
  int (*bytes)(void* user, const char* name, const void** bytes, size_t* size);
  void* user;
} slipway_rt_zones;

typedef struct slipway_rt_transform slipway_rt_transform;
typedef struct slipway_rt_values slipway_rt_values;

/* `text` ends with NUL. `schema`: the columns that the expression may name, of which only name and
 * types are looked at. `zones` may be NULL: UTC and offsets only. */
SLIPWAY_RT_API slipway_rt_status slipway_rt_transform_compile(const char* text,
                                                              const slipway_rt_column* schema,
                                                              size_t columns,
                                                              const slipway_rt_zones* zones,
                                                              slipway_rt_transform** out);
SLIPWAY_RT_API void slipway_rt_transform_free(slipway_rt_transform* transform);
/* What it reads; of NULL 0 and "". The hash is that of the server: what is equal computes the same.
 */
SLIPWAY_RT_API size_t slipway_rt_transform_inputs(const slipway_rt_transform* transform);
SLIPWAY_RT_API const char* slipway_rt_transform_input_name(const slipway_rt_transform* transform,
                                                           size_t index);
SLIPWAY_RT_API slipway_rt_type
slipway_rt_transform_input_type(const slipway_rt_transform* transform, size_t index);
SLIPWAY_RT_API slipway_rt_type
slipway_rt_transform_output_type(const slipway_rt_transform* transform);
SLIPWAY_RT_API const char* slipway_rt_transform_hash(const slipway_rt_transform* transform);

/* Columns are found by name; further ones are not looked at. Each has `rows` rows. */
SLIPWAY_RT_API slipway_rt_status slipway_rt_evaluate(const slipway_rt_transform* transform,
                                                     const slipway_rt_column* values,
                                                     size_t columns, int64_t rows,
                                                     slipway_rt_values** out);
SLIPWAY_RT_API void slipway_rt_values_free(slipway_rt_values* values);
/* A view that lives as long as the values. */
SLIPWAY_RT_API slipway_rt_status slipway_rt_values_column(const slipway_rt_values* values,
                                                          slipway_rt_column* out);

#ifdef __cplusplus
}
#endif
