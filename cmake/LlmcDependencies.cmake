# Everything the project takes from the distribution, in one place. scripts/install-dependencies.sh names
# the packages.

if(LLMC_COMPILER)
  # The version file of MLIR accepts only an equal major.minor.
  find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
  find_package(LLD 22.1 CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
  set(MLIR_LINK_MLIR_DYLIB ON)
  list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
  include(TableGen)
  include(AddLLVM)
  include(AddMLIR)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)

  # libMLIR.so is not on the default loader path.
  set(CMAKE_BUILD_RPATH ${LLVM_LIBRARY_DIR})
  set(CMAKE_INSTALL_RPATH ${LLVM_LIBRARY_DIR})
endif()

find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The sloppiness lets ccache serve objects that use a precompiled header; the base directory lets checkouts share them.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()
