// The share arithmetic of the activation, over every pair of shares of a small width and at the edges of the wide ones.
#include "protocol/activation/composite/square_shares.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>

#include "base/error.h"
#include "model/architecture.h"
#include "protocol/linear/pre_activation.h"

namespace flash::protocol {
namespace {

/// Both parties' vectors for so many elements, and the client's squares.
struct Vectors {
    explicit Vectors(std::size_t count) : addend(count) {
        for (std::size_t v = 0; v < kSquareProducts; ++v) server[v].resize(count), client[v].resize(count);
    }
    static SquareVectors spans(std::array<std::vector<std::uint32_t>, kSquareProducts>& x) {
        return {x[0], x[1], x[2]};
    }
    std::array<std::vector<std::uint32_t>, kSquareProducts> server, client;
    std::vector<std::uint32_t> addend;
};

/// Plays both parties on clear integers; returns the reconstructed activation mod T.
std::uint32_t play(std::uint32_t client, std::uint32_t server, std::int32_t kappa, std::int32_t offset, int bits,
                   std::uint32_t modulus, std::uint32_t mask) {
    const std::uint32_t c[] = {client}, s[] = {server};
    const std::int32_t k[] = {kappa}, o[] = {offset};
    Vectors v(1);
    server_vectors(s, k, bits, modulus, Vectors::spans(v.server));
    client_vectors(c, bits, modulus, Vectors::spans(v.client), v.addend);
    std::uint64_t product = v.addend[0] + modulus - mask;
    for (std::size_t j = 0; j < kSquareProducts; ++j)
        product += static_cast<std::uint64_t>(v.server[j][0]) * v.client[j][0] % modulus;
    std::uint32_t share[] = {static_cast<std::uint32_t>(product % modulus)};
    finish_server_share(share, s, k, o, modulus);
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(share[0]) + mask) % modulus);
}

std::uint32_t exact(std::int64_t x, std::int64_t kappa, std::int64_t offset, std::uint32_t modulus) {
    const std::int64_t y = (x * x + kappa * x + offset) % static_cast<std::int64_t>(modulus);
    return static_cast<std::uint32_t>(y < 0 ? y + modulus : y);
}

constexpr std::array<std::uint32_t, 5> kModuli{16760833, 33538049, 67084289, 134176769, 268369921};

TEST(SquareShares, EverySharingOfEveryValueInRange) {
    const int bits = 6;
    const std::uint32_t modulus = model::plain_moduli({}, 24).front();
    for (int x = -(1 << (bits - 2)); x < (1 << (bits - 2)); ++x)
        for (std::uint32_t server = 0; server < (1u << bits); ++server) {
            const std::uint32_t client =
                (static_cast<std::uint32_t>(x + (1 << (bits - 2))) - server) & ((1u << bits) - 1);
            EXPECT_EQ(reconstruct(client, server, bits), x);
            for (int kappa : {0, 5, -7})
                ASSERT_EQ(play(client, server, kappa, 3, bits, modulus, 12345), exact(x, kappa, 3, modulus))
                    << x << " " << server;
        }
}

TEST(SquareShares, WideSharesAndExtremeCoefficients) {
    std::mt19937_64 rng(3);
    for (const std::uint32_t modulus : kModuli)
        for (int bits : {8, 9, 12, 14, 16})
            for (int i = 0; i < 300; ++i) {
                const std::int64_t limit = std::int64_t{1} << (bits - 2);
                const auto x = static_cast<std::int32_t>(
                    static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(2 * limit)) - limit);
                const auto server = static_cast<std::uint32_t>(rng() & ((std::uint64_t{1} << bits) - 1));
                const std::uint32_t client = (static_cast<std::uint32_t>(x + limit) - server) & ((1u << bits) - 1);
                const auto kappa = static_cast<std::int32_t>(rng() % 200001) - 100000;
                const auto mask = static_cast<std::uint32_t>(rng() % modulus);
                ASSERT_EQ(play(client, server, kappa, -17, bits, modulus, mask), exact(x, kappa, -17, modulus));
            }
}

// Against plain integers, for every instruction set and sizes that are not multiples of a vector.
TEST(SquareShares, InstructionSetsAgreeWithIntegersAtTheEdges) {
    constexpr std::size_t count = 1003;
    std::mt19937_64 rng(5);
    const auto residue = [](std::int64_t x, std::uint32_t modulus) {
        const std::int64_t r = x % static_cast<std::int64_t>(modulus);
        return static_cast<std::uint32_t>(r < 0 ? r + modulus : r);
    };
    for (const InstructionSet set : supported_instruction_sets())
        for (const std::uint32_t modulus : kModuli)
            for (int bits : {2, 8, 13, 16}) {
                std::vector<std::uint32_t> shares(count), product(count);
                std::vector<std::int32_t> kappa(count), offset(count);
                const std::int32_t edges[] = {0, 1, -1, std::numeric_limits<std::int32_t>::max(),
                                              std::numeric_limits<std::int32_t>::min()};
                for (std::size_t i = 0; i < count; ++i) {
                    shares[i] =
                        i < 100 ? (i % 2 ? (1u << bits) - 1 : 0) : static_cast<std::uint32_t>(rng() >> (64 - bits));
                    kappa[i] = i < 100 ? edges[i / 2 % 5] : static_cast<std::int32_t>(rng());
                    offset[i] = i < 100 ? edges[i / 10 % 5] : static_cast<std::int32_t>(rng());
                    product[i] = i < 100 ? (i % 3 ? modulus - 1 : 0) : static_cast<std::uint32_t>(rng() % modulus);
                }
                Vectors made(count);
                const auto &e = made.server, &v = made.client;
                std::vector<std::uint32_t> finished = product;
                server_vectors(shares, kappa, bits, modulus, Vectors::spans(made.server), set);
                client_vectors(shares, bits, modulus, Vectors::spans(made.client), made.addend, set);
                finish_server_share(finished, shares, kappa, offset, modulus, set);
                for (std::size_t i = 0; i < count; ++i) {
                    const std::int64_t b = shares[i], k = kappa[i], unit = std::int64_t{1} << bits,
                                       a = b - unit - unit / 4;
                    const bool low = b < unit / 2;
                    ASSERT_EQ(e[0][i], residue(2 * b + k, modulus));
                    ASSERT_EQ(e[1][i], residue(low ? 2 * unit * b + unit * unit + k * unit : 0, modulus));
                    ASSERT_EQ(e[2][i], residue(low ? 2 * unit : 0, modulus));
                    ASSERT_EQ(v[0][i], residue(a, modulus));
                    ASSERT_EQ(v[1][i], low ? 1u : 0u);
                    ASSERT_EQ(v[2][i], residue(low ? a : 0, modulus));
                    ASSERT_EQ(made.addend[i], residue(a * a, modulus));
                    ASSERT_EQ(finished[i], residue(product[i] + b * b + k * b + offset[i], modulus));
                }
            }
    std::vector<std::uint32_t> shares(3);
    Vectors v(3);
    const std::uint32_t modulus = model::plain_moduli({}, 24).front();
    EXPECT_THROW(client_vectors(shares, 17, modulus, Vectors::spans(v.client), v.addend), Error);
    Vectors shorter(2);
    EXPECT_THROW(client_vectors(shares, 8, modulus, Vectors::spans(shorter.client), v.addend), Error);
    EXPECT_THROW(client_vectors(shares, 8, modulus, Vectors::spans(v.client), shorter.addend), Error);
}

}  // namespace
}  // namespace flash::protocol
