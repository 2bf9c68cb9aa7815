// What the composite scheme refuses: reuse, malformed messages, its callers' mistakes.
#include "scheme/composite.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "scheme/composite_parties.h"

namespace flash::scheme {
namespace {

using namespace composite_parties;

TEST(CompositeRefusals, PreparedAnswersServeOnce) {
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

TEST(CompositeRefusals, VectorsAreEncryptedOnce) {
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

TEST(CompositeRefusals, MalformedMessagesAreRefused) {
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

TEST(CompositeRefusals, CallersMistakesAreRefused) {
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

}  // namespace
}  // namespace flash::scheme
