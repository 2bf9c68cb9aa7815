#include "scheme/slots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "scheme/slot_ring.h"

namespace flash::scheme {
namespace {

constexpr std::size_t n = kSlotDegree;
using Slots = std::vector<std::uint32_t>;

Prng generator(std::uint64_t seed) { return Prng(SecretSeed::for_testing(seed), "slots test"); }
PublicSeed public_seed(int value) { return PublicSeed{static_cast<std::uint8_t>(value)}; }

Slots random_slots(std::uint32_t bound, std::uint64_t seed, std::size_t count = n) {
    std::mt19937_64 rng(seed);
    Slots slots(count);
    for (std::uint32_t& v : slots) v = static_cast<std::uint32_t>(rng() % bound);
    return slots;
}

std::string digest(const std::vector<std::uint8_t>& bytes) { return to_hex(sha256(bytes)).substr(0, 16); }

ErrorKind kind_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::kInternal;
}

// Both parties, with replayed randomness so that a test can look at noise.
struct Parties {
    const SlotParameters& parameters;
    std::uint64_t seed;
    Prng server, client;
    SlotSecretKey key;
    std::unique_ptr<SlotEvaluator> evaluator;

    Parties(const SlotParameters& p, std::uint64_t s)
        : parameters(p), seed(s), server(generator(s)), client(generator(s + 1000)), key(p, public_seed(static_cast<int>(s)), server) {
        std::vector<std::uint8_t> public_key;
        key.append_public_key(public_key);
        EXPECT_EQ(public_key.size(), slot_public_key_bytes(p));
        evaluator = std::make_unique<SlotEvaluator>(p, public_seed(static_cast<int>(s)), public_key);
    }
    std::vector<std::uint8_t> encrypt(SlotVectorId id, const Slots& values) {
        std::vector<std::uint8_t> bytes = {1, 2, 3};  // appended, not overwritten
        key.encrypt(id, values, server, bytes);
        EXPECT_EQ(bytes.size(), 3 + slot_ciphertext_bytes(parameters));
        bytes.erase(bytes.begin(), bytes.begin() + 3);
        return bytes;
    }
    Slots decrypt(const std::vector<std::uint8_t>& response, std::size_t count = n) const {
        Slots slots(count);
        key.decrypt(response, slots);
        return slots;
    }
    /// The server's secret, drawn again from the same seed.
    std::vector<std::int8_t> secret() const {
        Prng again = generator(seed);
        std::vector<std::int8_t> s(n);
        lattice::sample_ternary(again, s);
        return s;
    }
    /// b + a s of a response, mod 2^t, by schoolbook.
    std::vector<std::uint64_t> phase(const std::vector<std::uint8_t>& response) const {
        const int t = parameters.response_bits;
        std::vector<std::uint64_t> a(n), b(n);
        const std::span<const std::uint8_t> bytes(response);
        lattice::unpack(bytes.first(bytes.size() / 2), t, std::span(a));
        lattice::unpack(bytes.subspan(bytes.size() / 2), t, std::span(b));
        const std::vector<std::int8_t> s = secret();
        for (std::size_t j = 0; j < n; ++j) {
            const std::uint64_t factor = static_cast<std::uint64_t>(static_cast<std::int64_t>(s[j]));
            if (!factor) continue;
            for (std::size_t i = 0; i < n - j; ++i) b[i + j] += factor * a[i];
            for (std::size_t i = n - j; i < n; ++i) b[i + j - n] -= factor * a[i];
        }
        for (std::uint64_t& x : b) x &= (1ull << t) - 1;
        return b;
    }
    /// Signed distance of each coefficient of the phase from the exact 2^t / T * plaintext.
    std::vector<double> noise(const std::vector<std::uint8_t>& response) const {
        const SlotRing& ring = SlotRing::of(parameters);
        Poly64 plain(n);
        ring.encode(decrypt(response), plain);
        const std::vector<std::uint64_t> x = phase(response);
        const long double modulus = std::ldexp(1.0L, parameters.response_bits);
        std::vector<double> result(n);
        for (std::size_t i = 0; i < n; ++i) {
            const long double d = static_cast<long double>(x[i]) - modulus * static_cast<long double>(plain[i]) / parameters.plain_modulus;
            result[i] = static_cast<double>(d - modulus * std::round(d / modulus));
        }
        return result;
    }
};

Slots expected(const std::vector<std::pair<Slots, Slots>>& factors, const Slots& addend, std::uint32_t T) {
    Slots result(n);
    for (std::size_t i = 0; i < n; ++i) {
        std::uint64_t sum = i < addend.size() ? addend[i] : 0;
        for (const auto& [x, y] : factors)
            sum += static_cast<std::uint64_t>(i < x.size() ? x[i] : 0) * (i < y.size() ? y[i] : 0) % T;
        result[i] = static_cast<std::uint32_t>(sum % T);
    }
    return result;
}

TEST(SlotRing, EncodingInvertsAndIsMultiplicative) {
    for (const SlotParameters& row : slot_parameters()) {
        const SlotRing& ring = SlotRing::of(row);
        const Slots slots = random_slots(row.plain_modulus, 1, 1000);
        Poly64 polynomial(n);
        ring.encode(slots, polynomial);
        ring.decode(polynomial);
        for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(polynomial[i], i < 1000 ? slots[i] : 0);
        // A constant vector is a constant polynomial.
        ring.encode(Slots(n, 5), polynomial);
        EXPECT_EQ(polynomial[0], 5u);
        EXPECT_EQ(*std::max_element(polynomial.begin() + 1, polynomial.end()), 0u);
    }
}

TEST(SlotRing, ScalingAndSwitchingAreExact) {
    for (const SlotParameters& row : slot_parameters()) {
        const SlotRing& ring = SlotRing::of(row);
        const std::uint64_t T = row.plain_modulus;
        const lattice::u128 q = static_cast<lattice::u128>(row.primes[0]) * row.primes[1];
        Poly64 m(n);
        std::mt19937_64 rng(3);
        for (std::size_t i = 0; i < n; ++i) m[i] = rng() % T;
        m[0] = 0;
        m[1] = T - 1;
        m[2] = T / 2;
        m[3] = T / 2 + 1;
        Residues x{Poly64(n), Poly64(n)};
        ring.add_scaled(m, x[0], x[1]);
        for (std::size_t j = 0; j < n; ++j) {
            // round(q m / T) in two halves, as q m exceeds 128 bits.
            const lattice::u128 scaled = q / T * m[j] + (q % T * m[j] + T / 2) / T;
            for (std::size_t i = 0; i < 2; ++i) ASSERT_EQ(x[i][j], static_cast<std::uint64_t>(scaled % row.primes[i]));
        }
        Poly64 switched(n);
        ring.switch_down(x[0], x[1], switched);
        const long double unit = std::ldexp(1.0L, row.response_bits);
        for (std::size_t j = 0; j < n; ++j) {
            const long double exact = unit * static_cast<long double>(m[j]) / static_cast<long double>(T);
            ASSERT_LE(std::abs(static_cast<long double>(switched[j]) - exact), 0.5001L);
        }
        ring.scale_down(switched);
        for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(switched[j], m[j]);
        // The top of the range wraps: q - 1 rounds to 2^t = 0, and a phase just below 2^t to T = 0.
        for (std::size_t i = 0; i < 2; ++i) std::fill(x[i].begin(), x[i].end(), row.primes[i] - 1);
        ring.switch_down(x[0], x[1], switched);
        EXPECT_EQ(switched[0], 0u);
        std::fill(switched.begin(), switched.end(), (1ull << row.response_bits) - 1);
        ring.scale_down(switched);
        EXPECT_EQ(switched[7], 0u);
    }
}

TEST(Slots, ResponsesAreExactForAllModuliAtExtremes) {
    std::uint64_t seed = 1;
    for (const SlotParameters& row : slot_parameters()) {
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, seed++);
        Slots alternating(n, T - 1);
        for (std::size_t i = 0; i < n; i += 2) alternating[i] = T / 2;
        std::uint32_t layer = 0;
        for (const Slots& server : {random_slots(T, 10), Slots(n, T - 1), Slots(n, T / 2), alternating, Slots(n, 0), random_slots(T, 11, 17)})
            for (const Slots& client : {random_slots(T, 12), Slots(n, T - 1), alternating, random_slots(2, 13)}) {
                std::vector<std::vector<std::uint8_t>> bytes;
                std::vector<SlotProduct> products;
                std::vector<std::pair<Slots, Slots>> factors;
                for (std::uint32_t k = 0; k < 3; ++k) bytes.push_back(parties.encrypt({layer, 5, k}, server));
                for (std::uint32_t k = 0; k < 3; ++k) {
                    products.push_back({{layer, 5, k}, bytes[k], client});
                    factors.emplace_back(server, client);
                }
                ++layer;
                const Slots addend = random_slots(T, layer);
                const std::vector<std::uint8_t> response = parties.evaluator->respond(products, addend, parties.client);
                ASSERT_EQ(response.size(), slot_response_bytes(row));
                ASSERT_EQ(parties.decrypt(response), expected(factors, addend, T));
            }
    }
}

