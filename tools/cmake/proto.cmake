# Messages and gRPC services from src/**/*.proto, made at build time, compiled without our warnings.
file(GLOB_RECURSE protos CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/src src/*.proto)
set(proto_sources)
foreach(proto ${protos})
  string(REGEX REPLACE "\\.proto$" "" stem ${proto})
  set(made ${CMAKE_BINARY_DIR}/gen/${stem})
  add_custom_command(
    OUTPUT ${made}.pb.cc ${made}.pb.h ${made}.grpc.pb.cc ${made}.grpc.pb.h
    COMMAND protoc -I ${CMAKE_SOURCE_DIR}/src --cpp_out=${CMAKE_BINARY_DIR}/gen
      --grpc_out=${CMAKE_BINARY_DIR}/gen --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin ${proto}
    DEPENDS ${CMAKE_SOURCE_DIR}/src/${proto} VERBATIM)
  list(APPEND proto_sources ${made}.pb.cc ${made}.grpc.pb.cc)
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/gen)
set_source_files_properties(${proto_sources} PROPERTIES COMPILE_OPTIONS "-w" SKIP_PRECOMPILE_HEADERS ON)
target_include_directories(third SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/gen)
