# Third-party libraries: archives of the distribution, linked statically and kept inside; the shared ones lie
# beside the binary. Why: design.md, row "linking"; checked by tools/symbols.py and src/test/link.
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
set(lib /usr/lib/${CMAKE_CXX_LIBRARY_ARCHITECTURE})

# One archive group, because gRPC, abseil and OpenSSL refer to each other in circles.
file(GLOB absl ${lib}/libabsl_*.a)
list(FILTER absl EXCLUDE REGEX "(flags|test|mock)")
set(archives
  ${lib}/libgrpc++.a ${lib}/libgrpc.a ${lib}/libgpr.a ${lib}/libaddress_sorting.a ${lib}/libupb.a
  ${lib}/libcares.a ${absl} ${lib}/libre2.a ${lib}/libprotobuf.a
  ${lib}/libssl.a ${lib}/libcrypto.a ${lib}/libsqlite3.a ${lib}/libyaml-cpp.a ${lib}/libzstd.a
  ${lib}/libxxhash.a ${lib}/libbrotlienc.a ${lib}/libbrotlidec.a ${lib}/libbrotlicommon.a
  ${lib}/libz.a ${lib}/libhiredis.a ${lib}/libpq.a ${SLIPWAY_PGLIB}/libpgcommon_shlib.a ${SLIPWAY_PGLIB}/libpgport_shlib.a)
add_library(libpq_absent STATIC third_party/libpq_absent.c)

# Compiled here from upstream archives, without our warnings.
file(GLOB prometheus ${SLIPWAY_PROMETHEUS}/core/src/*.cc ${SLIPWAY_PROMETHEUS}/core/src/detail/*.cc)
file(WRITE ${CMAKE_BINARY_DIR}/made/prometheus/detail/core_export.h
  "#pragma once\n#define PROMETHEUS_CPP_CORE_EXPORT\n#define PROMETHEUS_CPP_CORE_NO_EXPORT\n")
add_library(compiled_here STATIC ${SLIPWAY_SIMDJSON}/singleheader/simdjson.cpp ${prometheus})
target_include_directories(compiled_here SYSTEM PUBLIC ${SLIPWAY_SIMDJSON}/singleheader
  ${SLIPWAY_PROMETHEUS}/core/include ${CMAKE_BINARY_DIR}/made)
target_compile_options(compiled_here PRIVATE -w -fPIC)

add_library(third INTERFACE)
target_include_directories(third SYSTEM INTERFACE
  ${SLIPWAY_PYARROW}/include ${SLIPWAY_ORT_HEADERS}/onnxruntime /usr/include/postgresql)
target_compile_definitions(third INTERFACE FMT_HEADER_ONLY SPDLOG_FMT_EXTERNAL
  BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)
target_link_options(third INTERFACE -Wl,--as-needed)
target_link_libraries(third INTERFACE compiled_here -Wl,--start-group ${archives} libpq_absent -Wl,--end-group
  ${CMAKE_BINARY_DIR}/libarrow.so.2600 ${CMAKE_BINARY_DIR}/libarrow_compute.so.2600
  ${CMAKE_BINARY_DIR}/libparquet.so.2600
  Threads::Threads ${CMAKE_DL_LIBS} resolv)

# What stands beside the binary; hard links where the file system allows it.
set(shared
  ${SLIPWAY_PYARROW}/libarrow.so.2600 ${SLIPWAY_PYARROW}/libarrow_compute.so.2600
  ${SLIPWAY_PYARROW}/libparquet.so.2600 ${SLIPWAY_DUCKDB}/libduckdb.so
  )
foreach(file ${shared})
  get_filename_component(name ${file} NAME)
  get_filename_component(real ${file} REALPATH)
  if(NOT EXISTS ${CMAKE_BINARY_DIR}/${name})
    file(CREATE_LINK ${real} ${CMAKE_BINARY_DIR}/${name} COPY_ON_ERROR)
  endif()
endforeach()
if(NOT EXISTS ${CMAKE_BINARY_DIR}/libonnxruntime.so)  # Opened by this name at first use.
  file(CREATE_LINK ${SLIPWAY_ORT_LIBRARY} ${CMAKE_BINARY_DIR}/libonnxruntime.so COPY_ON_ERROR)
endif()