TEST(Slots, FewerProductsAndSlots) {
    const SlotParameters& row = slot_parameters_for_bits(25);
    const std::uint32_t T = row.plain_modulus;
    Parties parties(row, 77);
    const Slots x = random_slots(T, 1, 100), y = random_slots(T, 2, 60), z = random_slots(T, 3, 5);
    const std::vector<std::uint8_t> bytes = parties.encrypt({1, 2, 3}, x);
    const SlotProduct product{{1, 2, 3}, bytes, y};
    Slots result = expected({{x, y}}, z, T);
    EXPECT_EQ(parties.decrypt(parties.evaluator->respond({&product, 1}, z, parties.client)), result);
    result.resize(70);
    EXPECT_EQ(parties.decrypt(parties.evaluator->respond({&product, 1}, z, parties.client), 70), result);
    EXPECT_EQ(parties.decrypt(parties.evaluator->respond({}, z, parties.client)), expected({}, z, T));
}

TEST(Slots, NoPairEncryptsTwice) {
    Parties parties(slot_parameters()[0], 78);
    parties.encrypt({1, 2, 3}, {4});
    parties.encrypt({1, 3, 2}, {4});
    std::vector<std::uint8_t> out;
    EXPECT_EQ(kind_of([&] { parties.key.encrypt({1, 2, 3}, Slots{4}, parties.server, out); }), ErrorKind::kInternal);
    EXPECT_TRUE(out.empty());
}

