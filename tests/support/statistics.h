// Tests of uniformity.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace flash::testing {

/// Counts values by 256 equal classes and reports how far the counts are from uniform.
class Uniformity {
public:
    /// value uniform in [0, 2^bits): classed by its top byte and, if it has two bytes, also by its low byte.
    void add(std::uint64_t value, int bits) {
        ++top_[(value >> (bits - 8)) & 255];
        ++low_[value & 255];
        ++count_;
    }
    /// value uniform in [0, modulus).
    void add_residue(std::uint64_t value, std::uint64_t modulus) {
        ++top_[static_cast<std::size_t>(static_cast<long double>(value) / static_cast<long double>(modulus) * 256) &
               255];
        ++low_[value & 255];
        ++count_;
    }
    std::size_t count() const { return count_; }

    /// Standard score of the chi-square statistic (255 degrees of freedom): about normal with mean 0 and deviation 1 if
    /// the values are uniform. The larger of both classings.
    double score() const { return std::max(score_of(top_), score_of(low_)); }

private:
    double score_of(const std::array<std::size_t, 256>& counts) const {
        const double expected = static_cast<double>(count_) / 256;
        double chi = 0;
        for (std::size_t c : counts)
            chi += (static_cast<double>(c) - expected) * (static_cast<double>(c) - expected) / expected;
        return (chi - 255) / std::sqrt(2.0 * 255);
    }
    std::array<std::size_t, 256> top_{}, low_{};
    std::size_t count_ = 0;
};

/// A score above this has a probability below 1e-7 for uniform values.
inline constexpr double kUniformScore = 6;

}  // namespace flash::testing
