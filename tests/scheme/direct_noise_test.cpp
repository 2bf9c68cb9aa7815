// The bound on the noise of a linear layer, measured in every ring.
#include "scheme/direct_noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lattice/shifted_product.h"
#include "lattice/words.h"
#include "scheme/direct.h"
#include "support/scaled_share.h"

namespace flash::scheme {
namespace {

using lattice::CoefficientTiles;

/// The standard deviation of the phase of a product of uploaded ciphertexts with int8 weights, as the two parties
/// compute it.
double measured_deviation(const DirectRing& ring, int upload_bits, int share_bits, int multiplier, double& energy) {
    constexpr std::size_t kInputs = 12, kTaps = 9;
    constexpr std::uint32_t kModulus = 16760833;
    const std::size_t n = ring.degree;
    const CoefficientTiles whole = CoefficientTiles::whole(n);
    const PublicPolynomials publics(Sha256{1});
    Prng rng(SecretSeed::for_testing(static_cast<std::uint64_t>(100 * upload_bits + share_bits)), "noise");
    std::mt19937_64 random(1);
    DirectSecretKey key(publics, ring, rng);
    const DirectPublicKey public_key(publics, ring, key.public_b());
    std::vector<lattice::ShiftedInput> columns;
    std::vector<std::int8_t> weights;
    energy = 0;
    for (std::uint32_t input = 0; input < kInputs; ++input)
        for (std::size_t tap = 0; tap < kTaps; ++tap) {
            columns.push_back({input, static_cast<std::int32_t>(tap * 5) - 20});
            weights.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127));
            energy += std::pow(static_cast<double>(multiplier) * weights.back(), 2);
        }
    const lattice::ShiftedProduct product(n, kInputs, columns, weights, 1, static_cast<std::uint32_t>(multiplier));

    const int dropped_bits = 32 - upload_bits;
    const std::uint32_t byte_unit = std::uint32_t{1} << (dropped_bits / 8 * 8);
    std::vector<std::uint32_t> a(kInputs * n), b(kInputs * n), plain(kInputs * n);
    double squares = 0;
    std::size_t count = 0;
    for (std::uint32_t round = 0; round < 8; ++round) {
        for (std::uint32_t p = 0; p < kInputs; ++p) {
            Poly32 values(n), own(n), words(n);
            for (std::size_t i = 0; i < n; ++i) {
                const auto share = static_cast<std::uint32_t>(random() % kModulus);
                values[i] = share;
                own[i] = static_cast<std::uint32_t>(random() % kModulus);
                plain[p * n + i] = (values[i] + own[i]) % kModulus;
            }
            key.encrypt({round, p}, flash::testing::ScaledShare(values, kModulus), rng, words);
            lattice::round_to_top_bits(words, upload_bits);
            lattice::from_top_bits(words, upload_bits);
            EXPECT_TRUE(lattice::add_scaled(own, kModulus, words));
            for (std::uint32_t& word : words) word = (word + byte_unit / 2) & (0 - byte_unit);
            std::ranges::copy(words, b.begin() + static_cast<std::ptrdiff_t>(p * n));
            publics.upload({round, p}, std::span(a).subspan(p * n, n));
        }
        Poly32 out_a(n), out_b(n), phase(n), rho(n);
        product.apply(a, whole, 0, out_a);
        product.apply(b, whole, 0, out_b);
        for (std::uint32_t& word : rho) word = rng.u32();
        std::vector<std::uint16_t> positions(n);
        for (std::size_t i = 0; i < n; ++i) positions[i] = static_cast<std::uint16_t>(i);
        public_key.mask(out_a, positions, out_b, rho, rng);
        for (const auto& [words, bits] :
             {std::pair(&out_a, response_a_bits(share_bits)), std::pair(&out_b, response_b_bits(share_bits))}) {
            lattice::round_to_top_bits(*words, bits);
            lattice::from_top_bits(*words, bits);
        }
        key.decrypt(out_a, positions, out_b, phase);
        // What it should be: q/T times the product of the plaintexts, mod T.
        for (std::size_t i = 0; i < n; ++i) {
            std::int64_t sum = 0;
            for (std::size_t c = 0; c < columns.size(); ++c) {
                const std::int64_t from = static_cast<std::int64_t>(i) - columns[c].shift,
                                   size = static_cast<std::int64_t>(n);
                const std::int64_t at = ((from % size) + size) % size;
                const std::int64_t value = plain[columns[c].input * n + static_cast<std::size_t>(at)];
                sum += multiplier * weights[c] * (from < 0 || from >= size ? -value : value);
            }
            const auto residue = static_cast<std::uint32_t>(((sum % kModulus) + kModulus) % kModulus);
            const auto error = static_cast<std::int32_t>(phase[i] - rho[i] - scale_up(residue, kModulus));
            squares += static_cast<double>(error) * error;
            ++count;
        }
    }
    return std::sqrt(squares / static_cast<double>(count));
}

TEST(DirectNoise, IsWhatTheBoundSaysInEveryRing) {
    struct Case {
        int upload_bits, share_bits, multiplier;
    };
    for (const DirectRing& ring : kDirectRings)
        // Uploads as fine as q, with few and many bits dropped, and results whose rounding dominates.
        for (const Case& c : {Case{32, 10, 3}, Case{27, 10, 3}, Case{26, 10, 3}, Case{26, 9, 5}, Case{24, 8, 5},
                              Case{20, 8, 2}, Case{25, 8, 1}}) {
            if (c.upload_bits > ring.modulus_bits) continue;
            double energy = 0;
            const double measured = measured_deviation(ring, c.upload_bits, c.share_bits, c.multiplier, energy);
            const double predicted = phase_noise(energy, c.upload_bits, c.share_bits, ring) / 10;
            EXPECT_NEAR(measured / predicted, 1, 0.08)
                << ring.degree << ", " << c.upload_bits << " bits, m = " << c.share_bits;
        }
}

TEST(DirectNoise, UploadsHaveNoMoreBitsThanQ) {
    const DirectRing& small = kDirectRings[1];
    EXPECT_EQ(phase_noise(1e4, 26, 9, small), phase_noise(1e4, 32, 9, small)) << "all bits of q travel";
    EXPECT_GT(phase_noise(1e4, 25, 9, small), phase_noise(1e4, 26, 9, small));
    // More noise of the uploads than in the large ring: their errors are 64 times as large.
    EXPECT_GT(phase_noise(1e7, 26, 9, small), phase_noise(1e7, 26, 9));
}

}  // namespace
}  // namespace flash::scheme
