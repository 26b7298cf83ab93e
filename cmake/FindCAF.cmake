# Finds the C++ Actor Framework, which brings no package of its own before 0.18, as CAF::core.
# Used here and, installed, by programs that find kontract.

find_path(CAF_INCLUDE_DIR caf/config.hpp)
find_library(CAF_CORE_LIBRARY caf_core)
mark_as_advanced(CAF_INCLUDE_DIR CAF_CORE_LIBRARY)

set(CAF_VERSION 0)
if(CAF_INCLUDE_DIR)
  # `#define CAF_VERSION 1706` is 0.17.6.
  file(STRINGS "${CAF_INCLUDE_DIR}/caf/config.hpp" caf_line REGEX "^#define CAF_VERSION [0-9]+$")
  if(caf_line MATCHES "([0-9]+)$")
    set(caf_number ${CMAKE_MATCH_1})
    math(EXPR caf_major "${caf_number} / 10000")
    math(EXPR caf_minor "${caf_number} / 100 % 100")
    math(EXPR caf_patch "${caf_number} % 100")
    set(CAF_VERSION ${caf_major}.${caf_minor}.${caf_patch})
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_CORE_LIBRARY CAF_INCLUDE_DIR
  VERSION_VAR CAF_VERSION
  HANDLE_VERSION_RANGE)

if(CAF_FOUND AND NOT TARGET CAF::core)
  find_package(Threads REQUIRED)
  add_library(CAF::core UNKNOWN IMPORTED)
  set_target_properties(CAF::core PROPERTIES
    IMPORTED_LOCATION "${CAF_CORE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
