# Messages from api/proto, made at build time, compiled without our warnings. Services need no code of
# their own: the plane takes methods by name.
set(proto_root ${CMAKE_SOURCE_DIR}/api/proto)
file(GLOB_RECURSE protos CONFIGURE_DEPENDS RELATIVE ${proto_root} ${proto_root}/*.proto)
set(proto_sources)
foreach(proto ${protos})
  string(REGEX REPLACE "\\.proto$" "" stem ${proto})
  set(made ${CMAKE_BINARY_DIR}/gen/${stem})
  add_custom_command(
    OUTPUT ${made}.pb.cc ${made}.pb.h
    COMMAND protoc -I ${proto_root} --cpp_out=${CMAKE_BINARY_DIR}/gen ${proto}
    DEPENDS ${proto_root}/${proto} VERBATIM)
  list(APPEND proto_sources ${made}.pb.cc)
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/gen)
set_source_files_properties(${proto_sources} PROPERTIES COMPILE_OPTIONS "-w" SKIP_PRECOMPILE_HEADERS ON)
target_include_directories(third SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/gen)
