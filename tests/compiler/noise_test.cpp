// The bound on the noise of a linear layer, measured in every ring, and the choice of the ring.
#include "compiler/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/choose_packing.h"
#include "compiler/compile.h"
#include "lattice/shifted_product.h"
#include "lattice/words.h"
#include "packing/alternatives.h"
#include "scheme/direct.h"
#include "support/random_model.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

using lattice::CoefficientTiles;
using scheme::DirectRing;
using scheme::Poly32;

/// The standard deviation of the phase of a product of uploaded ciphertexts with int8 weights, as the two parties
/// compute it.
double measured_deviation(const DirectRing& ring, int upload_bits, int share_bits, int multiplier, double& energy) {
    constexpr std::size_t kInputs = 12, kTaps = 9;
    constexpr std::uint32_t kModulus = 16760833;
    const std::size_t n = ring.degree;
    const CoefficientTiles whole = CoefficientTiles::whole(n);
    const scheme::PublicPolynomials publics(Sha256{1});
    Prng rng(SecretSeed::for_testing(static_cast<std::uint64_t>(100 * upload_bits + share_bits)), "noise");
    std::mt19937_64 random(1);
    scheme::DirectSecretKey key(publics, ring, rng);
    const scheme::DirectPublicKey public_key(publics, ring, key.public_b());
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
            key.encrypt({round, p}, values, kModulus, rng, words);
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
        for (const auto& [words, bits] : {std::pair(&out_a, scheme::response_a_bits(share_bits)),
                                          std::pair(&out_b, scheme::response_b_bits(share_bits))}) {
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
            const auto error = static_cast<std::int32_t>(phase[i] - rho[i] - scheme::scale_up(residue, kModulus));
            squares += static_cast<double>(error) * error;
            ++count;
        }
    }
    return std::sqrt(squares / static_cast<double>(count));
}

TEST(Noise, IsWhatTheBoundSaysInEveryRing) {
    struct Case {
        int upload_bits, share_bits, multiplier;
    };
    for (const DirectRing& ring : scheme::kDirectRings)
        // Uploads as fine as q, with few and many bits dropped, and results whose rounding dominates.
        for (const Case& c :
             {Case{32, 10, 3}, Case{27, 10, 3}, Case{26, 9, 5}, Case{24, 8, 5}, Case{20, 8, 2}, Case{25, 8, 1}}) {
            if (c.upload_bits > ring.modulus_bits) continue;
            double energy = 0;
            const double measured = measured_deviation(ring, c.upload_bits, c.share_bits, c.multiplier, energy);
            const double predicted = phase_noise(energy, c.upload_bits, c.share_bits, ring) / 10;
            EXPECT_NEAR(measured / predicted, 1, 0.08)
                << ring.degree << ", " << c.upload_bits << " bits, m = " << c.share_bits;
        }
}

TEST(Noise, UploadsNeedNoMoreBitsThanQHas) {
    const DirectRing& small = scheme::kDirectRings[1];
    EXPECT_EQ(least_upload_bits(1e12, 12, small), 27);
    EXPECT_EQ(phase_noise(1e4, 27, 9, small), phase_noise(1e4, 32, 9, small)) << "all bits of q travel";
    EXPECT_GT(phase_noise(1e4, 26, 9, small), phase_noise(1e4, 27, 9, small));
    // More noise of the uploads than in the large ring: their errors are 32 times as large.
    EXPECT_GT(phase_noise(1e7, 27, 9, small), phase_noise(1e7, 27, 9));
    for (double energy : {1.0, 1e3, 1e5, 3e6})
        EXPECT_LE(least_upload_bits(energy, 9), least_upload_bits(energy, 9, small));
}

TEST(Noise, EveryChannelOfAPolynomialBringsItsOwn) {
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 1), 5);
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 2), 7);
    EXPECT_EQ(packed_energy({9, 2, 3, 4, 5}, 2), 11);
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 8), 15);
}

TEST(Noise, TermsThatReadTheSameUploadsMultiplyTheSameNoise) {
    model::Layer layer;
    layer.output = {2, 4, 4};
    layer.terms.resize(2);
    layer.terms[0].window = {3, 3, 1, 1, 1, 1, 1, 1};
    layer.terms[1].kind = model::TermKind::kScale;
    model::LayerWeights weights;
    weights.terms.resize(2);
    weights.terms[0].multiplier = 2;
    weights.terms[0].weights.assign(std::size_t{2} * 2 * 9, 1);
    weights.terms[1].scale = {3, 5};
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{2 * (72 + 9), 2 * (72 + 25)}));
    layer.terms[1].source = 1;
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{72 + 9, 72 + 25}));
    layer.terms[1].source = 0;
    layer.terms[1].window = {1, 1, 2, 2};
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{72 + 9, 72 + 25}));
}

