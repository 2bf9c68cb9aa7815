#include "scheme/composite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "support/memory_scan.h"

namespace flash::scheme {
namespace {

using Slots = std::vector<std::uint32_t>;
using Bytes = std::vector<std::uint8_t>;
using Ring = std::shared_ptr<const CompositeRing>;

constexpr CompositeSeeds kSeeds{{1, 2, 3}, {4, 5, 6}};

Prng generator(std::uint64_t seed) { return Prng(SecretSeed::for_testing(seed), "composite test"); }
std::string digest(std::span<const std::uint8_t> bytes) { return to_hex(sha256(bytes)).substr(0, 16); }
Bytes bytes_of(const Slots& slots) {
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
CompositeParameters parameters_of(const CompositeShape& shape, int plain_bits = 24, int rank = 3) {
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
Slots random_slots(const CompositeRing& ring, std::uint64_t seed) {
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

TEST(Composite, SharesAddUpForAllShapesAndWidths) {
    for (const CompositeShape& shape : kCompositeShapes)
        for (int bits : {20, 22, 23, 24, 25, 27, 28})
            for (int rank : {2, 3}) {
                CompositeParameters parameters;
                try {
                    parameters = parameters_of(shape, bits, rank);
                } catch (const Error& error) {
                    ASSERT_EQ(error.kind(), ErrorKind::kInvalidArgument);
                    ASSERT_NE(bits, 24) << shape.degree;
                    continue;
                }
                Parties parties(CompositeRing::of(parameters));
                std::vector<Slots> e, p;
                for (int k = 0; k < rank; ++k) {
                    e.push_back(random_slots(*parties.ring, static_cast<std::uint64_t>(k)));
                    p.push_back(random_slots(*parties.ring, static_cast<std::uint64_t>(10 + k)));
                }
                EXPECT_EQ(parties.wrong(parties.multiply(7, e, p), e, p), 0u)
                    << shape.degree << " " << shape.residues << " " << bits;
            }
}

TEST(Composite, ExtremesAreExact) {
    Parties parties(CompositeRing::of(parameters_of({8192, 3})));
    const CompositeRing& ring = *parties.ring;
    const auto all = [&](auto&& value) { return slots_of(ring, value); };
    const std::vector<Slots> inputs = {
        all([](std::uint32_t, std::size_t) { return 0u; }),
        all([](std::uint32_t t, std::size_t) { return t - 1; }),
        all([](std::uint32_t t, std::size_t) { return t / 2; }),
        all([](std::uint32_t t, std::size_t j) { return j % 2 ? t - 1 : t / 2; }),
        all([](std::uint32_t, std::size_t j) { return static_cast<std::uint32_t>(j == 5); }),
        random_slots(ring, 9)};
    std::uint32_t chunk = 0;
    for (const Slots& x : inputs)
        for (const Slots& y : inputs)
            EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {x, y, x}, {y, y, x}), {x, y, x}, {y, y, x}), 0u)
                << chunk;
    // Fewer products than the rank, and none at all.
    EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {inputs[5]}, {inputs[3]}), {inputs[5]}, {inputs[3]}), 0u);
    EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {}, {}), {}, {}), 0u);
}

// ------------------------------------------------------------------------------------ against plain integer arithmetic

using lattice::u128;

u128 multiply(u128 x, u128 y, u128 q) {
    u128 result = 0;
    for (; y; y >>= 1) {
        if (y & 1) result = (result + x) % q;
        x = 2 * x % q;
    }
    return result;
}

