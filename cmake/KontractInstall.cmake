# What `cmake --install` writes: a package that may be moved, since nothing in it names a folder
# outside of itself.
#
#   bin/kontract                                     the program
#   include/kontract/ROOM/*.hpp                      what a program includes as "ROOM/name.hpp"
#   lib/libkontract_*                                kontract::client and kontract::runtime, in parts
#   lib/cmake/kontract, lib/pkgconfig/kontract*.pc   how a program finds them
#   share/doc/kontract/LICENSE

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The client is exported by itself, so that who wants nothing else needs neither LMDB nor CAF.
set(client_parts kontract_client kontract_raystream kontract_base kontract_beast kontract_asio)
set(runtime_parts kontract_runtime kontract_net kontract_actors kontract_storage)

# While the version is 0.x, each minor version may break programs.
set(soversion "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
foreach(part IN LISTS client_parts runtime_parts)
  string(REPLACE "kontract_" "" name "${part}")
  add_library(kontract::${name} ALIAS ${part})
  set_target_properties(${part} PROPERTIES
    EXPORT_NAME ${name}
    VERSION "${PROJECT_VERSION}"
    SOVERSION "${soversion}")
endforeach()
if(BUILD_SHARED_LIBS)
  file(RELATIVE_PATH bin_to_lib "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(${client_parts} ${runtime_parts} PROPERTIES INSTALL_RPATH "$ORIGIN")
  set_target_properties(kontract PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
endif()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kontract")
foreach(set IN ITEMS client runtime)
  install(TARGETS ${${set}_parts} EXPORT kontract_${set}
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/kontract"
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/kontract")
  install(EXPORT kontract_${set} FILE kontract-${set}-targets.cmake NAMESPACE kontract::
    DESTINATION "${config_dir}")
endforeach()
install(TARGETS kontract)
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/kontract-config.cmake.in" "${CMAKE_BINARY_DIR}/kontract-config.cmake"
  INSTALL_DESTINATION "${config_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/kontract-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(
  FILES "${CMAKE_BINARY_DIR}/kontract-config.cmake"
    "${CMAKE_BINARY_DIR}/kontract-config-version.cmake" "${CMAKE_CURRENT_LIST_DIR}/FindCAF.cmake"
  DESTINATION "${config_dir}")

# A static library leaves it to the program to link what it needs; a shared one brings that itself.
file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_client_requires "")
set(pc_runtime_requires "")
set(pc_runtime_libs "")
if(NOT BUILD_SHARED_LIBS)
  set(pc_client_requires "libsodium libcrypto libssl")
  set(pc_runtime_requires "lmdb sqlite3 spdlog")
  set(pc_runtime_libs "-ldate-tz")
endif()
foreach(file IN ITEMS kontract.pc kontract-client.pc)
  configure_file("${CMAKE_CURRENT_LIST_DIR}/${file}.in" "${CMAKE_BINARY_DIR}/${file}" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/${file}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
