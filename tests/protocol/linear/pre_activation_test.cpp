#include "protocol/linear/pre_activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace flash::protocol {
namespace {

TEST(PreActivation, TruncationOfBothSharesIsFloorOrCeiling) {
    std::mt19937_64 rng(4);
    for (int bits : {8, 11, 16})
        for (int i = 0; i < 20000; ++i) {
            const auto value = static_cast<std::int64_t>(rng() % (std::uint64_t{1} << 30)) -
                               (std::int64_t{1} << 29);  // the phase, |.| < q/8
            const auto rho = static_cast<std::uint32_t>(rng());
            const std::uint32_t client = client_pre_activation(static_cast<std::uint32_t>(value) + rho, bits);
            const std::int32_t x = reconstruct(client, server_pre_activation(rho, bits), bits);
            const double exact_x = static_cast<double>(value) / static_cast<double>(std::int64_t{1} << (32 - bits));
            ASSERT_LE(std::abs(x - exact_x), 1.0);
        }
}

}  // namespace
}  // namespace flash::protocol