/// Polynomials mod (X^n + 1, q), q < 2^126.
using Polynomial = std::vector<u128>;
Polynomial multiply(const Polynomial& x, const Polynomial& y, u128 q) {
    const std::size_t n = x.size();
    Polynomial result(n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            const u128 product = multiply(x[i], y[j], q);
            u128& r = result[(i + j) % n];
            r = (r + (i + j < n ? product : q - product)) % q;
        }
    return result;
}
Polynomial add(const Polynomial& x, const Polynomial& y, u128 q) {
    Polynomial result;
    for (std::size_t i = 0; i < x.size(); ++i) result.push_back((x[i] + y[i]) % q);
    return result;
}
Polynomial of_small(std::span<const std::int8_t> small, u128 q) {
    Polynomial result;
    for (std::int8_t v : small) result.push_back(v < 0 ? q - static_cast<u128>(-v) : static_cast<u128>(v));
    return result;
}
/// round(x multiplier / divisor) for a product below 2^127.
Polynomial round(const Polynomial& x, u128 multiplier, u128 divisor, u128 q) {
    Polynomial result;
    for (u128 v : x) result.push_back((v * multiplier + divisor / 2) / divisor % q);
    return result;
}

using Part = std::pair<lattice::Modulus, std::vector<std::uint64_t>>;
/// The integers with these residues, mod the product of all moduli.
Polynomial join(const std::vector<Part>& parts) {
    u128 q = 1;
    for (const Part& part : parts) q *= part.first.value();
    Polynomial result(parts[0].second.size());
    for (const auto& [modulus, residues] : parts) {
        const u128 rest = q / modulus.value();
        const u128 unit = multiply(rest, modulus.inverse(static_cast<std::uint64_t>(rest % modulus.value())), q);
        for (std::size_t i = 0; i < result.size(); ++i) result[i] = (result[i] + multiply(unit, residues[i], q)) % q;
    }
    return result;
}
std::vector<std::uint64_t> inverse_transform(const lattice::Modulus& modulus, std::vector<std::uint64_t> values) {
    lattice::NttTables(values.size(), modulus).inverse(values);
    return values;
}
/// The polynomial mod P with these slots.
Polynomial of_slots(const CompositeRing& ring, const Slots& slots) {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < ring.plain_moduli().size(); ++i) {
        const auto begin = slots.begin() + static_cast<std::ptrdiff_t>(i * ring.degree());
        parts.emplace_back(ring.plain_moduli()[i],
                           std::vector<std::uint64_t>(begin, begin + static_cast<std::ptrdiff_t>(ring.degree())));
        parts.back().second = inverse_transform(parts.back().first, parts.back().second);
    }
    return join(parts);
}
/// Packed residues, as they come.
std::vector<Part> unpack(std::span<const std::uint8_t> bytes, const std::vector<lattice::Modulus>& moduli,
                         std::size_t n) {
    std::vector<Part> parts;
    for (const lattice::Modulus& m : moduli) {
        const std::size_t size = lattice::packed_bytes(n, m.bits());
        parts.emplace_back(m, std::vector<std::uint64_t>(n));
        lattice::unpack(bytes.first(size), m.bits(), std::span(parts.back().second));
        bytes = bytes.subspan(size);
    }
    EXPECT_TRUE(bytes.empty());
    return parts;
}

