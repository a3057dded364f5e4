# SPDX-License-Identifier: BSD-2-Clause
# BPF C -> object (clang) -> one linked object and its skeleton (bpftool).

find_program(KSMS_CLANG NAMES clang-19 clang REQUIRED)
find_program(KSMS_BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)

# ksms_bpf_skeleton(NAME SOURCES file...): target NAME_skeleton, header NAME.skel.h in its include path with
# struct NAME_bpf in it (a struct and a namespace cannot both be called ksms); NAME.hash.h beside it
function(ksms_bpf_skeleton name)
  cmake_parse_arguments(BPF "" "" "SOURCES" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h ${CMAKE_SOURCE_DIR}/include/ksms/*.h)
  set(objects "")
  foreach(source ${BPF_SOURCES})
    get_filename_component(stem ${source} NAME_WLE)
    set(object ${out}/${stem}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${KSMS_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror
              -I${CMAKE_SOURCE_DIR}/include -I${CMAKE_SOURCE_DIR}/bpf
              -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
              -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${headers} VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${out}/${name}.skel.h ${out}/${name}.hash.h
    COMMAND ${KSMS_BPFTOOL} gen object ${out}/${name}_linked.o ${objects}
    COMMAND ${KSMS_BPFTOOL} gen skeleton ${out}/${name}_linked.o name ${name}_bpf > ${out}/${name}.skel.h
    COMMAND ${CMAKE_COMMAND} -DOBJECT=${out}/${name}_linked.o -DNAME=${name} -DHEADER=${out}/${name}.hash.h
            -P ${CMAKE_SOURCE_DIR}/cmake/ObjectHash.cmake
    DEPENDS ${objects} ${CMAKE_SOURCE_DIR}/cmake/ObjectHash.cmake VERBATIM)
  add_custom_target(${name}_skeleton_files DEPENDS ${out}/${name}.skel.h ${out}/${name}.hash.h)
  add_library(${name}_skeleton INTERFACE)
  add_dependencies(${name}_skeleton ${name}_skeleton_files)
  target_include_directories(${name}_skeleton SYSTEM INTERFACE ${out})
endfunction()
