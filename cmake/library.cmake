# What other projects link: static libraries, their public headers and what find_package(superres) reads, all of component
# "dev". The packages of the programs are made of the rest (set before include(CPack)).
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};${PROJECT_NAME};Unspecified;/")

if(SR_SANITIZE OR SR_CUDA_EMULATED)
  message(STATUS "The library is not installed: what links it would need the sanitizers, or the tests' emulated GPU")
  return()
endif()

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/superres)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/superres)  # where "tensor/tensor.h" begins, as in the sources

add_library(sr_layers INTERFACE)
target_link_libraries(sr_layers INTERFACE sr_autograd)
foreach(name tensor autograd layers optim io idn scene)
  set_target_properties(sr_${name} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME superres_${name})
  install(TARGETS sr_${name} EXPORT superres COMPONENT dev INCLUDES DESTINATION ${headers})
endforeach()
install(EXPORT superres NAMESPACE superres:: FILE superresTargets.cmake DESTINATION ${package} COMPONENT dev)

# The list is complete: headers of it include nothing of the project but each other.
file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/public_headers.txt public_headers REGEX "^[^#]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/public_headers.txt)
foreach(header ${public_headers})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${headers}/${folder} COMPONENT dev)
endforeach()

install(DIRECTORY pretrained DESTINATION ${CMAKE_INSTALL_DATADIR}/superres COMPONENT dev)  # superres_PRETRAINED

set(superres_with_cuda OFF)
if(CMAKE_CUDA_COMPILER)
  set(superres_with_cuda ON)
endif()
set(superres_pretrained ${CMAKE_INSTALL_DATADIR}/superres/pretrained)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/superresConfig.cmake.in
                              ${CMAKE_CURRENT_BINARY_DIR}/superresConfig.cmake
                              INSTALL_DESTINATION ${package} PATH_VARS superres_pretrained)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/superresConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/superresConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/superresConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindGeoTIFF.cmake DESTINATION ${package} COMPONENT dev)
