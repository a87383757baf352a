# llmc_library, llmc_compiler_library, llmc_program, llmc_unit_test, llmc_fuzzer: the kinds of target in this project.
# Warnings are errors everywhere; compiler libraries add MLIR's headers, flags and the shared precompiled header.

set(LLMC_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers
  -Wno-deprecated-this-capture)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # Lets ccache hit on objects that use a precompiled header.
  list(APPEND LLMC_WARNINGS "SHELL:-Xclang -fno-pch-timestamp")
endif()

if(LLMC_SANITIZE)
  add_compile_options(-fsanitize=${LLMC_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LLMC_SANITIZE})
endif()

function(llmc_common_settings target)
  target_compile_options(${target} PRIVATE ${LLMC_WARNINGS})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
endfunction()

# A library without LLVM or MLIR (runtime, file formats).
#   llmc_library(name SOURCES a.cpp ... LINK lib ...)
function(llmc_library target)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${target} STATIC ${ARG_SOURCES})
  llmc_common_settings(${target})
  target_link_libraries(${target} PUBLIC ${ARG_LINK})
endfunction()

function(llmc_mlir_settings target)
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${LLVM_DEFINITIONS_LIST})
  target_compile_options(${target} PRIVATE -fno-exceptions)
  target_link_libraries(${target} PUBLIC MLIR LLVM)
endfunction()
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})

# A library of the compiler, on libMLIR.
#   llmc_compiler_library(name SOURCES a.cpp ... LINK lib ... DEPENDS tablegen-target ...)
function(llmc_compiler_library target)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${target} STATIC ${ARG_SOURCES})
  llmc_common_settings(${target})
  llmc_mlir_settings(${target})
  target_link_libraries(${target} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${target} ${ARG_DEPENDS})
  endif()
  if(NOT target STREQUAL LLMCPrecompiledHeader)
    target_precompile_headers(${target} REUSE_FROM LLMCPrecompiledHeader)
  endif()
endfunction()

# A program compiles as the libraries do (-fPIC, not CMake's -fPIE): else it cannot use their precompiled header.
function(llmc_mlir_program_settings target)
  llmc_mlir_settings(${target})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM LLMCPrecompiledHeader)
endfunction()

#   llmc_program(name SOURCES main.cpp LINK lib ...)
function(llmc_program target)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  llmc_common_settings(${target})
  if(ARG_MLIR)
    llmc_mlir_program_settings(${target})
  endif()
  target_link_libraries(${target} PRIVATE ${ARG_LINK})
endfunction()

# A GoogleTest program, registered test by test with ctest. MLIR: it uses MLIR headers.
#   llmc_unit_test(name [MLIR] SOURCES a_test.cpp LINK lib ...)
function(llmc_unit_test target)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  llmc_common_settings(${target})
  if(ARG_MLIR)
    llmc_mlir_program_settings(${target})
  endif()
  target_compile_definitions(${target} PRIVATE LLMC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${target} COMMAND ${target})
  set_tests_properties(${target} PROPERTIES LABELS unit)
  add_dependencies(check ${target})
endfunction()

# Lets libFuzzer see which branches an input takes. It is what -fsanitize=fuzzer asks of the compiler, which refuses
# precompiled headers that were made without that.
function(llmc_fuzzer_coverage target)
  target_compile_options(${target} PRIVATE -fsanitize-coverage=inline-8bit-counters,pc-table,indirect-calls,trace-cmp)
endfunction()

# A libFuzzer program. ctest runs it over its corpus and then for a few seconds.
# MLIR: it uses MLIR headers. DICTIONARY: words of the format.
#   llmc_fuzzer(name [MLIR] SOURCES x_fuzzer.cpp LINK lib ... CORPUS dir [DICTIONARY file])
function(llmc_fuzzer target)
  if(NOT LLMC_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "MLIR" "CORPUS;DICTIONARY" "SOURCES;LINK" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  llmc_common_settings(${target})
  if(ARG_MLIR)
    llmc_mlir_program_settings(${target})
  endif()
  llmc_fuzzer_coverage(${target})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${target} PRIVATE ${ARG_LINK})
  set(scratch ${CMAKE_BINARY_DIR}/fuzz/${target})
  file(MAKE_DIRECTORY ${scratch})
  if(ARG_DICTIONARY)
    set(dictionary -dict=${ARG_DICTIONARY})
  endif()
  add_test(NAME ${target}
    COMMAND ${target} -max_total_time=5 -timeout=10 -rss_limit_mb=2048 ${dictionary} ${scratch} ${ARG_CORPUS})
  set_tests_properties(${target} PROPERTIES LABELS fuzz)
  add_dependencies(check ${target})
endfunction()
