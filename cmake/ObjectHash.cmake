# SPDX-License-Identifier: BSD-2-Clause
# cmake -DOBJECT=FILE -DNAME=WORD -DHEADER=FILE -P ObjectHash.cmake: a header with NAME_object_hash, 64 bits that tell
# builds of the object apart. At run time hashing it would touch all of it.
file(SHA256 ${OBJECT} hash)
string(SUBSTRING ${hash} 0 16 hash)
file(WRITE ${HEADER} "inline constexpr unsigned long long ${NAME}_object_hash = 0x${hash};\n")
