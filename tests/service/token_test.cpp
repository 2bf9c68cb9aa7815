#include "service/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "transport/scratch.h"

namespace flash::service {
namespace {

std::string text_of(const SecretVector<char>& token) { return {token.begin(), token.end()}; }

TEST(Token, IsAPrefixAndDigitsThatAreNeverTheSame) {
    std::set<std::string> seen, digits;
    for (int i = 0; i < 64; ++i) {
        const std::string token = text_of(make_token());
        EXPECT_TRUE(is_token(token)) << token;
        seen.insert(token);
        for (const char c : token.substr(kTokenPrefix.size())) digits.insert(std::string(1, c));
    }
    EXPECT_EQ(seen.size(), 64u);
    EXPECT_EQ(digits.size(), 16u);
}

TEST(Token, NothingElseIsOne) {
    const std::string good = text_of(make_token());
    EXPECT_FALSE(is_token(std::string()));
    EXPECT_FALSE(is_token(std::string("secret")));
    EXPECT_FALSE(is_token(good.substr(1)));
    EXPECT_FALSE(is_token(good + "0"));
    std::string other = good;
    other.back() = 'G';
    EXPECT_FALSE(is_token(other));
    other = good;
    other[0] = 'F';
    EXPECT_FALSE(is_token(other));
}

TEST(Token, HashIsSha256) {
    EXPECT_EQ(to_hex(token_hash(std::string("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Token, ReadFromAFile) {
    const transport::testing::Scratch scratch;
    const std::filesystem::path file = scratch / "token";
    const std::string token = text_of(make_token());
    for (const char* end : {"", "\n", "\r\n"}) {
        write_file(file, token + end, Access::kOwner);
        EXPECT_EQ(text_of(read_token(file)), token);
    }
    for (const std::string& bad : {std::string(), std::string("secret\n"), token + " x", token + "\n\n\n"}) {
        write_file(file, bad, Access::kOwner);
        try {
            read_token(file);
            ADD_FAILURE() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kFile);
            EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr(token.substr(10, 20))));
        }
    }
    EXPECT_THROW(read_token(scratch / "absent"), Error);
}

}  // namespace
}  // namespace flash::service
