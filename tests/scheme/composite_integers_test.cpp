// The composite scheme step by step against plain integer arithmetic, in rings that are small enough for it.
#include "scheme/composite.h"

#include <gtest/gtest.h>

#include "lattice/ntt.h"
#include "lattice/sampling.h"
#include "scheme/composite_parties.h"

namespace flash::scheme {
namespace {

using namespace composite_parties;

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

TEST(CompositeIntegers, AgreesWithPlainIntegers) {
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

}  // namespace
}  // namespace flash::scheme
