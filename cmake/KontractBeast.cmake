# Asio and Beast are compiled once, here; every user only sees declarations.
add_library(kontract_asio STATIC "${CMAKE_SOURCE_DIR}/cmake/asio_src.cpp")
target_link_libraries(kontract_asio PUBLIC Boost::headers Threads::Threads)
target_compile_definitions(kontract_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)

add_library(kontract_beast STATIC "${CMAKE_SOURCE_DIR}/cmake/beast_src.cpp")
target_link_libraries(kontract_beast PUBLIC kontract_asio)
target_compile_definitions(kontract_beast PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)

# Foreign headers are not held to our warnings.
add_library(kontract_caf INTERFACE)
target_include_directories(kontract_caf SYSTEM INTERFACE "${CAF_INCLUDE}")
target_link_libraries(kontract_caf INTERFACE "${CAF_CORE}" Threads::Threads)
