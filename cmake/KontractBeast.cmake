# Asio and Beast are compiled once, here; every user only sees declarations. No installed header
# includes them, so that a program that uses the package needs no Boost.
add_library(kontract_asio "${CMAKE_SOURCE_DIR}/cmake/asio_src.cpp")
target_link_libraries(kontract_asio PUBLIC $<BUILD_INTERFACE:Boost::headers> Threads::Threads)
target_compile_definitions(kontract_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)

add_library(kontract_beast "${CMAKE_SOURCE_DIR}/cmake/beast_src.cpp")
target_link_libraries(kontract_beast PUBLIC kontract_asio)
target_compile_definitions(kontract_beast PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