TEST(Composite, AgreesWithPlainIntegers) {
    for (const CompositeParameters parameters :
         {CompositeParameters{64, 2, 12, 2, 50, 52}, CompositeParameters{128, 1, 20, 3, 54, 37},
          CompositeParameters{64, 3, 12, 2, 58, 32}})
        for (InstructionSet set : supported_instruction_sets()) {
            const Ring ring = CompositeRing::insecure_for_testing(parameters, set);
            const std::size_t n = ring->degree();
            Parties parties(ring);
            const CompositeModuli moduli = composite_moduli(parameters);
            std::vector<lattice::Modulus> all = moduli.groups;
            all.insert(all.end(), moduli.delta.begin(), moduli.delta.end());
            const auto product = [](const std::vector<lattice::Modulus>& x) {
                u128 result = 1;
                for (const lattice::Modulus& m : x) result *= m.value();
                return result;
            };
            const u128 P = product(moduli.groups), delta = product(moduli.delta), q = P * delta,
                       d = product(moduli.answer);

            // The server's secret, drawn again, and the public halves: part of the wire format.
            Prng server = generator(1), client = generator(1001);
            std::vector<std::int8_t> s(n), u(n), e1(n);
            lattice::sample_ternary(server, s);
            lattice::sample_ternary(client, u);
            lattice::sample_error(client, e1);
            const auto word = [](int x) { return static_cast<std::uint64_t>(x); };
            const auto expand = [&](const char* label, std::uint64_t a, std::uint64_t b) {
                const StreamKey key(sha256_parts({kSeeds.client_nonce, kSeeds.server_seed}), label,
                                    {n, word(parameters.residues), word(parameters.plain_bits), word(parameters.rank),
                                     word(parameters.delta_bits), word(parameters.answer_bits)});
                std::vector<Part> parts;
                for (std::size_t i = 0; i < all.size(); ++i) {
                    parts.emplace_back(all[i], std::vector<std::uint64_t>(n));
                    Prng rng = b == ~std::uint64_t{0} ? key.stream(i) : key.stream(a, b << 8 | i);
                    lattice::sample_uniform(rng, all[i], parts.back().second);
                    parts.back().second = inverse_transform(all[i], parts.back().second);
                }
                return join(parts);
            };
            const auto received = [&](std::span<const std::uint8_t> bytes) {
                std::vector<Part> parts = unpack(bytes, all, n);
                for (Part& part : parts) part.second = inverse_transform(part.first, part.second);
                return join(parts);
            };
            const auto small_distance = [&](const Polynomial& x, const Polynomial& y) {
                for (std::size_t i = 0; i < n; ++i) {
                    const u128 difference = (x[i] + q - y[i]) % q;
                    ASSERT_TRUE(difference <= 21 || q - difference <= 21);
                }
            };

            const Polynomial secret = of_small(s, q), key_a = expand("flash composite key a", 0, ~std::uint64_t{0}),
                             key_b = received(parties.public_key);
            small_distance(add(key_b, multiply(key_a, secret, q), q), Polynomial(n));
            Polynomial a = add(multiply(key_a, of_small(u, q), q), of_small(e1, q), q),
                       b = multiply(key_b, of_small(u, q), q), sum(n);
            std::vector<Bytes> ciphertexts;
            std::vector<CompositeVectorId> ids;
            std::vector<CompositeFactor> factors;
            std::vector<Slots> e, p;
            for (std::uint32_t k = 0; k < static_cast<std::uint32_t>(parameters.rank); ++k) {
                ids.push_back({123, k});
                e.push_back(random_slots(*ring, k));
                p.push_back(random_slots(*ring, 10 + k));
                ciphertexts.push_back(parties.encrypt(ids[k], e[k]));
                const Polynomial vector_a = expand("flash composite vector a", 123, k),
                                 vector_b = received(ciphertexts[k]);
                Polynomial scaled = of_slots(*ring, e[k]), plain = of_slots(*ring, p[k]);
                sum = add(sum, multiply(scaled, plain, P), P);
                for (u128& x : scaled) x *= delta;
                small_distance(add(vector_b, multiply(vector_a, secret, q), q), scaled);
                for (u128& x : plain)
                    if (x > P / 2) x = q - (P - x);
                a = add(a, multiply(vector_a, plain, q), q);
                b = add(b, multiply(vector_b, plain, q), q);
            }
            for (std::size_t k = 0; k < e.size(); ++k) factors.push_back({ciphertexts[k], p[k]});
            Slots share(ring->values()), other(ring->values());
            const Bytes answer =
                parties.evaluator->answer(parties.evaluator->prepare(ids, parties.client), factors, share);
            parties.key.decrypt(answer, other);

            // What is sent, and both shares.
            std::vector<lattice::Modulus> sent_moduli = moduli.answer;
            sent_moduli.insert(sent_moduli.end(), moduli.groups.begin(), moduli.groups.end());
            std::vector<Part> parts = unpack(answer, sent_moduli, n);
            for (std::size_t i = moduli.answer.size(); i < parts.size(); ++i)
                parts[i].second = inverse_transform(parts[i].first, parts[i].second);
            const Polynomial sent = join(parts);
            EXPECT_EQ(sent, round(a, d, delta, P * d));
            const Polynomial high = of_slots(*ring, share), low = of_slots(*ring, other);
            EXPECT_EQ(high, round(b, 1, delta, P));
            EXPECT_EQ(low, round(multiply(sent, of_small(s, P * d), P * d), 1, d, P));
            EXPECT_EQ(add(high, low, P), sum);
        }
}

