# kontract_options: warnings as errors, sanitizers, fuzzing and coverage, for our own code only.

add_library(kontract_options INTERFACE)
target_include_directories(kontract_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(kontract_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 at -O2 inside std::string and std::variant (GCC bugs 105329, 105562).
  target_compile_options(kontract_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(KONTRACT_ASAN)
  # CAF's headers bind references to null on purpose, which -fsanitize=null reports.
  set(sanitize -fsanitize=address,undefined -fno-sanitize=null -fno-sanitize-recover=all)
  target_compile_options(kontract_options INTERFACE ${sanitize} -fno-omit-frame-pointer)
  target_link_options(kontract_options INTERFACE ${sanitize})
endif()
if(KONTRACT_FUZZ)
  # Every room is instrumented; only a fuzz target also links libFuzzer's main (tests/fuzz).
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "KONTRACT_FUZZ needs clang++: libFuzzer is a part of clang.")
  endif()
  target_compile_options(kontract_options INTERFACE
    -fsanitize=fuzzer-no-link,address -fno-omit-frame-pointer)
  target_link_options(kontract_options INTERFACE -fsanitize=address)
endif()
if(KONTRACT_COVERAGE)
  target_compile_options(kontract_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(kontract_options INTERFACE --coverage)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(kontract_options INTERFACE -fuse-ld=mold)
endif()

# kontract_room(NAME [PRIVATE lib...] [PUBLIC lib...]): one static library from a folder's sources.
function(kontract_room name)
  cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS
       "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/detail/*.cpp")
  foreach(file IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
  endforeach()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC kontract_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()
