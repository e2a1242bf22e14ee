# Finds oneDNN (API v2, OpenMP) and defines signet::dnnl. Its own dnnl-config asks for OpenCL, which Debian's build of
# the library does not need.

if(TARGET signet::dnnl)
  return()
endif()

find_library(SIGNET_DNNL_LIBRARY dnnl)
find_path(SIGNET_DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
if(NOT SIGNET_DNNL_LIBRARY OR NOT SIGNET_DNNL_INCLUDE_DIR)
  message(FATAL_ERROR "oneDNN is not installed: run scripts/setup")
endif()
file(STRINGS "${SIGNET_DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" _version REGEX "define DNNL_VERSION_MAJOR")
if(NOT _version MATCHES " 2$")
  message(FATAL_ERROR "${SIGNET_DNNL_INCLUDE_DIR}/oneapi/dnnl is not oneDNN 2")
endif()
unset(_version)
mark_as_advanced(SIGNET_DNNL_LIBRARY SIGNET_DNNL_INCLUDE_DIR)

add_library(signet::dnnl INTERFACE IMPORTED)
target_include_directories(signet::dnnl SYSTEM INTERFACE "${SIGNET_DNNL_INCLUDE_DIR}")
target_link_libraries(signet::dnnl INTERFACE "${SIGNET_DNNL_LIBRARY}")
set(SignetDnnl_FOUND TRUE)