// -------------------------------------------------------------------------------------------------- wrong roundings

// Rooms that are too small on purpose: for the products' noise, and for what is left of a''. Counted are coefficients,
// as a wrong one spoils every slot.
TEST(Composite, RateOfWrongRoundingsFollowsTheFormula) {
    struct Case {
        CompositeParameters parameters;
        int rounds;
        double tolerance;
    };
    const Case cases[] = {
        {{1024, 2, 20, 3, 51, 60}, 24, 0.15}, {{1024, 3, 20, 2, 72, 60}, 24, 0.15}, {{64, 2, 20, 3, 90, 9}, 600, 0.25}};
    for (const Case& c : cases) {
        const Ring ring = CompositeRing::insecure_for_testing(c.parameters);
        const std::size_t n = ring->degree();
        Parties parties(ring, 50);
        const lattice::Modulus t(ring->plain_moduli()[0]);
        const lattice::NttTables ntt(n, t);
        std::size_t wrong = 0;
        for (int round = 0; round < c.rounds; ++round) {
            std::vector<Slots> e, p;
            for (int k = 0; k < c.parameters.rank; ++k) {
                e.push_back(random_slots(*ring, static_cast<std::uint64_t>(100 * round + k)));
                p.push_back(random_slots(*ring, static_cast<std::uint64_t>(100 * round + 50 + k)));
            }
            const Parties::Result result = parties.multiply(static_cast<std::uint32_t>(round), e, p);
            std::vector<std::uint64_t> difference(n);
            for (std::size_t i = 0; i < n; ++i) {
                std::uint64_t sum = t.add(result.client[i], result.server[i]);
                for (std::size_t k = 0; k < e.size(); ++k) sum = t.subtract(sum, t.multiply(e[k][i], p[k][i]));
                difference[i] = sum;
            }
            ntt.inverse(difference);
            for (std::uint64_t x : difference) {
                ASSERT_TRUE(x <= 1 || x == t.value() - 1) << x;
                wrong += x != 0;
            }
        }
        const double coefficients = static_cast<double>(n) * c.rounds,
                     expected = coefficients * std::exp2(log2_wrong_rounding(c.parameters, 1));
        EXPECT_GT(expected, 100);
        EXPECT_NEAR(static_cast<double>(wrong), expected, c.tolerance * expected) << n;
    }
}

// ------------------------------------------------------------------------------------------------- what is refused

