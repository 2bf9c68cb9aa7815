// Sines in the composite scheme: alone and in chunks that squares share.
#include <gtest/gtest.h>

#include <random>

#include "model/arithmetic.h"
#include "model/sine.h"
#include "protocol/activation/composite/composite_activation.h"
#include "protocol/activation/composite/sine_shares.h"

namespace flash::protocol {
namespace {

model::Architecture architecture_of(const std::vector<int>& amplitudes) {
    model::Architecture a;
    a.slots = {8192, 3};
    a.plain_bits = 22;
    a.input = {3, 8, 8};
    for (int amplitude : amplitudes) {
        model::Layer& layer = a.layers.emplace_back();
        layer.output = {7, 31, 29};
        layer.share_bits = 9;
        layer.curve = amplitude ? model::Curve::kSine : model::Curve::kSquare;
        layer.amplitude = amplitude;
    }
    return a;
}

void play(const std::vector<int>& amplitudes, int products) {
    const model::Architecture architecture = architecture_of(amplitudes);
    const CompositeActivation activation(architecture);
    EXPECT_EQ(activation.sizes().products, products);
    std::mt19937 random(5);
    std::vector<ActivationCurve> curves;
    std::vector<std::vector<std::uint32_t>> client_shares, server_shares;
    for (const model::Layer& layer : architecture.layers) {
        ActivationCurve& curve = curves.emplace_back();
        for (int c = 0; c < layer.output.channels; ++c) {
            curve.offset.push_back(static_cast<std::int32_t>(random() % 200001) - 100000);
            if (layer.amplitude == 0) curve.kappa.push_back(static_cast<std::int32_t>(random() % 41) - 20);
        }
        auto &client = client_shares.emplace_back(), &server = server_shares.emplace_back();
        for (std::int64_t i = 0; i < layer.output.size(); ++i) {
            // Of a square, X stays in its range; of a sine it is anything.
            const auto drawn = static_cast<std::uint32_t>(random());
            const std::uint32_t x = layer.amplitude ? drawn % 512 : 128 + drawn % 200 - 100;
            client.push_back(static_cast<std::uint32_t>(random()) % 512);
            server.push_back((x - client.back()) % 512u);
        }
    }
    const auto client = activation.client(SecretSeed::for_testing(2));
    const auto server = activation.server(curves, client->start(), SecretSeed::for_testing(1));
    client->begin(server->setup());
    std::vector<std::vector<std::uint8_t>> vectors;
    for (std::size_t number = 0; number < activation.vectors_end(activation.layers() - 1); ++number) {
        vectors.push_back(server->make_vectors(number, [&](int layer) {
            return std::span<const std::uint32_t>(server_shares[static_cast<std::size_t>(layer)]);
        }));
        EXPECT_EQ(vectors.back().size(), activation.sizes().vectors);
    }
    for (int l = 0; l < activation.layers(); ++l) {
        const auto at = static_cast<std::size_t>(l);
        const model::Layer& layer = architecture.layers[at];
        const std::size_t values = client_shares[at].size(), map = values / 7;
        SecretVector<std::uint32_t> own(values), other(values);
        for (std::size_t chunk = 0; chunk < activation.chunks(l); ++chunk) {
            const auto answer = client->answer(l, chunk, client->prepare(l, chunk),
                                               vectors[activation.first_vectors(l) + chunk], client_shares[at], own);
            server->finish(l, chunk, answer, server_shares[at], other);
        }
        const std::vector<std::uint32_t> moduli = architecture.channel_moduli(l + 1);
        for (std::size_t i = 0; i < values; ++i) {
            const std::uint32_t modulus = moduli[i / map];
            const std::int32_t offset = curves[at].offset[i / map];
            const auto x = static_cast<std::int64_t>((client_shares[at][i] + server_shares[at][i]) % 512) - 128;
            const std::int64_t y =
                layer.amplitude
                    ? offset + model::sine_of_shares(client_shares[at][i], server_shares[at][i], 9, layer.amplitude)
                    : model::activate(x, curves[at].kappa[i / map], offset);
            ASSERT_LT(own[i], modulus);
            ASSERT_LT(other[i], modulus);
            ASSERT_EQ(model::centre(own[i] + other[i], modulus), model::centre(y, modulus)) << l << " " << i;
        }
    }
}

TEST(SineComposite, TwoProductsWhereAllLayersAreSines) { play({128, 16, 724}, 2); }

TEST(SineComposite, ThreeBesideSquares) {
    play({128, 0, 256}, 3);
    play({0, 45}, 3);
}

TEST(SineComposite, OffsetsAreAddedForEverySign) {
    constexpr std::uint32_t kModulus = 4177921;
    const std::int32_t edge = kModulus - 1;
    for (std::uint32_t share : {0u, 1u, kModulus / 2, kModulus - 1})
        for (std::int32_t offset : {-edge, -1, 0, 1, edge}) {
            std::uint32_t sum[] = {share};
            const std::int32_t offsets[] = {offset};
            add_offset(sum, offsets, kModulus);
            EXPECT_EQ(sum[0], (share + static_cast<std::uint64_t>(std::int64_t{offset} + kModulus)) % kModulus);
        }
}

}  // namespace
}  // namespace flash::protocol
