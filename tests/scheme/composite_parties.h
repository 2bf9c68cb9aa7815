// Both parties of the composite scheme, for its tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/bitpack.h"
#include "scheme/composite.h"

namespace flash::scheme::composite_parties {

using Slots = std::vector<std::uint32_t>;
using Bytes = std::vector<std::uint8_t>;
using Ring = std::shared_ptr<const CompositeRing>;

inline constexpr CompositeSeeds kSeeds{{1, 2, 3}, {4, 5, 6}};

inline Prng generator(std::uint64_t seed) { return Prng(SecretSeed::for_testing(seed), "composite test"); }
inline std::string digest(std::span<const std::uint8_t> bytes) { return to_hex(sha256(bytes)).substr(0, 16); }
inline Bytes bytes_of(const Slots& slots) {
    Bytes result(4 * slots.size());
    lattice::pack(std::span<const std::uint32_t>(slots), 32, result);
    return result;
}

template <class Action>
ErrorKind kind_of(const Action& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::kInternal;
}

/// Parameters of a model of 2^18 coefficients.
inline CompositeParameters parameters_of(const CompositeShape& shape, int plain_bits = 24, int rank = 3) {
    return choose_composite_parameters(shape, plain_bits, rank, 1 << 18);
}

/// k n values, value(T, index) each.
template <class Value>
Slots slots_of(const CompositeRing& ring, const Value& value) {
    Slots result;
    for (std::uint32_t t : ring.plain_moduli())
        for (std::size_t j = 0; j < ring.degree(); ++j) result.push_back(value(t, j));
    return result;
}
inline Slots random_slots(const CompositeRing& ring, std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    return slots_of(ring, [&](std::uint32_t t, std::size_t) { return static_cast<std::uint32_t>(rng() % t); });
}

struct Parties {
    Ring ring;
    Prng server, client;
    CompositeSecretKey key;
    Bytes public_key;
    std::unique_ptr<CompositeEvaluator> evaluator;

    explicit Parties(Ring ring_in, std::uint64_t seed = 1, const CompositeSeeds& seeds = kSeeds)
        : ring(std::move(ring_in)),
          server(generator(seed)),
          client(generator(seed + 1000)),
          key(ring, seeds, server) {
        key.append_public_key(public_key);
        EXPECT_EQ(public_key.size(), ring->ciphertext_bytes());
        evaluator = std::make_unique<CompositeEvaluator>(ring, seeds, public_key);
    }
    Bytes encrypt(CompositeVectorId id, const Slots& values) {
        Bytes bytes = {1, 2, 3};  // appended, not overwritten
        key.encrypt(id, values, server, bytes);
        EXPECT_EQ(bytes.size(), 3 + ring->ciphertext_bytes());
        bytes.erase(bytes.begin(), bytes.begin() + 3);
        return bytes;
    }
    struct Result {
        Bytes answer;
        Slots client, server;
    };
    /// The products of two lists of vectors, of the same chunk.
    Result multiply(std::uint32_t chunk, const std::vector<Slots>& e, const std::vector<Slots>& p) {
        std::vector<Bytes> ciphertexts;
        std::vector<CompositeVectorId> ids;
        std::vector<CompositeFactor> factors;
        for (std::uint32_t k = 0; k < e.size(); ++k) {
            ids.push_back({chunk, k});
            ciphertexts.push_back(encrypt(ids.back(), e[k]));
        }
        for (std::size_t k = 0; k < e.size(); ++k) factors.push_back({ciphertexts[k], p[k]});
        Result result{{}, Slots(ring->values()), Slots(ring->values())};
        result.answer = evaluator->answer(evaluator->prepare(ids, client), factors, result.client);
        EXPECT_EQ(result.answer.size(), ring->answer_bytes());
        key.decrypt(result.answer, result.server);
        return result;
    }
    /// How many of the shares do not add up to the products.
    std::size_t wrong(const Result& result, const std::vector<Slots>& e, const std::vector<Slots>& p) const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < ring->values(); ++i) {
            const std::uint64_t t = ring->plain_moduli()[i / ring->degree()];
            std::uint64_t sum = 0;
            for (std::size_t k = 0; k < e.size(); ++k) sum += std::uint64_t{e[k][i]} * p[k][i] % t;
            EXPECT_TRUE(result.client[i] < t && result.server[i] < t);
            count += (std::uint64_t{result.client[i]} + result.server[i]) % t != sum % t;
        }
        return count;
    }
};

}  // namespace flash::scheme::composite_parties