TEST(Composite, PreparedAnswersServeOnce) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    Parties parties(ring), others(ring, 2);
    static_assert(!std::is_copy_constructible_v<PreparedAnswer> && !std::is_copy_assignable_v<PreparedAnswer>);
    static_assert(!std::is_copy_constructible_v<CompositeSecretKey> &&
                  !std::is_move_constructible_v<CompositeSecretKey>);
    const Slots values = random_slots(*ring, 1);
    const Bytes bytes = parties.encrypt({0, 0}, values);
    const CompositeVectorId id{0, 0};
    const CompositeFactor factor{bytes, values};
    const CompositeEvaluator& evaluator = *parties.evaluator;
    Slots share(ring->values());
    const auto refused = [&](PreparedAnswer& prepared, const CompositeEvaluator& by,
                             std::span<const CompositeFactor> factors) {
        return kind_of([&] { by.answer(std::move(prepared), factors, share); }) == ErrorKind::kInternal;
    };
    PreparedAnswer prepared = evaluator.prepare({&id, 1}, parties.client);
    EXPECT_FALSE(prepared.empty());
    EXPECT_FALSE(evaluator.answer(std::move(prepared), {&factor, 1}, share).empty());
    EXPECT_TRUE(prepared.empty());
    EXPECT_TRUE(refused(prepared, evaluator, {&factor, 1}));
    // A refused or failed use consumes it, too.
    prepared = evaluator.prepare({&id, 1}, parties.client);
    EXPECT_TRUE(refused(prepared, *others.evaluator, {&factor, 1}));
    EXPECT_TRUE(prepared.empty());
    prepared = evaluator.prepare({&id, 1}, parties.client);
    EXPECT_TRUE(refused(prepared, evaluator, {}));
    EXPECT_TRUE(prepared.empty());
    prepared = evaluator.prepare({&id, 1}, parties.client);
    const CompositeFactor short_factor{std::span(bytes).first(5), values};
    EXPECT_EQ(kind_of([&] { evaluator.answer(std::move(prepared), {&short_factor, 1}, share); }), ErrorKind::kProtocol);
    EXPECT_TRUE(prepared.empty());
    // It may outlive its evaluator.
    prepared = evaluator.prepare({&id, 1}, parties.client);
    parties.evaluator.reset();
}

TEST(Composite, VectorsAreEncryptedOnce) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    Parties parties(ring);
    const Slots values = random_slots(*ring, 1);
    parties.encrypt({1, 2}, values);
    parties.encrypt({1, 1}, values);
    parties.encrypt({2, 2}, values);
    Bytes out;
    EXPECT_EQ(kind_of([&] { parties.key.encrypt({1, 2}, values, parties.server, out); }), ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { parties.key.encrypt({1, 3}, values, parties.server, out); }), ErrorKind::kInternal);
    EXPECT_TRUE(out.empty());
}

TEST(Composite, AnswersAreFreshEachTime) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    Parties parties(ring);
    const Slots values = random_slots(*ring, 1), zero(ring->values());
    const Bytes bytes = parties.encrypt({0, 0}, values);
    const CompositeVectorId id{0, 0};
    const auto answer = [&](const Slots& plain, Slots& share) {
        share.resize(ring->values());
        const CompositeFactor factor{bytes, plain};
        return parties.evaluator->answer(parties.evaluator->prepare({&id, 1}, parties.client), {&factor, 1}, share);
    };
    const auto equal = [](std::span<const std::uint8_t> x, std::span<const std::uint8_t> y) {
        std::size_t count = 0;
        for (std::size_t i = 0; i < x.size(); ++i) count += x[i] == y[i];
        return count;
    };
    Slots share, again, none;
    const Bytes x = answer(values, share), y = answer(values, again), z = answer(zero, none);
    // 1/256 by chance, and as random for zeros as for anything.
    EXPECT_LT(equal(x, y), x.size() / 128);
    EXPECT_LT(equal(x, z), x.size() / 128);
    EXPECT_LT(equal(bytes_of(share), bytes_of(again)), 4 * share.size() / 2);
}

TEST(Composite, SeedsOfBothPartiesMakeThePublicHalves) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    const Slots zero(ring->values());
    std::vector<Bytes> ciphertexts;
    CompositeSeeds other_client = kSeeds, other_server = kSeeds;
    other_client.client_nonce[31] ^= 1;
    other_server.server_seed[0] ^= 1;
    for (const CompositeSeeds& seeds :
         {kSeeds, other_client, other_server, CompositeSeeds{kSeeds.server_seed, kSeeds.client_nonce}}) {
        Parties parties(ring, 3, seeds);  // the same secret and errors
        ciphertexts.push_back(parties.encrypt({0, 0}, zero));
    }
    for (std::size_t i = 0; i < ciphertexts.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ciphertexts[i], ciphertexts[j]);
}

