# Finds the FAISS that scripts/setup has built, and defines
#   signet::faiss    libfaiss_c.a, libfaiss.a and all they need; <faiss/...>, <faiss/c_api/...>
#
# SIGNET_FAISS_DIR names another folder with include/ and lib/; the environment's SIGNET_CACHE
# names another cache. The languages C and CXX must be enabled: a program that links this
# target is linked by the C++ compiler.

if(TARGET signet::faiss)
  return()
endif()

set(_default "$ENV{SIGNET_CACHE}")
if(_default STREQUAL "")
  set(_default "$ENV{XDG_CACHE_HOME}")
  if(_default STREQUAL "")
    set(_default "$ENV{HOME}/.cache")
  endif()
  string(APPEND _default "/signet")
endif()
# The folder's name is that of scripts/setup.
set(SIGNET_FAISS_DIR "${_default}/faiss-1.7.3-v2" CACHE PATH "FAISS as scripts/setup builds it")

foreach(_file lib/libfaiss_c.a lib/libfaiss.a include/faiss/c_api/IndexBinary_c.h)
  if(NOT EXISTS "${SIGNET_FAISS_DIR}/${_file}")
    message(FATAL_ERROR "there is no ${SIGNET_FAISS_DIR}/${_file}: run scripts/setup")
  endif()
endforeach()

find_package(SignetOpenBLAS REQUIRED)

# The archives' OpenMP calls are gcc's. Another compiler's own runtime must not join in.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  set(_openmp OpenMP::OpenMP_CXX)
else()
  set(_openmp gomp)
endif()

# The linker reads static libraries once, from left to right. As targets of their own that say what
# they use, the archives stand before it, whatever else the program links.
foreach(_name faiss faiss_core)
  add_library(signet::${_name} STATIC IMPORTED)
  set_target_properties(signet::${_name} PROPERTIES IMPORTED_LINK_INTERFACE_LANGUAGES CXX)
  target_include_directories(signet::${_name} SYSTEM INTERFACE "${SIGNET_FAISS_DIR}/include")
endforeach()
set_target_properties(signet::faiss PROPERTIES IMPORTED_LOCATION "${SIGNET_FAISS_DIR}/lib/libfaiss_c.a")
set_target_properties(signet::faiss_core PROPERTIES IMPORTED_LOCATION "${SIGNET_FAISS_DIR}/lib/libfaiss.a")
target_link_libraries(signet::faiss INTERFACE signet::faiss_core)
target_link_libraries(signet::faiss_core INTERFACE signet::openblas ${_openmp} stdc++ m)

unset(_default)
unset(_file)
unset(_name)
unset(_openmp)
set(SignetFaiss_FOUND TRUE)
