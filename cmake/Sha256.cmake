# SPDX-License-Identifier: BSD-2-Clause
# ksms_sha256_base64(OUT TEXT): the hash of TEXT for a Content-Security-Policy (CSP 3, 2.3.1).
function(ksms_sha256_base64 out text)
  set(letters ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  # 64 hexadecimal digits are 10 groups of six (four base64 letters each), with four digits left.
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
  # The last letter encodes the padding zeros.
  string(SUBSTRING ${result} 0 43 result)
  set(${out} "${result}=" PARENT_SCOPE)
endfunction()

# ksms_between(OUT TEXT OPEN CLOSE): the text between the first OPEN and the next CLOSE.
function(ksms_between out text open close)
  string(FIND "${text}" "${open}" from)
  string(LENGTH "${open}" length)
  math(EXPR from "${from} + ${length}")
  string(SUBSTRING "${text}" ${from} -1 rest)
  string(FIND "${rest}" "${close}" to)
  string(SUBSTRING "${rest}" 0 ${to} between)
  set(${out} "${between}" PARENT_SCOPE)
endfunction()