TEST(Composite, MalformedMessagesAreRefused) {
    for (const CompositeShape& shape : {CompositeShape{4096, 1}, CompositeShape{8192, 3}}) {
        const Ring ring = CompositeRing::of(parameters_of(shape));
        const std::size_t n = ring->degree();
        Parties parties(ring);
        const Slots values = random_slots(*ring, 1);
        const Bytes good = parties.encrypt({0, 0}, values);
        const CompositeVectorId id{0, 0};
        Slots share(ring->values());
        const auto answer = [&](std::span<const std::uint8_t> bytes) {
            const CompositeFactor factor{bytes, values};
            return parties.evaluator->answer(parties.evaluator->prepare({&id, 1}, parties.client), {&factor, 1}, share);
        };
        const auto evaluator = [&](std::span<const std::uint8_t> bytes) { CompositeEvaluator(ring, kSeeds, bytes); };
        const auto decrypt = [&](std::span<const std::uint8_t> bytes) { parties.key.decrypt(bytes, share); };
        const Bytes sent = answer(good);
        const auto refused = [&](auto&& action, const Bytes& bytes) {
            return kind_of([&] { action(bytes); }) == ErrorKind::kProtocol;
        };
        // Sizes.
        for (int change : {-1, 1}) {
            const auto resized = [&](Bytes bytes) {
                bytes.resize(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(bytes.size()) + change));
                return bytes;
            };
            EXPECT_TRUE(refused(answer, resized(good)));
            EXPECT_TRUE(refused(evaluator, resized(parties.public_key)));
            EXPECT_TRUE(refused(decrypt, resized(sent)));
        }
        EXPECT_TRUE(refused(answer, {}));
        EXPECT_TRUE(refused(decrypt, {}));
        // A coefficient equal to its modulus, first or last, in each residue.
        const CompositeModuli moduli = composite_moduli(ring->parameters());
        std::vector<lattice::Modulus> all = moduli.groups, sent_moduli = moduli.answer;
        all.insert(all.end(), moduli.delta.begin(), moduli.delta.end());
        sent_moduli.insert(sent_moduli.end(), moduli.groups.begin(), moduli.groups.end());
        const auto each_bad = [&](const Bytes& bytes, const std::vector<lattice::Modulus>& parts, auto&& check) {
            std::size_t start = 0;
            for (const lattice::Modulus& m : parts) {
                const std::size_t size = lattice::packed_bytes(n, m.bits());
                for (std::size_t index : {std::size_t{0}, n - 1}) {
                    Bytes bad = bytes;
                    std::vector<std::uint64_t> residues(n);
                    const std::span<std::uint8_t> part = std::span(bad).subspan(start, size);
                    lattice::unpack(part, m.bits(), std::span(residues));
                    residues[index] = m.value();
                    lattice::pack(std::span<const std::uint64_t>(residues), m.bits(), part);
                    check(bad);
                }
                start += size;
            }
            EXPECT_EQ(start, bytes.size());
        };
        each_bad(good, all, [&](const Bytes& bad) {
            EXPECT_TRUE(refused(answer, bad));
            EXPECT_TRUE(refused(evaluator, bad));
        });
        each_bad(sent, sent_moduli, [&](const Bytes& bad) { EXPECT_TRUE(refused(decrypt, bad)); });
        EXPECT_NO_THROW(decrypt(sent));
        EXPECT_NO_THROW(decrypt(Bytes(sent.size(), 0)));
    }
}

