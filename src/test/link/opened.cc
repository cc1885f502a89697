#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <onnxruntime_c_api.h>

#include "sys/process.h"
#include "test/link/link.h"

namespace slip::link {
namespace {

// ---- DuckDB: the functions used here, declared as its C API documents them.
struct DuckResult {
  uint64_t deprecated[5];
  void* internal;
};
using DuckOpen = int (*)(const char*, void**);
using DuckConnect = int (*)(void*, void**);
using DuckQuery = int (*)(void*, const char*, DuckResult*);
using DuckInt64 = int64_t (*)(DuckResult*, uint64_t, uint64_t);
using DuckFreeResult = void (*)(DuckResult*);
using DuckClose = void (*)(void**);

void* open_library(const char* name) {
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);  // Found beside the binary by its rpath.
  EXPECT_NE(library, nullptr) << dlerror();
  return library;
}

template <class F>
F find(void* library, const char* name) {
  void* at = library ? dlsym(library, name) : nullptr;
  EXPECT_NE(at, nullptr) << name;
  return reinterpret_cast<F>(at);
}

// ---- ONNX: a model in protobuf wire form, field by field (onnx.proto3, IR version 8).
std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out += static_cast<char>(v | 128);
  return out + static_cast<char>(v);
}
std::string number(unsigned field, uint64_t v) { return varint(field << 3) + varint(v); }
std::string bytes(unsigned field, const std::string& v) {
  return varint(field << 3 | 2) + varint(v.size()) + v;
}

std::string floats(const std::array<float, 3>& values) {
  return {reinterpret_cast<const char*>(values.data()), sizeof values};
}

std::string value_info(const std::string& name) {
  std::string shape = bytes(2, bytes(1, number(1, 3)));      // Shape: one dimension of 3.
  std::string tensor_type = bytes(1, number(1, 1) + shape);  // Element type 1: float.
  return bytes(1, name) + bytes(2, tensor_type);
}

std::string add_model() {  // y = x + c
  std::string node = bytes(1, "x") + bytes(1, "c") + bytes(2, "y") + bytes(4, "Add");
  std::string c = number(1, 3) + number(2, 1) + bytes(8, "c") + bytes(9, floats({1, 20, 300}));
  std::string graph = bytes(1, node) + bytes(2, "g") + bytes(5, c) + bytes(11, value_info("x")) +
                      bytes(12, value_info("y"));
  return number(1, 8) + bytes(7, graph) + bytes(8, number(2, 13));
}

// Fails the test and frees the status of a call that went wrong.
bool went_well(const OrtApi& api, OrtStatus* status) {
  if (!status) return true;
  ADD_FAILURE() << api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  return false;
}

void run_session(const OrtApi& api, OrtSession* session) {
  std::array<float, 3> x = {0.5F, 0.25F, -1};
  const int64_t shape[] = {3};
  OrtMemoryInfo* memory = nullptr;
  OrtValue *in = nullptr, *out = nullptr;
  const char *input = "x", *output = "y";
  float* y = nullptr;
  bool ok =
      went_well(api, api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory)) &&
      went_well(api,
                api.CreateTensorWithDataAsOrtValue(memory, x.data(), sizeof x, shape, 1,
                                                   ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in)) &&
      went_well(api, api.Run(session, nullptr, &input, &in, 1, &output, 1, &out)) &&
      went_well(api, api.GetTensorMutableData(out, reinterpret_cast<void**>(&y)));
  if (ok) {
    EXPECT_EQ(y[0], 1.5F);
    EXPECT_EQ(y[1], 20.25F);
    EXPECT_EQ(y[2], 299.0F);
  }
  api.ReleaseValue(out);
  api.ReleaseValue(in);
  api.ReleaseMemoryInfo(memory);
}

}  // namespace

void check_duckdb() {
  void* library = open_library("libduckdb.so");
  auto open = find<DuckOpen>(library, "duckdb_open");
  auto connect = find<DuckConnect>(library, "duckdb_connect");
  auto query = find<DuckQuery>(library, "duckdb_query");
  auto value = find<DuckInt64>(library, "duckdb_value_int64");
  auto free_result = find<DuckFreeResult>(library, "duckdb_destroy_result");
  auto disconnect = find<DuckClose>(library, "duckdb_disconnect");
  auto close = find<DuckClose>(library, "duckdb_close");
  ASSERT_FALSE(testing::Test::HasFailure());

  void *database = nullptr, *connection = nullptr;
  ASSERT_EQ(open(nullptr, &database), 0);
  ASSERT_EQ(connect(database, &connection), 0);
  DuckResult result = {};
  EXPECT_EQ(query(connection,
                  "select sum(i) from range(1000) t(i) "
                  "where regexp_matches(i::varchar, '^[0-9]*7$')",
                  &result),
            0);
  EXPECT_EQ(value(&result, 0, 0), 50200);  // 7 + 17 + … + 997
  free_result(&result);
  disconnect(&connection);
  close(&database);
}

void check_onnx() {
  forbid_library_telemetry();
  const std::string cache = testing::TempDir() + "link-cache";
  setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  void* library = open_library("libonnxruntime.so");
  auto base = find<const OrtApiBase* (*)()>(library, "OrtGetApiBase");
  ASSERT_NE(base, nullptr);
  const OrtApi* api = base()->GetApi(ORT_API_VERSION);
  ASSERT_NE(api, nullptr);
  OrtEnv* env = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  std::string model = add_model();
  if (went_well(*api, api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "link", &env)) &&
      went_well(*api, api->CreateSessionOptions(&options)) &&
      went_well(*api, api->SetIntraOpNumThreads(options, 1)) &&
      went_well(*api,
                api->CreateSessionFromArray(env, model.data(), model.size(), options, &session))) {
    run_session(*api, session);
  }
  api->ReleaseSession(session);
  api->ReleaseSessionOptions(options);
  api->ReleaseEnv(env);
  EXPECT_FALSE(std::filesystem::exists(cache)) << "telemetry keeps its files there";
}

}  // namespace slip::link