// The response carries noise that is uniform over half of the room, and nothing near the other half.
TEST(Slots, ResponseNoiseIsFloodedAndBounded) {
    for (const SlotParameters& row : slot_parameters()) {
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, 79);
        std::vector<std::vector<std::uint8_t>> bytes;
        std::vector<SlotProduct> products;
        const Slots client = random_slots(T, 4);
        for (std::uint32_t k = 0; k < 3; ++k) bytes.push_back(parties.encrypt({0, 0, k}, random_slots(T, k)));
        for (std::uint32_t k = 0; k < 3; ++k) products.push_back({{0, 0, k}, bytes[k], client});
        std::vector<std::uint8_t> response = parties.evaluator->respond(products, random_slots(T, 5), parties.client);
        const Slots slots = parties.decrypt(response);
        const std::vector<double> noise = parties.noise(response);
        const double room = std::ldexp(0.5, row.response_bits) / T;
        // The bound 2^(b + 50) of the flooding in units of 2^t.
        const long double q = static_cast<long double>(row.primes[0]) * static_cast<long double>(row.primes[1]);
        const double bound = static_cast<double>(std::ldexp(1.0L, row.plain_bits + 50 + row.response_bits) / q);
        EXPECT_LE(bound, 0.501 * room);
        double squares = 0, largest = 0;
        for (double e : noise) {
            squares += e * e;
            largest = std::max(largest, std::abs(e));
        }
        EXPECT_NEAR(std::sqrt(squares / n), bound / std::sqrt(3.0), 0.03 * bound);
        EXPECT_LT(largest, bound + 10 * 15.1);
        EXPECT_GT(largest, 0.95 * bound);

        // The worst case: every coefficient moved to the flooding bound plus ten sigma of rounding still decrypts; past the room
        // it does not.
        const auto with_noise = [&](double target) {
            std::vector<std::uint8_t> moved = response;
            const std::span<std::uint8_t> half = std::span(moved).subspan(moved.size() / 2);
            std::vector<std::uint64_t> b(n);
            lattice::unpack(half, row.response_bits, std::span(b));
            for (std::size_t i = 0; i < n; ++i) {
                const double sign = i % 2 ? 1 : -1;
                b[i] += static_cast<std::uint64_t>(static_cast<std::int64_t>(std::floor(sign * target - noise[i] + (i % 2 ? 0 : 1))));
            }
            lattice::pack(std::span<const std::uint64_t>(b), row.response_bits, half);
            return parties.decrypt(moved);
        };
        EXPECT_EQ(with_noise(bound + 10 * 15.1), slots);
        EXPECT_EQ(with_noise(room - 2), slots);
        EXPECT_NE(with_noise(room + 2), slots);
    }
}

TEST(Slots, ResponsesAreFreshEachTime) {
    const SlotParameters& row = slot_parameters()[0];
    Parties parties(row, 80);
    const std::vector<std::uint8_t> bytes = parties.encrypt({0, 0, 0}, {1, 2, 3});
    const Slots client = {4, 5, 6};
    const SlotProduct product{{0, 0, 0}, bytes, client};
    const std::vector<std::uint8_t> x = parties.evaluator->respond({&product, 1}, {}, parties.client);
    const std::vector<std::uint8_t> y = parties.evaluator->respond({&product, 1}, {}, parties.client);
    std::size_t equal = 0;
    for (std::size_t i = 0; i < x.size(); ++i) equal += x[i] == y[i];
    EXPECT_LT(equal, x.size() / 128);  // 1/256 by chance
    EXPECT_EQ(parties.decrypt(x), parties.decrypt(y));
}