TEST(Composite, CallersMistakesAreRefused) {
    const Ring ring = CompositeRing::of(parameters_of({8192, 2}));
    Parties parties(ring);
    const Slots good = random_slots(*ring, 1);
    Slots share(ring->values());
    std::uint32_t chunk = 0;
    const auto encrypt = [&](const Slots& values) { parties.encrypt({chunk++, 0}, values); };
    const Bytes bytes = parties.encrypt({100, 0}, good);
    const CompositeVectorId id{100, 0};
    const auto answer = [&](const Slots& values, std::span<std::uint32_t> out) {
        const CompositeFactor factor{bytes, values};
        parties.evaluator->answer(parties.evaluator->prepare({&id, 1}, parties.client), {&factor, 1}, out);
    };
    const auto refused = [&](auto&& action) { return kind_of(action) == ErrorKind::kInternal; };
    for (std::size_t index : {std::size_t{0}, ring->degree(), ring->values() - 1}) {
        Slots bad = good;
        bad[index] = ring->plain_moduli()[index / ring->degree()];
        EXPECT_TRUE(refused([&] { encrypt(bad); }));
        EXPECT_TRUE(refused([&] { answer(bad, share); }));
    }
    for (std::size_t size : {std::size_t{0}, ring->values() - 1, ring->values() + 1}) {
        Slots wrong(size);
        EXPECT_TRUE(refused([&] { encrypt(wrong); }));
        EXPECT_TRUE(refused([&] { answer(wrong, share); }));
        EXPECT_TRUE(refused([&] { answer(good, wrong); }));
    }
    const std::vector<CompositeVectorId> four(4, id);
    EXPECT_TRUE(refused([&] { parties.evaluator->prepare(four, parties.client); }));
    EXPECT_NO_THROW(answer(good, share));
}

// ------------------------------------------------------------------------------------- the same bits everywhere,
// forever

TEST(Composite, InstructionSetsAgree) {
    const std::pair<CompositeShape, int> cases[] = {
        {{4096, 1}, 24}, {{8192, 2}, 25}, {{8192, 3}, 24}, {{8192, 2}, 27}, {{16384, 6}, 23}};
    for (const auto& [shape, bits] : cases) {
        Bytes key, ciphertext;
        Parties::Result first;
        for (InstructionSet set : supported_instruction_sets()) {
            Parties parties(CompositeRing::of(parameters_of(shape, bits), set), 5);
            std::vector<Slots> e, p;
            for (std::uint64_t k = 0; k < 3; ++k) {
                e.push_back(random_slots(*parties.ring, k));
                p.push_back(random_slots(*parties.ring, 10 + k));
            }
            const Bytes bytes = parties.encrypt({9, 2}, e[0]);
            const Parties::Result result = parties.multiply(8, e, p);
            if (key.empty()) {
                key = parties.public_key;
                ciphertext = bytes;
                first = result;
                EXPECT_EQ(parties.wrong(result, e, p), 0u);
            }
            EXPECT_EQ(parties.public_key, key);
            EXPECT_EQ(bytes, ciphertext);
            EXPECT_EQ(result.answer, first.answer) << to_string(set);
            EXPECT_EQ(result.client, first.client) << to_string(set);
            EXPECT_EQ(result.server, first.server) << to_string(set);
        }
    }
}

