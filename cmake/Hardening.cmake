# SPDX-License-Identifier: BSD-2-Clause
# What dpkg-buildflags(1) sets with hardening=+all, and what it does not set yet in Debian 12: stack clash
# protection and CET. tests/elf/check reads the programs for it.

set(KSMS_SANITIZE "" CACHE STRING "sanitizers to build with: address,undefined or thread (scripts/sanitize)")
if(KSMS_SANITIZE)
  add_compile_options(-fsanitize=${KSMS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KSMS_SANITIZE})
  # Their runtimes open files, map memory and make threads when they like.
  add_compile_definitions(KSMS_SANITIZED)
  # ThreadSanitizer does not understand fences; Asio's queues are under a mutex all the same.
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
# It needs an optimizing build; a sanitizer watches the same calls itself.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT KSMS_SANITIZE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
