#include "service/access_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Sha256 hash_of(char digit) {
    Sha256 hash{};
    EXPECT_TRUE(from_hex(std::string(64, digit), hash));
    return hash;
}

std::string refusal_of(const std::string& json) {
    try {
        AccessList::parse(json);
        return "it was taken";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFile);
        return error.what();
    }
}

const std::string kGood = R"({
  "tiers": {"small": {"sessions": 2, "inferences_per_minute": 60, "inferences_per_day": 1000}},
  "accounts": [
    {"name": "clinic", "tier": "small", "models": ["net", "other"], "expires": "2027-01-31",
     "tokens": [")" + std::string(64, 'a') +
                          R"(", ")" + std::string(64, 'B') + R"("]},
    {"name": "lab", "certificates": ["lab.example.org"], "expires": "2027-02-01T12:30:00Z"}
  ]})";

TEST(AccessList, AccountsByTokenAndCertificate) {
    const AccessList list = AccessList::parse(kGood);
    EXPECT_EQ(list.size(), 2u);
    EXPECT_FALSE(list.anonymous());
    const Account* clinic = list.by_token(hash_of('a'));
    ASSERT_NE(clinic, nullptr);
    EXPECT_EQ(clinic->name, "clinic");
    EXPECT_EQ(clinic->tier, (Tier{2, 60, 1000}));
    EXPECT_EQ(list.by_token(hash_of('b')), clinic);  // of two tokens, as when one takes the place of the other
    EXPECT_EQ(list.by_token(hash_of('c')), nullptr);
    EXPECT_EQ(list.by_token(Sha256{}), nullptr);
    EXPECT_TRUE(clinic->may_use("net"));
    EXPECT_FALSE(clinic->may_use("secret"));

    const Account* lab = list.by_certificate("lab.example.org");
    ASSERT_NE(lab, nullptr);
    EXPECT_EQ(lab->tier, Tier{});
    EXPECT_TRUE(lab->may_use("secret"));
    EXPECT_EQ(list.by_certificate("lab.example.or"), nullptr);
    EXPECT_EQ(list.by_certificate(""), nullptr);
}

TEST(AccessList, EndsOfAccounts) {
    const AccessList list = AccessList::parse(kGood);
    const auto midnight = std::chrono::system_clock::from_time_t(1'801'353'600);  // 2027-01-31
    EXPECT_FALSE(list.by_token(hash_of('a'))->has_expired(midnight - 1s));
    EXPECT_TRUE(list.by_token(hash_of('a'))->has_expired(midnight));
    const auto noon = midnight + 24h + 12h + 30min;
    EXPECT_FALSE(list.by_certificate("lab.example.org")->has_expired(noon - 1s));
    EXPECT_TRUE(list.by_certificate("lab.example.org")->has_expired(noon));
}

TEST(AccessList, StrangersOnlyWhereItSaysSo) {
    EXPECT_FALSE(AccessList::parse("{}").anonymous());
    EXPECT_TRUE(AccessList::parse(R"({"anonymous": true})").anonymous());
    EXPECT_EQ(AccessList::parse("{}").by_token(Sha256{}), nullptr);
}

TEST(AccessList, WhatIsWrongIsSaid) {
    EXPECT_THAT(refusal_of("{"), HasSubstr("not JSON"));
    EXPECT_THAT(refusal_of("[]"), HasSubstr("has to be an object"));
    EXPECT_THAT(refusal_of(R"({"acounts": []})"), HasSubstr("has no \"acounts\""));
    EXPECT_THAT(refusal_of(R"({"anonymous": "no"})"), HasSubstr("true or false"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{}]})"), HasSubstr("needs a \"name\""));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a b"}]})"), HasSubstr("needs a \"name\""));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a"}, {"name": "a"}]})"), HasSubstr("a is there twice"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "tier": "gold"}]})"), HasSubstr("none of \"tiers\""));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "expire": "2027-01-31"}]})"), HasSubstr("has no \"expire\""));
    for (const char* date : {"soon", "2027-02-30", "2027-13-01", "2027-01-31 ", "31.1.2027", ""})
        EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "expires": ")" + std::string(date) + R"("}]})"),
                    HasSubstr("has to be a date"))
            << date;
    for (const char* date : {"9999-12-31", "2262-04-12", "1600-01-01"})
        EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "expires": ")" + std::string(date) + R"("}]})"),
                    HasSubstr("has to lie between 2000 and 2200"))
            << date;
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "models": []}]})"), HasSubstr("is empty"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "models": ["../b"]}]})"), HasSubstr("names no model"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "tokens": ["secret"]}]})"), HasSubstr("SHA-256"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "tokens": "x"}]})"), HasSubstr("has to be a list"));
    EXPECT_THAT(refusal_of(R"({"accounts": [{"name": "a", "certificates": ["c", "c"]}]})"),
                HasSubstr("c is there twice"));
    EXPECT_THAT(refusal_of(R"({"tiers": {"t": {"sessions": 0}}})"), HasSubstr("from 1 on"));
    EXPECT_THAT(refusal_of(R"({"tiers": {"t": {"sessions": -1}}})"), HasSubstr("from 1 on"));
    EXPECT_THAT(refusal_of(R"({"tiers": {"t": {"inferences": 1}}})"), HasSubstr("has no \"inferences\""));
    const std::string twice = R"({"accounts": [{"name": "a", "tokens": [")" + std::string(64, 'a') +
                              R"("]}, {"name": "b", "tokens": [")" + std::string(64, 'A') + R"("]}]})";
    EXPECT_THAT(refusal_of(twice), HasSubstr("a token is there twice"));
}

}  // namespace
}  // namespace flash::service