TEST(Composite, KnownAnswers) {
    struct Answer {
        CompositeShape shape;
        const char *key, *ciphertext, *answer, *client, *server;
    };
    const Answer answers[] = {
        {{4096, 1}, "bf74c8b08e91242d", "db4c47b93566cfcc", "8273b49adfa65c88", "43fdb363efabe774", "33d67f056f52ac0d"},
        {{8192, 2}, "ce533c971d68f380", "4f1c752ce7ae5456", "179e74c31d99ece4", "934a150a41205016", "7831b3f17722516d"},
        {{8192, 3}, "20b5360cbd8d7221", "4f3eef6b8b2afc6f", "aad8fc1f8a74d6d4", "e2627e4b70bac632", "72dccd014692222e"},
        {{16384, 6},
         "995db3c76d52c464",
         "e32e29bff9647939",
         "f5b66db5e2d334f8",
         "d316950909c2643b",
         "9133a5ed2cc16c95"},
        {{16384, 7},
         "9b94788838e3eebd",
         "8a49647ee5d24a6b",
         "d2ea915a1d948227",
         "6a5b2ca71c88d09f",
         "e84e55aebaf181db"},
    };
    for (const Answer& known : answers) {
        Parties parties(CompositeRing::of(parameters_of(known.shape)), 90);
        const CompositeRing& ring = *parties.ring;
        EXPECT_EQ(digest(parties.public_key), known.key);
        EXPECT_EQ(digest(parties.encrypt({3, 2}, random_slots(ring, 6))), known.ciphertext);
        const Parties::Result result = parties.multiply(4, {random_slots(ring, 7), random_slots(ring, 8)},
                                                        {random_slots(ring, 9), random_slots(ring, 10)});
        EXPECT_EQ(digest(result.answer), known.answer);
        EXPECT_EQ(digest(bytes_of(result.client)), known.client);
        EXPECT_EQ(digest(bytes_of(result.server)), known.server);
    }
}

// --------------------------------------------------------------------------------------------------------- wiping

TEST(Composite, SecretsAreWiped) {
#ifdef FLASH_SANITIZED
    GTEST_SKIP() << "a sanitizer keeps freed memory";
#endif
    const Ring ring = CompositeRing::of(parameters_of({8192, 3}));
    const auto drawn = [&](std::uint64_t seed, auto&& sample) {
        SecretVector<std::int8_t> values(ring->degree());
        Prng rng = generator(seed);
        sample(rng, values);
        return Needle(values);
    };
    const Needle secret = drawn(70, [](Prng& rng, auto& values) { lattice::sample_ternary(rng, values); });
    const Needle error = drawn(1070, [](Prng& rng, auto& values) {
        lattice::sample_ternary(rng, values);
        lattice::sample_error(rng, values);
    });
    auto key = std::make_unique<Parties>(ring, 70);
    // The key's transform, which stays as long as the key, and what is made of it.
    std::vector<std::uint64_t> transformed(ring->degree());
    {
        std::vector<std::int8_t> s(ring->degree());
        Prng rng = generator(70);
        lattice::sample_ternary(rng, s);
        ring->part(0).arithmetic().lift(s, transformed);
        ring->part(0).forward(transformed);
        wipe(s.data(), s.size());
    }
    const Needle kept(transformed);
    wipe(transformed.data(), 8 * transformed.size());
    EXPECT_EQ(scan(secret), 0u);
    EXPECT_GT(scan(kept), 0u);
    {
        const Slots values = random_slots(*ring, 1);
        const Bytes bytes = key->encrypt({0, 0}, values);
        const CompositeVectorId id{0, 0};
        const CompositeFactor factor{bytes, values};
        PreparedAnswer unused = key->evaluator->prepare({&id, 1}, key->client);
        EXPECT_GT(scan(error), 0u);
        unused = PreparedAnswer();
        EXPECT_EQ(scan(error), 0u);
        PreparedAnswer prepared = key->evaluator->prepare({&id, 1}, key->client);
        SecretVector<std::uint32_t> share(ring->values());
        const Bytes answer = key->evaluator->answer(std::move(prepared), {&factor, 1}, share);
        const Needle mine(share);
        EXPECT_GT(scan(mine), 0u);
        share.wipe();
        EXPECT_EQ(scan(mine), 0u);
        SecretVector<std::uint32_t> other(ring->values());
        key->key.decrypt(answer, other);
        const Needle theirs(other);
        EXPECT_GT(scan(theirs), 0u);
        other.wipe();
        EXPECT_EQ(scan(theirs), 0u);
    }
    key.reset();
    EXPECT_EQ(scan(kept), 0u);
}

}  // namespace
}  // namespace flash::scheme
