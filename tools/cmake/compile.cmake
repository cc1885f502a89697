# How our own code is compiled and linked: flags, cache, linker.
find_program(CCACHE ccache)
if(CCACHE)
  # Clones of one machine share the cache: paths below the source directory are hashed relative to it.
  set(launcher ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=10G ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

add_library(slip_flags INTERFACE)
target_compile_options(slip_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wnon-virtual-dtor;-Woverloaded-virtual>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Werror>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>
  -fPIC  # Not -fPIE: no copy of a shared library's data in the program.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND NOT CMAKE_CXX_FLAGS MATCHES "-O1")
  # From -O2 on, GCC 12 sees uninitialized strings inside std::variant where there are none.
  target_compile_options(slip_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(slip_flags INTERFACE -fuse-ld=mold)
endif()

set(exports ${CMAKE_SOURCE_DIR}/tools/cmake/exports.map)
if(SLIPWAY_FUZZ)
  # clang's sanitizers are archives too: without their malloc and operator new the shared libraries would use others.
  set(names "")
  foreach(part asan asan_cxx)
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libclang_rt.${part}-${CMAKE_SYSTEM_PROCESSOR}.a.syms
      OUTPUT_VARIABLE list OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    file(READ ${list} text)
    string(REPLACE "};" "" text "${text}")
    string(REPLACE "{" "" text "${text}")
    string(APPEND names "${text}")
  endforeach()
  set(exports ${CMAKE_BINARY_DIR}/exports.map)
  file(WRITE ${exports} "{ global:\n${names}\nlocal: *; };\n")
endif()

# A program of ours: its shared libraries lie beside it, it exports nothing of the archives.
function(slip_program name)
  # DT_RPATH, not RUNPATH: it also finds what is opened at run time, and no LD_LIBRARY_PATH comes before it.
  target_link_options(${name} PRIVATE $<$<NOT:$<BOOL:${SLIPWAY_FUZZ}>>:-Wl,--exclude-libs,ALL>
    -Wl,--disable-new-dtags -Wl,--version-script=${exports} $<$<BOOL:${SLIPWAY_STRIP}>:-s>)
  set_target_properties(${name} PROPERTIES BUILD_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN" RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()
