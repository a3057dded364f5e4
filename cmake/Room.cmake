# SPDX-License-Identifier: BSD-2-Clause
# A room is one static library, userspace/NAME. It sees only the headers of the rooms that it names: its
# include path is a directory of symbolic links to itself and to those rooms. An include that is not
# declared here does not compile.

option(KSMS_WERROR "warnings are errors (scripts/build sets it)" OFF)
add_library(ksms_warnings INTERFACE)
target_compile_options(ksms_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast)
if(KSMS_WERROR)
  target_compile_options(ksms_warnings INTERFACE -Werror)
endif()
if(KSMS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # With sanitizers g++ 12 gives false warnings in Boost and std::expected.
  target_compile_options(ksms_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

# Headers (JSON, Asio, the standard library) take most of the compile time, so a unity build compiles eight
# files of a room at a time. These share an unnamed namespace, and an include missing in one goes unnoticed;
# scripts/tidy compiles each file alone.
option(KSMS_UNITY "compile the files of a room together" ON)

# ksms_unity(TARGET)
function(ksms_unity target)
  if(KSMS_UNITY)
    # linux/in.h may follow netinet/in.h, but not precede it.
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8
      UNITY_BUILD_CODE_BEFORE_INCLUDE "#include <netinet/in.h>")
  endif()
endfunction()

# ksms_view(TARGET room...): TARGET may include the headers of these rooms and include/ksms.
function(ksms_view target)
  set(view ${CMAKE_BINARY_DIR}/rooms/${target})
  file(REMOVE_RECURSE ${view})
  file(MAKE_DIRECTORY ${view})
  foreach(room ${ARGN})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/userspace/${room} ${view}/${room} SYMBOLIC)
  endforeach()
  target_include_directories(${target} PRIVATE ${view} ${CMAKE_SOURCE_DIR}/include)
endfunction()

# ksms_room(NAME [SEES room...] [LIBS library...])
function(ksms_room name)
  cmake_parse_arguments(ROOM "" "" "SEES;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/userspace/${name}/*.cpp)
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/rooms/empty_${name}.cpp "")
    set(sources ${CMAKE_BINARY_DIR}/rooms/empty_${name}.cpp)
  endif()
  add_library(ksms_${name} STATIC ${sources})
  ksms_unity(ksms_${name})
  ksms_view(ksms_${name} ${name} ${ROOM_SEES})
  set(rooms ${ROOM_SEES})
  list(TRANSFORM rooms PREPEND ksms_)
  target_link_libraries(ksms_${name} PRIVATE ksms_warnings PUBLIC ${rooms} ${ROOM_LIBS})
endfunction()
