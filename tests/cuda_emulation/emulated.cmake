# Programs that run the CUDA back end on the host.

# What every emulated source is compiled with: the emulation's folder before the toolkit's headers.
add_library(sr_cuda_headers INTERFACE)
target_include_directories(sr_cuda_headers INTERFACE ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(sr_cuda_headers SYSTEM INTERFACE ${SR_CUDA_INCLUDE_DIR})
target_compile_definitions(sr_cuda_headers INTERFACE SR_CUDA)
target_link_libraries(sr_cuda_headers INTERFACE OpenMP::OpenMP_CXX Threads::Threads)

file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cuda_emulation/*.cpp)
add_library(sr_cuda_emulation OBJECT ${sources})
target_link_libraries(sr_cuda_emulation PRIVATE sr_cuda_headers)

# sr_tensor again, now with the CUDA back end: the host's part, and the kernels twice, once for the search for races. In
# the kernels alone, because the search is the emulation's own (races.h); so the sanitizer's library is not linked.
set(race_options -fsanitize=thread -Wno-tsan -O1 -g)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tensor/*.cpp)
list(FILTER sources EXCLUDE REGEX "_simd\\.cpp$")
file(GLOB kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tensor/*_cuda.cu ${PROJECT_SOURCE_DIR}/optim/*_cuda.cu
                                    ${PROJECT_SOURCE_DIR}/idn/*_cuda.cu)
set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS -Wno-unknown-pragmas)
add_library(sr_emulated_tensor OBJECT ${sources})
target_link_libraries(sr_emulated_tensor PRIVATE sr_cuda_headers)
set(emulated_objects $<TARGET_OBJECTS:sr_cuda_emulation> $<TARGET_OBJECTS:sr_emulated_tensor>)
foreach(set baseline avx2 avx512)
  list(APPEND emulated_objects $<TARGET_OBJECTS:sr_tensor_${set}>)
endforeach()
set(kernel_objects "")
set(race_kernel_objects "")
if(kernels)
  add_library(sr_emulated_kernels OBJECT ${kernels})
  target_link_libraries(sr_emulated_kernels PRIVATE sr_cuda_headers)
  set(kernel_objects $<TARGET_OBJECTS:sr_emulated_kernels>)
  if(NOT SR_SANITIZE)
    add_library(sr_emulated_kernels_races OBJECT ${kernels})
    target_link_libraries(sr_emulated_kernels_races PRIVATE sr_cuda_headers)
    target_compile_options(sr_emulated_kernels_races PRIVATE ${race_options})
    set(race_kernel_objects $<TARGET_OBJECTS:sr_emulated_kernels_races>)
  endif()
endif()

# sr_emulated_test(name sources...): a test program with the emulated back end in the place of sr_tensor, and NAME_races,
# which looks for races too. (AddressSanitizer does not go together with it.) The objects are linked before any library,
# so none of sr_tensor's own is taken.
function(sr_emulated_test name)
  sr_test(${name} ${ARGN} ${emulated_objects} ${kernel_objects})
  target_link_libraries(${name} PRIVATE sr_cuda_headers)
  target_compile_options(${name} PRIVATE -Wno-unknown-pragmas)
  if(NOT SR_SANITIZE)
    sr_test(${name}_races ${ARGN} ${emulated_objects} ${race_kernel_objects})
    target_link_libraries(${name}_races PRIVATE sr_cuda_headers)
    target_compile_options(${name}_races PRIVATE -Wno-unknown-pragmas ${race_options})
  endif()
endfunction()
