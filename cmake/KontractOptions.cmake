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
  # Of the libraries' headers, the tests and the examples nothing is asked: what they have in our
  # programs runs as fast as elsewhere.
  target_compile_options(kontract_options INTERFACE --coverage -fprofile-update=atomic
    "-fprofile-exclude-files=^/usr/|^${CMAKE_SOURCE_DIR}/(tests|examples)/")
  target_link_options(kontract_options INTERFACE --coverage)
endif()

# The allocator of the programs that serve. Blocks are freed on other threads than those that made
# them, over and over (a record by the commit log), which glibc's allocator does slowly
# (docs/architecture.md). A program that embeds the libraries chooses its own.
add_library(kontract_allocator INTERFACE)
if(NOT (KONTRACT_ASAN OR KONTRACT_FUZZ))
  target_link_libraries(kontract_allocator INTERFACE PkgConfig::jemalloc)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(kontract_options INTERFACE -fuse-ld=mold)
endif()

# kontract_room(NAME [FILES pattern...] [EXCLUDE pattern...] [PRIVATE lib...] [PUBLIC lib...])
#
# One library from a folder's files, or from those of them that match FILES. Its public headers are
# installed with it (KontractInstall): all but those in detail/ and those named *_impl.hpp.
function(kontract_room name)
  cmake_parse_arguments(ARG "" "" "FILES;EXCLUDE;PUBLIC;PRIVATE" ${ARGN})
  if(NOT ARG_FILES)
    set(ARG_FILES *.hpp *.cpp detail/*.cpp)
  endif()
  list(TRANSFORM ARG_FILES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  file(GLOB files CONFIGURE_DEPENDS ${ARG_FILES})
  if(ARG_EXCLUDE)
    list(TRANSFORM ARG_EXCLUDE PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
    file(GLOB excluded CONFIGURE_DEPENDS ${ARG_EXCLUDE})
    list(REMOVE_ITEM files ${excluded})
  endif()
  set(sources ${files})
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  set(headers ${files})
  list(FILTER headers INCLUDE REGEX "\\.hpp$")
  list(FILTER headers EXCLUDE REGEX "/detail/[^/]*$|_impl\\.hpp$")
  add_library(${name} ${sources})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS "${CMAKE_SOURCE_DIR}" FILES ${headers})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_link_libraries(${name}
    PUBLIC $<BUILD_INTERFACE:kontract_options> ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()
