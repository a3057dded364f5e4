// SPDX-License-Identifier: BSD-2-Clause
// Services over routers. For the files of this room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output/text.hpp"

namespace ksms {

/// One line: a service, or several neighbours with the same answers.
struct MatrixRow {
    std::size_t first{0}, count{1};  ///< indices into Report::services
    std::string service, name, why;
    Verdict end{Verdict::unknown};
};

/// "YES", "NO", "?", "-" (stopped before), "." (not on its path)
[[nodiscard]] const char* cell_of(const ServiceAtRouter& answer);

std::vector<MatrixRow> matrix_rows(const Report& report, bool details);

/// Headings and rows, in as many blocks as the width asks for.
std::string matrix_text(const Report& report, const std::vector<MatrixRow>& rows,
                        const TextStyle& style);

}  // namespace ksms