TEST(Slots, MalformedMessagesAreRefused) {
    for (const SlotParameters& row : slot_parameters()) {
        Parties parties(row, 81);
        std::vector<std::uint8_t> good = parties.encrypt({0, 0, 0}, {1}), public_key;
        parties.key.append_public_key(public_key);
        const Slots client = {1};
        const auto respond = [&](std::span<const std::uint8_t> bytes) {
            const SlotProduct product{{0, 0, 0}, bytes, client};
            parties.evaluator->respond({&product, 1}, {}, parties.client);
        };
        EXPECT_NO_THROW(respond(good));
        EXPECT_EQ(kind_of([&] { respond(std::span(good).first(good.size() - 1)); }), ErrorKind::kProtocol);
        EXPECT_EQ(kind_of([&] { respond({}); }), ErrorKind::kProtocol);
        // A coefficient equal to its prime, first or last, in either residue.
        for (std::size_t part : {0u, 1u})
            for (std::size_t index : {std::size_t{0}, n - 1}) {
                std::vector<std::uint8_t> bad = good;
                const int bits = row.plain_bits + 26;
                std::vector<std::uint64_t> values(n);
                const std::span<std::uint8_t> half = std::span(bad).subspan(part * bad.size() / 2, bad.size() / 2);
                lattice::unpack(half, bits, std::span(values));
                values[index] = row.primes[part];
                lattice::pack(std::span<const std::uint64_t>(values), bits, half);
                EXPECT_EQ(kind_of([&] { respond(bad); }), ErrorKind::kProtocol);
                EXPECT_EQ(kind_of([&] { SlotEvaluator(row, public_seed(1), bad); }), ErrorKind::kProtocol);
            }
        public_key.push_back(0);
        EXPECT_EQ(kind_of([&] { SlotEvaluator(row, public_seed(1), public_key); }), ErrorKind::kProtocol);
        Slots out(n);
        EXPECT_EQ(kind_of([&] { parties.key.decrypt(std::vector<std::uint8_t>(slot_response_bytes(row) - 1), out); }), ErrorKind::kProtocol);
        EXPECT_NO_THROW(parties.key.decrypt(std::vector<std::uint8_t>(slot_response_bytes(row), 0xff), out));
    }
}

TEST(Slots, CallersMistakesAreRefused) {
    const SlotParameters& row = slot_parameters()[0];
    Parties parties(row, 82);
    std::vector<std::uint8_t> out;
    EXPECT_THROW(parties.key.encrypt({0, 0, 0}, Slots(n + 1), parties.server, out), Error);
    EXPECT_THROW(parties.key.encrypt({0, 0, 1}, Slots{row.plain_modulus}, parties.server, out), Error);
    const std::vector<std::uint8_t> bytes = parties.encrypt({0, 0, 2}, {1});
    const Slots one = {1}, bad = {row.plain_modulus};
    EXPECT_THROW(parties.evaluator->respond({}, bad, parties.client), Error);
    const std::vector<SlotProduct> four(4, SlotProduct{{0, 0, 2}, bytes, one});
    EXPECT_THROW(parties.evaluator->respond(four, one, parties.client), Error);
}

TEST(Slots, KnownAnswers) {
    struct Answer {
        const char *public_key, *ciphertext, *response;
    };
    const Answer answers[5] = {
        {"2d693fecc75d9ae7", "008ea1d89e866149", "7b7c1ffaa80db3cc"}, {"5c562c32687ca9ff", "582c10f42fef173e", "567608fed401be7b"}, {"436aebcbd631ae39", "9da9418a12df954d", "6574266f959b0204"},
        {"bca863515ba481b6", "ffc1e79b4ed09a47", "f36001f0c7b31917"}, {"219b74ea7555b03e", "dd6e33caa969c2ec", "ee3b586f57ac8cfa"},
    };
    for (std::size_t i = 0; i < 5; ++i) {
        const SlotParameters& row = slot_parameters()[i];
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, 90);
        std::vector<std::uint8_t> public_key;
        parties.key.append_public_key(public_key);
        EXPECT_EQ(digest(public_key), answers[i].public_key);
        const std::vector<std::uint8_t> bytes = parties.encrypt({3, 2, 1}, random_slots(T, 6));
        EXPECT_EQ(digest(bytes), answers[i].ciphertext);
        const Slots client = random_slots(T, 7);
        const SlotProduct product{{3, 2, 1}, bytes, client};
        EXPECT_EQ(digest(parties.evaluator->respond({&product, 1}, random_slots(T, 8), parties.client)), answers[i].response);
    }
}

}  // namespace
}  // namespace flash::scheme
