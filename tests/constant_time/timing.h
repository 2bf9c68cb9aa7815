// Whether the time of some work depends on its secret, as dudect asks it (eprint 2016/1123): two populations of times,
// for a fixed secret and for random ones, in random order, and Welch's t-test of the hypothesis that they have one
// mean.
#pragma once

#include <chrono>
#include <cstdint>

#include "constant_time/operations.h"

namespace flash::constant_time {

struct Timing {
    std::uint64_t measurements = 0;
    /// The largest of the statistics over the times below some quantiles: a mean of all is one of interruptions.
    double t = 0;
};
/// Beyond this the times differ, as dudect's authors count: the statistic of work that takes one time grows with
/// nothing, and that of work that does not with the square root of the measurements.
inline constexpr double kLeak = 10;

Timing measure(Operation& operation, std::chrono::duration<double> time, std::uint64_t seed);

}  // namespace flash::constant_time