std::size_t small_groups(const model::Architecture& architecture) {
    std::size_t count = 0;
    for (const auto& group : packing::layer_groups(architecture))
        count += packing::choice_of(architecture, group).degree == 1024;
    return count;
}

/// The bytes of all uploads and results.
std::uint64_t bytes_of(const model::Architecture& architecture) {
    std::uint64_t sum = 0;
    for (const auto& group : packing::layer_groups(architecture))
        sum += packing::packed_as(architecture, group, packing::choice_of(architecture, group)).bytes();
    return sum;
}

model::Model random_model(std::uint64_t seed) {
    flash::testing::RandomModelOptions options;
    options.mixed_rings = false;
    options.share_bits = 9;
    return flash::testing::random_model(seed, options);
}

TEST(Packing, IsTheOneThatSendsTheLeastWhereTheNoiseFits) {
    std::size_t small = 0, large = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        model::Model both = random_model(seed), one = both;
        choose_packing(both.architecture, both.weights);
        choose_packing(one.architecture, one.weights, false);
        model::validate(both);
        const Energies energies = weight_energies(both.architecture, both.weights);
        EXPECT_EQ(small_groups(one.architecture), 0u);
        for (const model::Model* model : {&both, &one})
            for (const auto& group : packing::layer_groups(model->architecture)) {
                const model::PackingChoice choice = packing::choice_of(model->architecture, group);
                if (choice.channels_per_input == 0)
                    continue;  // fits nowhere: these weights are drawn without a look at the noise
                EXPECT_TRUE(noise_fits(model->architecture, energies, group, choice));
                for (std::size_t layer : group) {
                    EXPECT_EQ(model->architecture.layers[layer].packing, choice) << "all members have the choice";
                    EXPECT_LE(model->weights.layers[layer].noise_bits,
                              31 - model->architecture.layers[layer].share_bits);
                }
            }
        const std::size_t count = small_groups(both.architecture);
        small += count;
        large += packing::layer_groups(both.architecture).size() - count;
        EXPECT_LE(bytes_of(both.architecture), bytes_of(one.architecture)) << "seed " << seed;
    }
    EXPECT_GT(small, 20u);
    EXPECT_GT(large, 20u);
}

TEST(Packing, WhatIsNamedStays) {
    model::Model model = random_model(1);
    for (model::Layer& layer : model.architecture.layers) layer.packing.degree = 2048;
    model.architecture.layers[0].packing.channels_per_input = 1;
    choose_packing(model.architecture, model.weights);
    EXPECT_EQ(small_groups(model.architecture), 0u);
    EXPECT_EQ(packing::layer_grids(model.architecture)[0].channels_per_input, 1);
}

TEST(Packing, FewerResultsInAPolynomialWhereTheirNoiseIsTooMuch) {
    // A result layer with shares of 16 bits on one pixel: hundreds of results fit in a polynomial, but not the noise of
    // two.
    model::Model model = flash::testing::single_convolution({64, 1, 1}, 8, {1, 1, 1, 1, 0, 0, 0, 0}, 3);
    model::LayerWeights& last = model.weights.layers[1];
    last.terms[0].multiplier = 3;  // two results of 6.5e5 each: one fits, both do not
    last.terms[0].weights.assign(last.terms[0].weights.size(), 95);
    const Energies energies = weight_energies(model.architecture, model.weights);
    const packing::Grid standard = packing::layer_grids(model.architecture)[1];
    ASSERT_GT(standard.channels_per_output, 1);
    ASSERT_FALSE(noise_fits(model.architecture, energies, {1}, {0, 2048}));
    choose_packing(model.architecture, model.weights);
    EXPECT_LT(packing::layer_grids(model.architecture)[1].channels_per_output, standard.channels_per_output);
    EXPECT_TRUE(noise_fits(model.architecture, energies, {1}, packing::choice_of(model.architecture, {1})));
}

TEST(Packing, TheCompilerChoosesTheSmallRing) {
    std::size_t small = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const testing::RandomNetwork random = testing::random_network(seed);
        CompileOptions options;
        options.plain_bits = 24;
        options.share_bits = 8;
        options.result_bits = 12;
        const auto images = random.images(8, seed);
        small += small_groups(compile(import_onnx(random.onnx, "random"), images, options).model.architecture);
        options.small_ring = false;
        EXPECT_EQ(small_groups(compile(import_onnx(random.onnx, "random"), images, options).model.architecture), 0u);
    }
    EXPECT_GT(small, 3u);
}

}  // namespace
}  // namespace flash::compiler
