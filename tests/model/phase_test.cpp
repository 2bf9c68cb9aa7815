#include "model/phase.h"

#include <gtest/gtest.h>

#include <random>

#include "model/arithmetic.h"
#include "model/plain_moduli.h"

namespace flash::model {
namespace {

std::int64_t modulo(std::int64_t x, std::int64_t modulus) { return (x % modulus + modulus) % modulus; }

// With one modulus all roundings are those of the exact quotient, which integers of 64 bits hold.
TEST(Phase, OneModulusRoundsExactly) {
    std::mt19937_64 random(1);
    for (int bits : {20, 24, 28})
        for (int m : {6, 9, 16}) {
            const std::uint32_t modulus = plain_moduli({}, bits).front();
            const FractionOf fraction(modulus);
            const auto T = static_cast<std::int64_t>(modulus);
            std::vector<std::int64_t> values{0,     1,         -1,        T,           -T,          T - 1,
                                             T / 2, T / 2 + 1, 5 * T + 7, (1ll << 62), -(1ll << 62)};
            for (int unit = -3; unit < 3; ++unit)  // beside the multiples of a unit and their halves
                for (int step = -2; step <= 2; ++step) {
                    values.push_back(((unit * T) >> m) + step);
                    values.push_back(((unit * T + T / 2) >> m) + step);
                }
            for (int i = 0; i < 2000; ++i) values.push_back(static_cast<std::int64_t>(random()) >> (2 + random() % 40));
            for (std::int64_t acc : values) {
                const std::int64_t scaled = centre(acc, modulus) * (std::int64_t{1} << m), unit = std::int64_t{1} << m;
                const std::int64_t floor = (scaled - modulo(scaled, T)) / T, rest = modulo(scaled, T);
                const Fraction phase = fraction(acc);
                EXPECT_EQ(modulo(round_nearest(phase, m), unit), modulo(floor + (2 * rest > T), unit)) << acc;
                // The random number at which it turns, and its neighbours.
                const auto turn = static_cast<std::uint32_t>((static_cast<std::uint64_t>(rest) << 32) /
                                                             static_cast<std::uint64_t>(T));
                for (std::uint32_t draw : {turn - 1, turn, turn + 1, static_cast<std::uint32_t>(random())}) {
                    const bool up = static_cast<lattice::u128>(draw) * modulus < static_cast<lattice::u128>(rest) << 32;
                    EXPECT_EQ(modulo(round_stochastic(phase, m, draw), unit), modulo(floor + up, unit)) << acc;
                }
            }
        }
}

TEST(Phase, SumsWrapModOne) {
    const auto moduli = plain_moduli({8192, 3}, 24);
    // 1 / T_1 + 1 / T_2 + (T_3 - 1) / T_3 is a little above one.
    Fraction phase = 0;
    phase += FractionOf(moduli[0])(1);
    phase += FractionOf(moduli[1])(1);
    phase += FractionOf(moduli[2])(-1);
    const long double exact = 1.0L / moduli[0] + 1.0L / moduli[1] - 1.0L / moduli[2];
    EXPECT_NEAR(static_cast<double>(std::ldexp(static_cast<long double>(phase), -128)), static_cast<double>(exact),
                1e-25);
    EXPECT_EQ(round_nearest(phase, 16), 0);
    EXPECT_EQ(round_stochastic(phase, 16, 0), 1);
}

TEST(Phase, UseIsFourTimesTheSum) {
    const Accumulators acc{{101, 103}, {{25, -26, 10}, {0, 0, -10}}};
    EXPECT_LT(acc.use(0), 1);
    EXPECT_LT(acc.use(1), -1);
    EXPECT_DOUBLE_EQ(acc.use(2), 40.0 / 101 - 40.0 / 103);
    EXPECT_EQ(acc.size(), 3u);
}

}  // namespace
}  // namespace flash::model
