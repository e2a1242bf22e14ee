# Finds OpenBLAS's OpenMP flavour, one thread pool for all of signet, and defines
#   signet::openblas    library, cblas.h, and the run path that keeps to this flavour
#
# Debian installs its flavours side by side under one soname, and the loader's default is the
# one that update-alternatives prefers (pthread, where that is installed too). So the library is
# named by its full path when linking, and its folder is the program's run path.
# On other systems pkg-config's openblas is taken if it says at run time that it uses OpenMP.

if(TARGET signet::openblas)
  return()
endif()

set(_arch "${CMAKE_LIBRARY_ARCHITECTURE}")
find_library(SIGNET_OPENBLAS_LIBRARY openblas
  PATHS "/usr/lib/${_arch}/openblas-openmp" NO_DEFAULT_PATH)
find_path(SIGNET_OPENBLAS_INCLUDE_DIR cblas.h
  PATHS "/usr/include/${_arch}/openblas-openmp" NO_DEFAULT_PATH)

if(NOT SIGNET_OPENBLAS_LIBRARY OR NOT SIGNET_OPENBLAS_INCLUDE_DIR)
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(_openblas QUIET openblas)
  endif()
  find_library(SIGNET_OPENBLAS_LIBRARY openblas HINTS ${_openblas_LIBRARY_DIRS})
  find_path(SIGNET_OPENBLAS_INCLUDE_DIR cblas.h HINTS ${_openblas_INCLUDE_DIRS}
    PATH_SUFFIXES openblas)
  if(SIGNET_OPENBLAS_LIBRARY)
    include(CheckCSourceRuns)
    set(CMAKE_REQUIRED_LIBRARIES "${SIGNET_OPENBLAS_LIBRARY}")
    check_c_source_runs(
      "int openblas_get_parallel(void); int main(void) { return openblas_get_parallel() != 2; }"
      SIGNET_OPENBLAS_HAS_OPENMP)
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(NOT SIGNET_OPENBLAS_HAS_OPENMP)
      message(FATAL_ERROR "${SIGNET_OPENBLAS_LIBRARY} is not built with OpenMP; signet needs that")
    endif()
  endif()
endif()

if(NOT SIGNET_OPENBLAS_LIBRARY OR NOT SIGNET_OPENBLAS_INCLUDE_DIR)
  message(FATAL_ERROR "OpenBLAS (OpenMP flavour) is not installed: run scripts/setup")
endif()
mark_as_advanced(SIGNET_OPENBLAS_LIBRARY SIGNET_OPENBLAS_INCLUDE_DIR)

get_filename_component(_folder "${SIGNET_OPENBLAS_LIBRARY}" DIRECTORY)
add_library(signet::openblas INTERFACE IMPORTED)
target_include_directories(signet::openblas SYSTEM INTERFACE "${SIGNET_OPENBLAS_INCLUDE_DIR}")
target_link_libraries(signet::openblas INTERFACE "${SIGNET_OPENBLAS_LIBRARY}")
if(NOT _folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  # An option, not CMake's own run path: that one is taken out when the program is installed.
  target_link_options(signet::openblas INTERFACE "LINKER:-rpath,${_folder}")
endif()
unset(_arch)
unset(_folder)
set(SignetOpenBLAS_FOUND TRUE)
