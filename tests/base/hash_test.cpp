#include "base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace flash {
namespace {

std::vector<std::uint8_t> bytes(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Hash, KnownAnswers) {  // FIPS 180-4
    EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256(bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, PartsDoNotCollide) {
    const std::vector<std::uint8_t> a = bytes("a"), ab = bytes("ab"), b = bytes("b"), empty;
    EXPECT_NE(sha256_parts({a, b}), sha256_parts({ab}));
    EXPECT_NE(sha256_parts({ab, empty}), sha256_parts({empty, ab}));
    EXPECT_NE(sha256_parts({a}), sha256(a));
    EXPECT_EQ(sha256_parts({a, b}), sha256_parts({a, b}));
}

TEST(Hash, PieceByPiece) {
    const std::vector<std::uint8_t> data = bytes(std::string(1000, 'x') + "end");
    for (std::size_t step : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{2000}}) {
        Sha256Stream stream;
        for (std::size_t at = 0; at < data.size(); at += step)
            stream.add(std::span(data).subspan(at, std::min(step, data.size() - at)));
        EXPECT_EQ(stream.finish(), sha256(data)) << step;
    }
}

TEST(Hash, Hexadecimal) { EXPECT_EQ(to_hex(std::vector<std::uint8_t>{0, 255, 16}), "00ff10"); }

}  // namespace
}  // namespace flash
