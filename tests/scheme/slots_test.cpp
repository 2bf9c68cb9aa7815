#include "scheme/slots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "scheme/slot_ring.h"

namespace flash::scheme {
namespace {

constexpr std::size_t n = kSlotDegree;
using Slots = std::vector<std::uint32_t>;
using Poly64 = SecretVector<std::uint64_t>;

/// One product for a response in a single step.
struct Product {
    SlotVectorId id;
    std::span<const std::uint8_t> ciphertext;
    std::span<const std::uint32_t> plain;
};

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

    Parties(const SlotParameters& p, std::uint64_t s, InstructionSet set = best_instruction_set())
        : parameters(p),
          seed(s),
          server(generator(s)),
          client(generator(s + 1000)),
          key(p, public_seed(static_cast<int>(s)), server, set) {
        std::vector<std::uint8_t> public_key;
        key.append_public_key(public_key);
        EXPECT_EQ(public_key.size(), slot_public_key_bytes(p));
        evaluator = std::make_unique<SlotEvaluator>(p, public_seed(static_cast<int>(s)), public_key, set);
    }
    std::vector<std::uint8_t> encrypt(SlotVectorId id, const Slots& values) {
        std::vector<std::uint8_t> bytes = {1, 2, 3};  // appended, not overwritten
        key.encrypt(id, values, server, bytes);
        EXPECT_EQ(bytes.size(), 3 + slot_ciphertext_bytes(parameters));
        bytes.erase(bytes.begin(), bytes.begin() + 3);
        return bytes;
    }
    std::vector<std::uint8_t> respond(std::span<const Product> products, std::span<const std::uint32_t> addend,
                                      std::span<const std::uint32_t> mask = {}) {
        std::vector<SlotVectorId> ids;
        std::vector<SlotFactor> factors;
        for (const Product& product : products) {
            ids.push_back(product.id);
            factors.push_back({product.ciphertext, product.plain});
        }
        return evaluator->respond(evaluator->prepare(ids, mask, client), factors, addend);
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
            const long double d = static_cast<long double>(x[i]) -
                                  modulus * static_cast<long double>(plain[i]) / parameters.plain_modulus;
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
    for (const SlotParameters& row : kSlotParameters)
        for (const InstructionSet set : supported_instruction_sets()) {
            const SlotRing& ring = SlotRing::of(row, set);
            const std::uint32_t T = row.plain_modulus;
            const Slots slots = random_slots(T, 1, 1003), subtracted = random_slots(T, 2, 517);
            Poly64 polynomial(n);
            Slots decoded(n);
            ring.encode(slots, polynomial);
            ring.decode(polynomial, decoded);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(decoded[i], i < 1003 ? slots[i] : 0);
            ring.encode(slots, polynomial, subtracted);
            decoded.resize(1001);
            ring.decode(polynomial, decoded);
            for (std::size_t i = 0; i < 1001; ++i)
                ASSERT_EQ(decoded[i], (slots[i] + (i < 517 ? T - subtracted[i] : 0)) % T);
            // A constant vector is a constant polynomial.
            ring.encode(Slots(n, 5), polynomial);
            EXPECT_EQ(polynomial[0], 5u);
            EXPECT_EQ(*std::max_element(polynomial.begin() + 1, polynomial.end()), 0u);
        }
}

// Residues of one polynomial, in owned memory.
struct Residues {
    std::vector<Poly64> owned;
    std::vector<Polynomial> spans;
    explicit Residues(std::size_t primes) {
        for (std::size_t i = 0; i < primes; ++i) owned.emplace_back(n);
        for (Poly64& x : owned) spans.emplace_back(x);
    }
};

TEST(SlotRing, ScalingAndSwitchingAreExact) {
    for (const SlotParameters& row : kSlotParameters)
        for (const InstructionSet set : supported_instruction_sets()) {
            const SlotRing& ring = SlotRing::of(row, set);
            const std::uint64_t T = row.plain_modulus;
            const std::size_t primes = row.prime_count;
            lattice::u128 q = 1;
            for (std::uint64_t p : row.primes()) q *= p;
            Poly64 m(n);
            std::vector<std::int8_t> error(n), none(n, 0);
            std::mt19937_64 rng(3);
            for (std::size_t i = 0; i < n; ++i) {
                m[i] = rng() % T;
                error[i] = static_cast<std::int8_t>(static_cast<int>(rng() % 43) - 21);
            }
            m[0] = m[4] = m[5] = 0;
            m[1] = T - 1;
            m[2] = T / 2;
            m[3] = T / 2 + 1;
            error[4] = 21;
            error[5] = -21;
            Residues x(primes), zero(primes);
            ring.scale_up(m, error, x.spans);
            for (std::size_t j = 0; j < n; ++j) {
                // round(q m / T) in two halves, as q m exceeds 128 bits.
                const lattice::u128 scaled = q / T * m[j] + (q % T * m[j] + T / 2) / T;
                for (std::size_t i = 0; i < primes; ++i) {
                    const lattice::Modulus& p = ring.moduli()[i];
                    ASSERT_LT(x.owned[i][j], 4 * p.value());
                    ASSERT_EQ(x.owned[i][j] % p.value(),
                              p.add(static_cast<std::uint64_t>(scaled % p.value()), p.from_signed(error[j])));
                }
            }
            for (std::size_t i = 0; i < primes; ++i)
                for (std::uint64_t& residue : x.owned[i]) residue %= row.primes()[i];
            Poly64 switched(n), again(n);
            ring.switch_down(x.spans, none, switched);
            const auto near = [&](std::uint64_t value, std::uint64_t message) {
                const long double unit = std::ldexp(1.0L, row.response_bits);
                const long double d = static_cast<long double>(value) -
                                      unit * static_cast<long double>(message) / static_cast<long double>(T);
                return std::abs(d - unit * std::round(d / unit)) <= 0.501L;
            };
            for (std::size_t j = 0; j < n; ++j) ASSERT_TRUE(near(switched[j], m[j])) << j;
            ring.scale_down(zero.owned[0], switched, again);
            for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(again[j], m[j]);
            // The other switch adds the message itself, and a flooding of any size: here another message.
            ring.switch_down(zero.spans, x.spans, m, switched);
            for (std::size_t j = 0; j < n; ++j) ASSERT_TRUE(near(switched[j], 2 * m[j] % T)) << j;
            ring.switch_down(x.spans, zero.spans, m, again);
            for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(switched[j], again[j]);
            // The top of the range wraps: q - 1 rounds to 2^t = 0, and so does q - 1 less an error; a phase just below
            // 2^t gives T = 0.
            for (std::size_t i = 0; i < primes; ++i)
                std::fill(x.owned[i].begin(), x.owned[i].end(), row.primes()[i] - 1);
            ring.switch_down(x.spans, error, switched);
            for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(switched[j], 0u);
            Poly64 top(n);
            std::fill(top.begin(), top.end(), (1ull << row.response_bits) - 1);
            ring.scale_down(zero.owned[0], top, switched);
            EXPECT_EQ(switched[7], 0u);
        }
}

TEST(SlotRing, ResponsesAreLiftedAndScaledExactly) {
    for (const SlotParameters& row : kSlotParameters)
        for (const InstructionSet set : supported_instruction_sets()) {
            const SlotRing& ring = SlotRing::of(row, set);
            const lattice::Modulus P(kSlotResponsePrime);
            const std::int64_t modulus = std::int64_t{1} << row.response_bits;
            std::mt19937_64 rng(7);
            Poly64 a(n), b(n), out(n), product(n);
            for (std::size_t j = 0; j < n; ++j) {
                a[j] = rng() % static_cast<std::uint64_t>(modulus);
                b[j] = rng() % static_cast<std::uint64_t>(modulus);
                product[j] = rng() % P.value();
            }
            const std::uint64_t half = static_cast<std::uint64_t>(modulus) / 2;
            const std::uint64_t edges[] = {0, 1, half - 1, half, half + 1, 2 * half - 1};
            for (std::size_t j = 0; j < 36; ++j) {
                a[j] = edges[j % 6];
                b[j] = edges[j / 6];
                product[j] = std::vector<std::uint64_t>{0, 1, P.value() / 2, P.value() / 2 + 1, P.value() - 1}[j % 5];
            }
            const Poly64& given = a;
            Poly64 lifted(n);
            std::copy(given.begin(), given.end(), lifted.begin());
            ring.lift_response(lifted);
            ring.scale_down(product, b, out);
            for (std::size_t j = 0; j < n; ++j) {
                ASSERT_EQ(lifted[j], P.from_signed(static_cast<std::int64_t>(a[j]) - (a[j] >= half ? modulus : 0)));
                const auto centred = static_cast<std::int64_t>(product[j]) -
                                     (product[j] > P.value() / 2 ? static_cast<std::int64_t>(P.value()) : 0);
                const auto phase =
                    static_cast<std::uint64_t>(centred + static_cast<std::int64_t>(b[j])) & (2 * half - 1);
                const auto scaled = static_cast<std::uint64_t>(
                    (static_cast<lattice::u128>(phase) * row.plain_modulus + half) >> row.response_bits);
                ASSERT_EQ(out[j], scaled % row.plain_modulus);
            }
        }
}

TEST(Slots, ResponsesAreExactForAllModuliAtExtremes) {
    std::uint64_t seed = 1;
    for (const SlotParameters& row : kSlotParameters) {
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, seed++);
        Slots alternating(n, T - 1);
        for (std::size_t i = 0; i < n; i += 2) alternating[i] = T / 2;
        std::uint32_t layer = 0;
        for (const Slots& server :
             {random_slots(T, 10), Slots(n, T - 1), Slots(n, T / 2), alternating, Slots(n, 0), random_slots(T, 11, 17)})
            for (const Slots& client : {random_slots(T, 12), Slots(n, T - 1), alternating, random_slots(2, 13)}) {
                std::vector<std::vector<std::uint8_t>> bytes;
                std::vector<Product> products;
                std::vector<std::pair<Slots, Slots>> factors;
                for (std::uint32_t k = 0; k < 3; ++k) bytes.push_back(parties.encrypt({layer, 5, k}, server));
                for (std::uint32_t k = 0; k < 3; ++k) {
                    products.push_back({{layer, 5, k}, bytes[k], client});
                    factors.emplace_back(server, client);
                }
                ++layer;
                const Slots addend = random_slots(T, layer);
                const std::vector<std::uint8_t> response = parties.respond(products, addend);
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
    const Product product{{1, 2, 3}, bytes, y};
    Slots result = expected({{x, y}}, z, T);
    EXPECT_EQ(parties.decrypt(parties.respond({&product, 1}, z)), result);
    result.resize(70);
    EXPECT_EQ(parties.decrypt(parties.respond({&product, 1}, z), 70), result);
    EXPECT_EQ(parties.decrypt(parties.respond({}, z)), expected({}, z, T));
}

TEST(Slots, NoPairEncryptsTwice) {
    Parties parties(kSlotParameters[0], 78);
    parties.encrypt({1, 2, 3}, {4});
    parties.encrypt({1, 3, 2}, {4});
    std::vector<std::uint8_t> out;
    EXPECT_EQ(kind_of([&] { parties.key.encrypt({1, 2, 3}, Slots{4}, parties.server, out); }), ErrorKind::kInternal);
    EXPECT_TRUE(out.empty());
}

// The response carries noise that is uniform over half of the room, and nothing near the other half.
TEST(Slots, ResponseNoiseIsFloodedAndBounded) {
    for (const SlotParameters& row : kSlotParameters) {
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, 79);
        std::vector<std::vector<std::uint8_t>> bytes;
        std::vector<Product> products;
        const Slots client = random_slots(T, 4);
        for (std::uint32_t k = 0; k < 3; ++k) bytes.push_back(parties.encrypt({0, 0, k}, random_slots(T, k)));
        for (std::uint32_t k = 0; k < 3; ++k) products.push_back({{0, 0, k}, bytes[k], client});
        std::vector<std::uint8_t> response = parties.respond(products, random_slots(T, 5));
        const Slots slots = parties.decrypt(response);
        const std::vector<double> noise = parties.noise(response);
        const double room = std::ldexp(0.5, row.response_bits) / T;
        // The bound 2^(b + 50) of the flooding in units of 2^t.
        long double q = 1;
        for (std::uint64_t p : row.primes()) q *= static_cast<long double>(p);
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

        // The worst case: every coefficient moved to the flooding bound plus ten sigma of rounding still decrypts; past
        // the room it does not.
        const auto with_noise = [&](double target) {
            std::vector<std::uint8_t> moved = response;
            const std::span<std::uint8_t> half = std::span(moved).subspan(moved.size() / 2);
            std::vector<std::uint64_t> b(n);
            lattice::unpack(half, row.response_bits, std::span(b));
            for (std::size_t i = 0; i < n; ++i) {
                const double sign = i % 2 ? 1 : -1;
                b[i] += static_cast<std::uint64_t>(
                    static_cast<std::int64_t>(std::floor(sign * target - noise[i] + (i % 2 ? 0 : 1))));
            }
            lattice::pack(std::span<const std::uint64_t>(b), row.response_bits, half);
            return parties.decrypt(moved);
        };
        EXPECT_EQ(with_noise(bound + 10 * 15.1), slots);
        EXPECT_EQ(with_noise(room - 2), slots);
        EXPECT_NE(with_noise(room + 2), slots);
    }
}

TEST(Slots, MaskIsSubtracted) {
    for (const SlotParameters& row : kSlotParameters) {
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, 83);
        const Slots x = random_slots(T, 1), y = random_slots(T, 2), addend = random_slots(T, 3),
                    mask = random_slots(T, 4, 1234);
        const std::vector<std::uint8_t> bytes = parties.encrypt({1, 2, 3}, x);
        const Product product{{1, 2, 3}, bytes, y};
        Slots result = expected({{x, y}}, addend, T);
        for (std::size_t i = 0; i < mask.size(); ++i) result[i] = (result[i] + T - mask[i]) % T;
        EXPECT_EQ(parties.decrypt(parties.respond({&product, 1}, addend, mask)), result);
    }
}

TEST(Slots, PreparedResponsesServeOnce) {
    const SlotParameters& row = kSlotParameters[0];
    Parties parties(row, 84), others(row, 85);
    const std::vector<std::uint8_t> bytes = parties.encrypt({0, 0, 0}, {1, 2, 3});
    const SlotVectorId id{0, 0, 0};
    const Slots client = {4, 5, 6};
    const SlotFactor factor{bytes, client};
    const SlotEvaluator& evaluator = *parties.evaluator;
    static_assert(!std::is_copy_constructible_v<PreparedResponse> && !std::is_copy_assignable_v<PreparedResponse>);
    const auto refused = [&](PreparedResponse& prepared, const SlotEvaluator& by, std::span<const SlotFactor> factors) {
        return kind_of([&] { by.respond(std::move(prepared), factors, {}); }) == ErrorKind::kInternal;
    };
    PreparedResponse prepared = evaluator.prepare({&id, 1}, {}, parties.client);
    EXPECT_FALSE(prepared.empty());
    EXPECT_EQ(parties.decrypt(evaluator.respond(std::move(prepared), {&factor, 1}, {}), 3), (Slots{4, 10, 18}));
    EXPECT_TRUE(prepared.empty());
    EXPECT_TRUE(refused(prepared, evaluator, {&factor, 1}));
    // A refused or failed use consumes it, too.
    prepared = evaluator.prepare({&id, 1}, {}, parties.client);
    EXPECT_TRUE(refused(prepared, *others.evaluator, {&factor, 1}));
    EXPECT_TRUE(prepared.empty());
    prepared = evaluator.prepare({&id, 1}, {}, parties.client);
    EXPECT_TRUE(refused(prepared, evaluator, {}));
    EXPECT_TRUE(prepared.empty());
    prepared = evaluator.prepare({&id, 1}, {}, parties.client);
    const SlotFactor short_factor{std::span(bytes).first(5), client};
    EXPECT_EQ(kind_of([&] { evaluator.respond(std::move(prepared), {&short_factor, 1}, {}); }), ErrorKind::kProtocol);
    EXPECT_TRUE(prepared.empty());
    // It may outlive its evaluator.
    prepared = evaluator.prepare({&id, 1}, client, parties.client);
    parties.evaluator.reset();
}

TEST(Slots, InstructionSetsAgree) {
    for (const SlotParameters& row : kSlotParameters) {
        const std::uint32_t T = row.plain_modulus;
        std::vector<std::uint8_t> first_key, first_bytes, first_response;
        for (const InstructionSet set : supported_instruction_sets()) {
            Parties parties(row, 86, set);
            std::vector<std::uint8_t> public_key;
            parties.key.append_public_key(public_key);
            std::vector<std::vector<std::uint8_t>> bytes;
            std::vector<Product> products;
            std::vector<std::pair<Slots, Slots>> factors;
            const Slots addend = random_slots(T, 5), mask = random_slots(T, 6, 999);
            for (std::uint32_t k = 0; k < 3; ++k) {
                factors.emplace_back(random_slots(T, k), random_slots(T, 10 + k));
                bytes.push_back(parties.encrypt({7, 8, k}, factors[k].first));
            }
            for (std::uint32_t k = 0; k < 3; ++k) products.push_back({{7, 8, k}, bytes[k], factors[k].second});
            const std::vector<std::uint8_t> response = parties.respond(products, addend, mask);
            if (set == InstructionSet::kPortable) {
                first_key = public_key;
                first_bytes = bytes[2];
                first_response = response;
                Slots result = expected(factors, addend, T);
                for (std::size_t i = 0; i < mask.size(); ++i) result[i] = (result[i] + T - mask[i]) % T;
                EXPECT_EQ(parties.decrypt(response), result);
            }
            EXPECT_EQ(public_key, first_key);
            EXPECT_EQ(bytes[2], first_bytes);
            EXPECT_EQ(response, first_response);
            EXPECT_EQ(parties.decrypt(first_response), parties.decrypt(response));
        }
    }
}

TEST(Slots, ResponsesAreFreshEachTime) {
    const SlotParameters& row = kSlotParameters[0];
    Parties parties(row, 80);
    const std::vector<std::uint8_t> bytes = parties.encrypt({0, 0, 0}, {1, 2, 3});
    const Slots client = {4, 5, 6};
    const Product product{{0, 0, 0}, bytes, client};
    const std::vector<std::uint8_t> x = parties.respond({&product, 1}, {});
    const std::vector<std::uint8_t> y = parties.respond({&product, 1}, {});
    std::size_t equal = 0;
    for (std::size_t i = 0; i < x.size(); ++i) equal += x[i] == y[i];
    EXPECT_LT(equal, x.size() / 128);  // 1/256 by chance
    EXPECT_EQ(parties.decrypt(x), parties.decrypt(y));
}

TEST(Slots, MalformedMessagesAreRefused) {
    for (const SlotParameters& row : kSlotParameters) {
        Parties parties(row, 81);
        std::vector<std::uint8_t> good = parties.encrypt({0, 0, 0}, {1}), public_key;
        parties.key.append_public_key(public_key);
        const Slots client = {1};
        const auto respond = [&](std::span<const std::uint8_t> bytes) {
            const Product product{{0, 0, 0}, bytes, client};
            parties.respond({&product, 1}, {});
        };
        EXPECT_NO_THROW(respond(good));
        EXPECT_EQ(kind_of([&] { respond(std::span(good).first(good.size() - 1)); }), ErrorKind::kProtocol);
        EXPECT_EQ(kind_of([&] { respond({}); }), ErrorKind::kProtocol);
        // A coefficient equal to its prime, first or last, in each residue.
        std::size_t start = 0;
        for (std::uint64_t prime : row.primes()) {
            const int bits = static_cast<int>(std::bit_width(prime));
            const std::size_t size = lattice::packed_bytes(n, bits);
            for (std::size_t index : {std::size_t{0}, n - 1}) {
                std::vector<std::uint8_t> bad = good;
                std::vector<std::uint64_t> values(n);
                const std::span<std::uint8_t> part = std::span(bad).subspan(start, size);
                lattice::unpack(part, bits, std::span(values));
                values[index] = prime;
                lattice::pack(std::span<const std::uint64_t>(values), bits, part);
                EXPECT_EQ(kind_of([&] { respond(bad); }), ErrorKind::kProtocol);
                EXPECT_EQ(kind_of([&] { SlotEvaluator(row, public_seed(1), bad); }), ErrorKind::kProtocol);
            }
            start += size;
        }
        public_key.push_back(0);
        EXPECT_EQ(kind_of([&] { SlotEvaluator(row, public_seed(1), public_key); }), ErrorKind::kProtocol);
        Slots out(n);
        EXPECT_EQ(kind_of([&] { parties.key.decrypt(std::vector<std::uint8_t>(slot_response_bytes(row) - 1), out); }),
                  ErrorKind::kProtocol);
        EXPECT_NO_THROW(parties.key.decrypt(std::vector<std::uint8_t>(slot_response_bytes(row), 0xff), out));
    }
}

TEST(Slots, CallersMistakesAreRefused) {
    const SlotParameters& row = kSlotParameters[0];
    Parties parties(row, 82);
    std::vector<std::uint8_t> out;
    EXPECT_THROW(parties.key.encrypt({0, 0, 0}, Slots(n + 1), parties.server, out), Error);
    EXPECT_THROW(parties.key.encrypt({0, 0, 1}, Slots{row.plain_modulus}, parties.server, out), Error);
    EXPECT_THROW(parties.key.encrypt({0, 0, 3}, Slots(n, row.plain_modulus), parties.server, out), Error);
    EXPECT_THROW(parties.key.encrypt({0, 1u << 28, 0}, Slots{1}, parties.server, out), Error);
    EXPECT_THROW(parties.key.encrypt({0, 0, 4}, Slots{1}, parties.server, out), Error);
    const std::vector<std::uint8_t> bytes = parties.encrypt({0, 0, 2}, {1});
    const Slots one = {1}, bad = {row.plain_modulus};
    EXPECT_THROW(parties.respond({}, bad), Error);
    EXPECT_THROW(parties.respond({}, one, bad), Error);
    const std::vector<Product> four(4, Product{{0, 0, 2}, bytes, one});
    EXPECT_THROW(parties.respond(four, one), Error);
}

TEST(Slots, KnownAnswers) {
    struct Answer {
        const char *public_key, *ciphertext, *response;
    };
    const Answer answers[5] = {
        {"aa116ce5d42347ca", "1437ce1374674f55", "e899a287eecd45a4"},
        {"7f052f970f20270b", "18bef22ee05234c0", "af81a0ce96083d10"},
        {"71ca8d05ea965e27", "ae19f3a3931f4a9b", "529f194a958bb54f"},
        {"a1f7ac14fdfa81c5", "db9ead43cdd02f23", "542e8451e2c5bb3c"},
        {"01b8891bed21ccbb", "4180fb983872222f", "884cb698ea5f659c"},
    };
    for (std::size_t i = 0; i < 5; ++i) {
        const SlotParameters& row = kSlotParameters[i];
        const std::uint32_t T = row.plain_modulus;
        Parties parties(row, 90);
        std::vector<std::uint8_t> public_key;
        parties.key.append_public_key(public_key);
        EXPECT_EQ(digest(public_key), answers[i].public_key);
        const std::vector<std::uint8_t> bytes = parties.encrypt({3, 2, 1}, random_slots(T, 6));
        EXPECT_EQ(digest(bytes), answers[i].ciphertext);
        const Slots client = random_slots(T, 7);
        const Product product{{3, 2, 1}, bytes, client};
        EXPECT_EQ(digest(parties.respond({&product, 1}, random_slots(T, 8))), answers[i].response);
    }
}

}  // namespace
}  // namespace flash::scheme
