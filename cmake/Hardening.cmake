# SPDX-License-Identifier: BSD-2-Clause
# The flags that dpkg-buildflags(1) sets with hardening=+all, and two that Debian 12 does not set yet: stack
# clash protection and CET. tests/elf/check verifies the programs.

set(KSMS_SANITIZE "" CACHE STRING "sanitizers to build with: address,undefined or thread (scripts/sanitize)")
if(KSMS_SANITIZE)
  add_compile_options(-fsanitize=${KSMS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KSMS_SANITIZE})
  # Sanitizer runtimes open files, map memory and create threads at any time.
  add_compile_definitions(KSMS_SANITIZED)
  # ThreadSanitizer does not support fences; Asio's queues are protected by a mutex anyway.
  if(KSMS_SANITIZE MATCHES thread)
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()
add_compile_options(-fstack-protector-strong -fstack-clash-protection -Wformat -Werror=format-security)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|i.86")
  add_compile_options(-fcf-protection=full)
endif()
# _FORTIFY_SOURCE needs optimization; a sanitizer checks the same calls itself.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT KSMS_SANITIZE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
