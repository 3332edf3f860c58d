# Compiles CUDA kernels for the host.

# What emulated sources are compiled with.
add_library(sr_cuda_headers INTERFACE)
target_include_directories(sr_cuda_headers INTERFACE ${PROJECT_SOURCE_DIR})
target_include_directories(sr_cuda_headers SYSTEM INTERFACE ${SR_CUDA_INCLUDE_DIR})
target_compile_definitions(sr_cuda_headers INTERFACE SR_CUDA SR_CUDA_EMULATED)
target_compile_options(sr_cuda_headers INTERFACE -Wno-unknown-pragmas -Wno-psabi)  # kernels take aligned parameters
# fmaf as an instruction instead of a call, where this machine has it: half of the float32 kernels' time.
file(STRINGS /proc/cpuinfo with_fma REGEX "^flags.* fma( |$)" LIMIT_COUNT 1)
if(with_fma)
  target_compile_options(sr_cuda_headers INTERFACE -mfma)
endif()
target_link_libraries(sr_cuda_headers INTERFACE OpenMP::OpenMP_CXX Threads::Threads)

file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
list(FILTER sources EXCLUDE REGEX "_test\\.cpp$|cuda_emulation/nccl/")
# The loops of wgmma, half of the tests' time under the sanitizers, touch only what they have checked themselves.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/hopper/wgmma.cpp
                            PROPERTIES COMPILE_OPTIONS "-O2;-fno-sanitize=address,undefined")
add_library(sr_cuda_emulation OBJECT EXCLUDE_FROM_ALL ${sources})
target_link_libraries(sr_cuda_emulation PRIVATE sr_cuda_headers)
target_compile_options(sr_cuda_emulation PRIVATE ${optimized})
add_library(sr_emulated_gpu OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/support/emulated_gpu.cpp)
target_link_libraries(sr_emulated_gpu PRIVATE sr_cuda_headers)

# A library with its CUDA back end on the host.
function(sr_emulate library)
  target_sources(${library} PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  target_link_libraries(${library} PUBLIC sr_cuda_headers)
  if(NOT TARGET sr_emulated_runtime)
    add_library(sr_emulated_runtime STATIC $<TARGET_OBJECTS:sr_cuda_emulation>)
    # What it takes of the program that loads it, which must have it: emulation::start(), place_of(), cudaGetDevice().
    add_library(sr_emulated_nccl SHARED ${PROJECT_SOURCE_DIR}/tests/cuda_emulation/nccl/nccl.cpp)
    set_target_properties(sr_emulated_nccl PROPERTIES OUTPUT_NAME nccl SOVERSION 2
                          LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
    target_link_libraries(sr_emulated_nccl PRIVATE sr_cuda_headers)
    add_dependencies(sr_emulated_runtime sr_emulated_nccl)
    foreach(symbol _ZN2sr9emulation5startE* _ZN2sr9emulation8place_ofE* cudaGetDevice)
      target_link_options(sr_emulated_runtime INTERFACE LINKER:--export-dynamic-symbol=${symbol})
    endforeach()
    target_link_options(sr_emulated_runtime INTERFACE LINKER:--undefined=cudaGetDevice LINKER:--undefined=cudaStreamQuery)
  endif()
  target_link_libraries(${library} PUBLIC sr_emulated_runtime)
endfunction()

# A test program with the host's kernels and runtime in the place of the device's, which looks for races. They are linked
# before any library, so none of the libraries' own is taken. The search is the emulation's own (races.h): the sanitizer's
# library is not linked, and AddressSanitizer does not go together with it.
function(sr_race_test name)
  sr_test(${name} ${ARGN} $<TARGET_OBJECTS:sr_emulated_gpu> $<TARGET_OBJECTS:sr_cuda_emulation> $<TARGET_OBJECTS:sr_race_kernels>)
endfunction()
# For sources with kernels.
set(race_options -fsanitize=thread -Wno-tsan -O1 -g1)
