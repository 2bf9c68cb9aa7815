#include "base/portable_sha256.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/crypto.h"
#include "base/hash.h"
#include "base/random.h"

namespace flash {
namespace {

std::vector<std::uint8_t> random_bytes(std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    Prng(SecretSeed::for_testing(count), "bytes").fill(bytes);
    return bytes;
}

TEST(PortableSha256, EqualsOpenSslHoweverTheDataIsSplit) {
    for (std::size_t size : {0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000}) {
        const std::vector<std::uint8_t> data = random_bytes(size);
        const Sha256 expected = sha256(data);
        for (std::size_t piece : {1, 3, 64, 100, 1000}) {
            PortableSha256 digest;
            std::span<const std::uint8_t> rest = data;
            while (!rest.empty()) {
                digest.add(rest.first(std::min(piece, rest.size())));
                rest = rest.subspan(std::min(piece, rest.size()));
            }
            EXPECT_EQ(to_hex(digest.finish()), to_hex(expected)) << size << " in pieces of " << piece;
        }
    }
}

TEST(PortableHmac, EqualsOpenSsl) {
    for (std::size_t key_size : {0, 1, 32, 63, 64, 65, 200})
        for (std::size_t size : {0, 1, 64, 150}) {
            const std::vector<std::uint8_t> key = random_bytes(key_size), message = random_bytes(size);
            Sha256 expected{}, out{};
            hmac_sha256(key, message, expected);
            portable_hmac_sha256(key, message, out);
            EXPECT_EQ(to_hex(out), to_hex(expected)) << key_size << ", " << size;
        }
}

}  // namespace
}  // namespace flash
