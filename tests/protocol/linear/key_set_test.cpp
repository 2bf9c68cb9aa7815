#include "protocol/linear/key_set.h"

#include <gtest/gtest.h>

#include <set>

namespace flash::protocol {
namespace {

using packing::KeyName;

std::vector<KeyName> some_names() {
    std::vector<KeyName> names;
    for (const int depth : {1, 2, 3})
        for (const std::size_t degree : {2048, 1024}) names.push_back({depth, degree});
    return names;
}

TEST(KeySet, KeysAreOrderedByDepthAndRing) {
    const auto names = some_names();
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = 0; j < names.size(); ++j) EXPECT_EQ(names[i] < names[j], i < j);
}

TEST(KeySet, AKeyThatWasNotMadeIsRefused) {
    PerKey<int> numbers;
    numbers.make({2, 1024}, 7);
    EXPECT_EQ(numbers.at({2, 1024}), 7);
    EXPECT_THROW(numbers.at({2, 2048}), Error);
    EXPECT_THROW(numbers.at({1, 1024}), Error);
}

TEST(KeySet, TheSeedOfPublicKeysDependsOnEveryPart) {
    Sha256 fingerprint{};
    PublicSeed nonce{}, session{};
    std::uint32_t number = 0;
    std::set<PublicSeed> seen;
    const auto add = [&] { return seen.insert(key_seed(fingerprint, nonce, session, number)).second; };
    EXPECT_TRUE(add());
    EXPECT_FALSE(add());
    fingerprint[0] = 1;
    EXPECT_TRUE(add());
    nonce[31] = 1;
    EXPECT_TRUE(add());
    session[0] = 1;
    EXPECT_TRUE(add());
    number = 1;
    EXPECT_TRUE(add());
    std::swap(nonce, session);
    EXPECT_TRUE(add());
}

/// The errors of uploads as the secret key sees them: the phase of an encryption of zero.
std::vector<std::uint32_t> error_of(ClientKey& key, const scheme::PublicPolynomials& publics, scheme::UploadId id) {
    const std::size_t n = key.secret.ring().degree;
    std::vector<std::uint32_t> zero(n), a(n), b(n), phase(n);
    std::vector<std::uint16_t> positions(n);
    for (std::size_t i = 0; i < n; ++i) positions[i] = static_cast<std::uint16_t>(i);
    key.secret.encrypt(key.prepare(id), scheme::LevelledShare{0, zero}, b);
    publics.upload(id, a);
    key.secret.decrypt(a, positions, b, phase);
    for (std::uint32_t& word : phase) word >>= key.secret.ring().low_bits();
    phase.resize(1024);  // so that those of both rings can be compared
    return phase;
}

TEST(KeySet, NoErrorAndNoPublicKeyServesTwoKeys) {
    // One value uploaded under two keys with the same error would give away the difference of the keys.
    const Sha256 fingerprint{5};
    const scheme::PublicPolynomials publics(fingerprint);
    scheme::PublicTransforms transforms(publics, 0);
    const SecretSeed seed = SecretSeed::for_testing(1);
    std::set<std::vector<std::uint32_t>> errors, halves;
    std::size_t count = 0;
    for (const KeyName& name : some_names()) {
        ClientKey key(publics, transforms, name, seed, PublicSeed{9});
        EXPECT_EQ(key.secret.depth(), name.depth);
        halves.insert({key.secret.public_b().begin(), key.secret.public_b().begin() + 1024});
        for (const scheme::UploadId id : {scheme::UploadId{0, 0}, {0, 1}, {1, 0}}) {
            const auto error = error_of(key, publics, id);
            std::uint32_t largest = 0;
            for (const std::uint32_t word : error) largest = std::max(largest, std::min(word, 0 - word));
            if (name.degree == 2048) EXPECT_LT(largest, 64u);
            errors.insert(error);
            ++count;
        }
        EXPECT_THROW(key.prepare({0, 1}), Error);
    }
    EXPECT_EQ(errors.size(), count);
    EXPECT_EQ(halves.size(), some_names().size());
    // The comparison finds equal errors where there are some.
    ClientKey again(publics, transforms, some_names().front(), seed, PublicSeed{9});
    EXPECT_FALSE(errors.insert(error_of(again, publics, {0, 1})).second);
}

}  // namespace
}  // namespace flash::protocol
