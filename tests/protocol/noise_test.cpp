// The noise of a packed layer, as the two parties compute it, against the bound that the compiler works with: in each
// ring, and with few and many results in a polynomial.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "lattice/words.h"
#include "model/twin.h"
#include "packing/linear_map.h"
#include "packing/weight_energy.h"
#include "protocol/messages.h"
#include "scheme/direct.h"
#include "scheme/direct_noise.h"
#include "support/random_model.h"
#include "support/scaled_share.h"

namespace flash::protocol {
namespace {

struct Deviations {
    double measured = 0, predicted = 0;
};

/// Of the phase of layer 0's results, over some inferences. predicted: with the weights of each result polynomial.
Deviations deviations(const model::Model& model, std::uint64_t seed) {
    const model::Architecture& architecture = model.architecture;
    const packing::Plan plan = packing::make_plan(architecture);
    const packing::Stream& stream = plan.streams.front();
    const packing::LinearPlan& linear = plan.layers.front();
    const model::Layer& layer = architecture.layers.front();
    const std::size_t n = stream.degree(), polynomials = static_cast<std::size_t>(stream.polynomials());
    const std::uint32_t modulus = architecture.plain_modulus(0, 0);
    const scheme::DirectRing& ring = scheme::direct_ring(n);
    const scheme::PublicPolynomials publics(Sha256{2});
    const packing::LinearMap map = packing::build_linear_map(architecture, plan, 0, model.weights.layers[0]);
    const std::vector<double> energies = packing::channel_energies(layer, model.weights.layers[0]);
    std::mt19937_64 random(seed);
    double measured = 0, predicted = 0;
    std::int64_t count = 0;
    for (std::uint64_t run = 0; run < 6; ++run) {
        Prng rng(SecretSeed::for_testing(100 * seed + run), "noise test");
        scheme::DirectSecretKey key(publics, ring, rng);
        const scheme::DirectPublicKey public_key(publics, ring, key.public_b());
        const std::vector<std::int32_t> input = flash::testing::random_input(architecture, seed + run);
        std::vector<std::uint32_t> client(input.size()), server(input.size());
        for (std::size_t i = 0; i < input.size(); ++i) {
            server[i] = static_cast<std::uint32_t>(random() % modulus);
            client[i] = static_cast<std::uint32_t>(
                (static_cast<std::int64_t>(input[i]) + 2 * std::int64_t{modulus} - server[i]) % modulus);
        }
        std::vector<std::uint32_t> a(polynomials * n), b(polynomials * n);
        for (std::uint32_t p = 0; p < polynomials; ++p) {
            std::vector<std::uint32_t> plain(n), words(n);
            packing::pack(stream, static_cast<int>(p), client, plain);
            key.encrypt({0, p}, flash::testing::ScaledShare(plain, modulus), rng, words);
            const auto received = std::span(b).subspan(p * n, n);
            decode_upload(encode_upload(words, stream), stream, received);
            packing::pack(stream, static_cast<int>(p), server, plain);
            EXPECT_TRUE(lattice::add_scaled(plain, modulus, received));
            round_to_bytes(received, stream.zero_low_bytes());
            publics.upload({0, p}, std::span(a).subspan(p * n, n));
        }
        std::vector<std::uint32_t> result_a(static_cast<std::size_t>(linear.polynomials()) * n),
            result_b(linear.result_words(0));
        apply_whole(
            map, plan, 0, [&](int) { return std::span<const std::uint32_t>(a); }, result_a);
        apply_results(
            map, plan, 0, 0, [&](int) { return std::span<const std::uint32_t>(b); }, result_b);
        const std::vector<std::int64_t> acc = model::Twin(model).run(input, {}, true).layers[0].acc.sums.front();
        for (int p = 0; p < linear.polynomials(); ++p) {
            const auto positions = packing::result_positions(linear, layer.output, p);
            const auto words_a = std::span(result_a).subspan(static_cast<std::size_t>(p) * n, n);
            std::vector<std::uint32_t> words_b(positions.size()), rho(positions.size()), phase(positions.size());
            for (std::size_t i = 0; i < positions.size(); ++i) {
                words_b[i] =
                    result_b[static_cast<std::size_t>(p) * linear.tiles.words() + linear.tiles.compact(positions[i])];
                rho[i] = rng.u32();
            }
            public_key.mask(words_a, positions, words_b, rho, rng);
            for (const auto& [words, bits] : {std::pair(words_a, response_a_bits(layer.share_bits)),
                                              std::pair(std::span(words_b), response_b_bits(layer.share_bits))}) {
                lattice::round_to_top_bits(words, bits);
                lattice::from_top_bits(words, bits);
            }
            key.decrypt(words_a, positions, words_b, phase);
            const int g2 = linear.grid.channels_per_output, plane = layer.output.height * layer.output.width;
            const std::vector<double> own(energies.begin() + p * g2,
                                          energies.begin() + std::min((p + 1) * g2, layer.output.channels));
            const double sigma =
                scheme::phase_noise(packing::packed_energy(own, g2), stream.upload_bits, layer.share_bits, ring) / 10;
            std::size_t i = 0;
            for (const packing::ResultRun& run_of : packing::result_runs(linear, layer.output, p))
                for (std::uint32_t k = 0; k < run_of.count; ++k, ++i) {
                    const std::size_t element = run_of.element + k;
                    // Without the bias: it is added to b by the server, exactly.
                    const std::int64_t sum =
                        acc[element] - model.weights.layers[0].bias[element / static_cast<std::size_t>(plane)];
                    const auto residue = static_cast<std::uint32_t>((sum % modulus + modulus) % modulus);
                    const auto error =
                        static_cast<std::int32_t>(phase[i] - rho[i] - scheme::scale_up(residue, modulus));
                    measured += static_cast<double>(error) * error;
                    predicted += sigma * sigma;
                    ++count;
                }
        }
    }
    EXPECT_GT(count, 1000);
    return {std::sqrt(measured / static_cast<double>(count)), std::sqrt(predicted / static_cast<double>(count))};
}

/// All channels modulo one T; and the picture may be in any ring.
void one_modulus(model::Model& model) {
    model.architecture.slots = {4096, 1};
    model.architecture.trust_server = true;
}

TEST(LayerNoise, IsWhatTheBoundSays) {
    for (const model::Shape& input : {model::Shape{12, 5, 5}, model::Shape{6, 3, 3}, model::Shape{4, 12, 12}})
        for (int degree : model::kDegrees)
            for (int channels_per_input : {1, 2, 6})
                for (int upload_bits : {26, 21}) {
                    SCOPED_TRACE(::testing::Message()
                                 << input.channels << "x" << input.height << ", n = " << degree
                                 << ", g1 = " << channels_per_input << ", " << upload_bits << " bits");
                    model::Model model = flash::testing::single_convolution(input, 24, {3, 3, 1, 1, 1, 1, 1, 1}, 7, 8);
                    one_modulus(model);
                    model.architecture.layers[0].packing = {channels_per_input, degree};
                    model.architecture.input_upload_bits = upload_bits;
                    const Deviations d = deviations(model, 7);
                    // The bound counts every coefficient that a column moves to a result as noisy; at the ends of a
                    // polynomial some are not sent.
                    EXPECT_LT(d.measured, 1.06 * d.predicted);
                    EXPECT_GT(d.measured, 0.8 * d.predicted);
                }
}

/// Kernels that reach over the whole map, where most taps read padding.
TEST(LayerNoise, IsWithinTheBoundOnMapsSmallerThanTheKernel) {
    for (const auto& [side, kernel] : {std::pair(1, 3), std::pair(2, 5), std::pair(2, 7), std::pair(3, 7)})
        for (int degree : model::kDegrees)
            for (int channels_per_input : {4, 16}) {
                SCOPED_TRACE(::testing::Message() << kernel << "x" << kernel << " on " << side << "x" << side
                                                  << ", n = " << degree << ", g1 = " << channels_per_input);
                const int pad = kernel / 2;
                model::Model model = flash::testing::single_convolution(
                    {24, side, side}, 256, {kernel, kernel, 1, 1, pad, pad, pad, pad}, 7, 8);
                one_modulus(model);
                model.architecture.layers[0].packing = {channels_per_input, degree};
                const Deviations d = deviations(model, 7);
                EXPECT_LT(d.measured, 1.06 * d.predicted);
            }
}

}  // namespace
}  // namespace flash::protocol
