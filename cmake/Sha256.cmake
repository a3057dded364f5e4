# SPDX-License-Identifier: BSD-2-Clause
# ksms_sha256_base64(OUT TEXT): the hash of a text as Content-Security-Policy has it (CSP 3, 2.3.1).
function(ksms_sha256_base64 out text)
  set(letters ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  # 64 hexadecimal digits are 10 groups of six (four letters each) and four digits over.
  set(result "")
  foreach(group RANGE 10)
    math(EXPR at "${group} * 6")
    string(SUBSTRING "${hex}00" ${at} 6 digits)
    math(EXPR bits "0x${digits}")
    foreach(shift 18 12 6 0)
      math(EXPR letter "(${bits} >> ${shift}) & 63")
      string(SUBSTRING ${letters} ${letter} 1 letter)
      string(APPEND result ${letter})
    endforeach()
  endforeach()
  # The last letter is of the zeros that were put behind.
  string(SUBSTRING ${result} 0 43 result)
  set(${out} "${result}=" PARENT_SCOPE)
endfunction()

# ksms_between(OUT TEXT OPEN CLOSE): what stands between the first OPEN and the CLOSE behind it.
function(ksms_between out text open close)
  string(FIND "${text}" "${open}" from)
  string(LENGTH "${open}" length)
  math(EXPR from "${from} + ${length}")
  string(SUBSTRING "${text}" ${from} -1 rest)
  string(FIND "${rest}" "${close}" to)
  string(SUBSTRING "${rest}" 0 ${to} between)
  set(${out} "${between}" PARENT_SCOPE)
endfunction()
