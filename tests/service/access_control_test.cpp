#include "service/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/file.h"
#include "service/token.h"
#include "support/few_descriptors.h"
#include "support/sanitized.h"
#include "transport/refusal.h"
#include "transport/scratch.h"

namespace flash::service {
namespace {

using ::testing::HasSubstr;

const std::string kToken = "flash-" + std::string(64, '7'), kOther = "flash-" + std::string(64, '8');

std::string list_with(const std::string& token, const std::string& more = "") {
    return R"({"tiers": {"t": {"sessions": 3}}, "accounts": [{"name": "clinic", "tier": "t", "tokens": [")" +
           to_hex(token_hash(token)) +
           R"("]}, {"name": "old", "certificates": ["old.example"], "expires": "2020-01-01"}])" + more + "}";
}

class Access : public ::testing::Test {
protected:
    void write(const std::string& json) {
        write_file(file_, json, Access::kMode);
        // A clock of low resolution must not hide a change.
        std::filesystem::last_write_time(
            file_, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++written_));
    }
    using End = std::optional<std::chrono::system_clock::time_point>;
    static std::string refusal(const AccessControl& control, const std::string& token, const std::string& certificate,
                               End end = std::nullopt) {
        try {
            control.admit(Credentials::of(token, certificate, end, "192.0.2.1"));
            return "admitted";
        } catch (const Denied& denied) {
            EXPECT_TRUE(transport::is_denied(denied.what())) << denied.what();
            return denied.what();
        }
    }
    static Caller admit(const AccessControl& control, const std::string& token, const std::string& certificate,
                        End end = std::nullopt) {
        return control.admit(Credentials::of(token, certificate, end, "192.0.2.1"));
    }

    static constexpr flash::Access kMode = flash::Access::kOwner;
    const transport::testing::Scratch scratch_;
    const std::filesystem::path file_ = scratch_ / "access.json";
    int written_ = 0;
};

TEST_F(Access, WithoutAListEveryoneIsAnAddress) {
    const AccessControl control({std::nullopt, false, {1, 2, 3}});
    EXPECT_FALSE(control.restricted());
    const Caller caller = admit(control, kToken, "");
    EXPECT_EQ(caller.name, "");
    EXPECT_EQ(caller.key, "address 192.0.2.1");
    EXPECT_EQ(caller.tier, (Tier{1, 2, 3}));
    EXPECT_TRUE(caller.may_use("net"));
}

TEST_F(Access, TokensOfTheList) {
    write(list_with(kToken));
    const AccessControl control({file_, false, {}});
    EXPECT_TRUE(control.restricted());
    const Caller caller = admit(control, kToken, "");
    EXPECT_EQ(caller.name, "clinic");
    EXPECT_EQ(caller.key, "account clinic");
    EXPECT_EQ(caller.tier.sessions, 3u);
    EXPECT_THAT(refusal(control, kOther, ""), HasSubstr("not known"));
    EXPECT_THAT(refusal(control, "x", ""), HasSubstr("not known"));
    EXPECT_THAT(refusal(control, "", ""), HasSubstr("asks for a token or a client certificate"));
    // The hash, as it stands in the file, is no token.
    EXPECT_THAT(refusal(control, to_hex(token_hash(kToken)), ""), HasSubstr("not known"));
    EXPECT_THAT(refusal(control, kOther, ""), ::testing::Not(HasSubstr(kOther.substr(6))));
}

TEST_F(Access, CertificatesOfTheListAndOfNone) {
    write(list_with(kToken));
    const AccessControl listed({file_, true, {}});
    EXPECT_THAT(refusal(listed, "", "old.example"), HasSubstr("the account old ended on 2020-01-01"));
    EXPECT_THAT(refusal(listed, "", "new.example"), HasSubstr("has no account here"));
    EXPECT_EQ(admit(listed, kToken, "new.example").name, "clinic");

    const AccessControl any({std::nullopt, true, {0, 5, 0}});
    EXPECT_TRUE(any.restricted());
    EXPECT_EQ(admit(any, "", "new.example").key, "account new.example");
    EXPECT_EQ(admit(any, "", "new.example").tier.inferences_per_minute, 5u);
    EXPECT_THAT(refusal(any, kToken, ""), HasSubstr("asks for a token or a client certificate"));
}

TEST_F(Access, StrangersWhereTheListLetsThemIn) {
    write(list_with(kToken, R"(, "anonymous": true)"));
    const AccessControl control({file_, false, {1, 2, 3}});
    EXPECT_FALSE(control.restricted());
    EXPECT_EQ(admit(control, "", "").key, "address 192.0.2.1");
    EXPECT_THAT(refusal(control, kOther, ""), HasSubstr("not known"));  // not taken for a stranger: it would not notice
}

TEST_F(Access, AChangedListCountsFromTheNextQuestionOnAndADamagedOneNever) {
    write(list_with(kToken));
    AccessControl control({file_, false, {}});
    EXPECT_FALSE(control.has_changed());
    write(list_with(kOther));
    EXPECT_TRUE(control.has_changed());
    control.reload();
    EXPECT_FALSE(control.has_changed());
    EXPECT_EQ(admit(control, kOther, "").name, "clinic");
    EXPECT_THAT(refusal(control, kToken, ""), HasSubstr("not known"));
    write("{");
    control.reload();
    EXPECT_FALSE(control.has_changed());
    EXPECT_EQ(admit(control, kOther, "").name, "clinic");
    std::filesystem::remove(file_);
    control.reload();
    EXPECT_EQ(admit(control, kOther, "").name, "clinic");
    EXPECT_THROW(AccessControl({file_, false, {}}), Error);
}

TEST_F(Access, AListThatCouldNotBeReadIsReadAgainWhenAskedFor) {
    if (testing::kSanitized) GTEST_SKIP() << "a sanitizer needs descriptors itself";
    write(list_with(kToken));
    AccessControl control({file_, false, {}});
    write(list_with(kOther));
    EXPECT_TRUE(control.has_changed());
    {
        const testing::FewDescriptors none(0);  // no file can be opened
        control.reload();
    }
    EXPECT_FALSE(control.has_changed());
    EXPECT_EQ(admit(control, kToken, "").name, "clinic");
    control.reload();
    EXPECT_EQ(admit(control, kOther, "").name, "clinic");
}

TEST_F(Access, AClientCertificateLetsNobodyInAfterItsEnd) {
    const auto now = std::chrono::system_clock::now();
    const End over = now - std::chrono::seconds(1), not_yet = now + std::chrono::hours(1);
    const AccessControl all({std::nullopt, true, {}});
    EXPECT_EQ(admit(all, "", "lab.example", not_yet).name, "lab.example");
    EXPECT_THAT(refusal(all, "", "lab.example", over), HasSubstr("the client certificate ended on "));
    // A token says nothing where there is no list of them.
    EXPECT_EQ(admit(all, kToken, "lab.example", not_yet).name, "lab.example");
    EXPECT_THAT(refusal(all, kToken, "lab.example", over), HasSubstr("the client certificate ended on "));
    write(R"({"accounts": [{"name": "lab", "certificates": ["lab.example"], "tokens": [")" +
          to_hex(token_hash(kToken)) + R"("]}]})");
    const AccessControl listed({file_, true, {}});
    EXPECT_EQ(admit(listed, "", "lab.example", not_yet).name, "lab");
    EXPECT_THAT(refusal(listed, "", "lab.example", over), HasSubstr("the client certificate ended on "));
    EXPECT_EQ(admit(listed, kToken, "lab.example", over).name, "lab");  // by the token
}

}  // namespace
}  // namespace flash::service
