# find_package(Llmc), in the build tree and where llmc is installed: passes can be built outside of this repository
# (docs/tutorials/write-a-pass.md).

include(GNUInstallDirs)
set(MLIR_VERSION_SHORT ${LLVM_VERSION_MAJOR}.${LLVM_VERSION_MINOR})

set(LLMC_CONFIG_TO_PREFIX .)
set(LLMC_CONFIG_INCLUDE_DIRS "\"${CMAKE_SOURCE_DIR}\" \"${CMAKE_BINARY_DIR}\"")
configure_file(cmake/LlmcConfig.cmake.in LlmcConfig.cmake @ONLY)

set(LLMC_CONFIG_TO_PREFIX ../../..)
set(LLMC_CONFIG_INCLUDE_DIRS "\"\${LLMC_PREFIX}/include/llmc\"")
configure_file(cmake/LlmcConfig.cmake.in installed/LlmcConfig.cmake @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/installed/LlmcConfig.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Llmc)
foreach(folder dialects passes)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder} DESTINATION include/llmc FILES_MATCHING PATTERN "*.h" PATTERN "*.td")
  install(DIRECTORY ${CMAKE_BINARY_DIR}/${folder} DESTINATION include/llmc
    FILES_MATCHING PATTERN "*.h.inc" PATTERN "CMakeFiles" EXCLUDE)
endforeach()
install(TARGETS llmc-opt)
