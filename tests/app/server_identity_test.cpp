#include "app/server_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "base/error.h"
#include "transport/certificate_facts.h"

namespace flash::app {
namespace {

namespace fs = std::filesystem;

class ServerIdentity : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-identity-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        request_.directory = name;
    }
    void TearDown() override { fs::remove_all(request_.directory); }
    std::string start() { return transport::fingerprint(server_identity(request_, listen_)); }
    std::string refusal() {
        try {
            server_identity(request_, listen_);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }
    IdentityRequest request_;
    transport::Address listen_{"127.0.0.1", 0};
};

TEST_F(ServerIdentity, IsMadeOnceAndKept) {
    const std::string first = start();
    EXPECT_EQ(start(), first);
    listen_.host = "192.0.2.7";
    EXPECT_EQ(start(), first) << "an address alone is a reason to warn, not to change what clients have pinned";
    request_.hosts = {"localhost"};
    EXPECT_EQ(start(), first) << "it names that already";
}

TEST_F(ServerIdentity, NamesTheListenAddressFromTheStart) {
    listen_.host = "192.0.2.7";
    const transport::Identity made = server_identity(request_, listen_);
    for (const char* host : {"localhost", "127.0.0.1", "::1", "192.0.2.7"})
        EXPECT_TRUE(transport::names_host(made.certificate_pem, host)) << host;
    EXPECT_FALSE(transport::names_host(made.certificate_pem, "192.0.2.8"));
    EXPECT_THAT(transport::certificate_facts(made.certificate_pem).hosts,
                testing::ElementsAre("localhost", "127.0.0.1", "::1", "192.0.2.7"));
}

TEST_F(ServerIdentity, IsMadeAnewForNamesThatItLacks) {
    const std::string first = start();
    request_.hosts = {"flash.example"};
    const transport::Identity made = server_identity(request_, listen_);
    EXPECT_NE(transport::fingerprint(made), first);
    for (const char* host : {"flash.example", "localhost", "127.0.0.1"})
        EXPECT_TRUE(transport::names_host(made.certificate_pem, host)) << host;
    EXPECT_EQ(start(), transport::fingerprint(made));
}

TEST_F(ServerIdentity, IsRenewedWhenItHasExpiredOrOnRequest) {
    // A certificate begins a day before it is made: one of a day has ended.
    transport::save_identity(transport::make_self_signed({"old.example"}, 1), request_.directory / "server.crt",
                             request_.directory / "server.key");
    const transport::Identity renewed = server_identity(request_, listen_);
    const transport::CertificateFacts facts = transport::certificate_facts(renewed.certificate_pem);
    EXPECT_GT(facts.ends, std::chrono::system_clock::now() + std::chrono::days(800));
    EXPECT_THAT(facts.hosts, testing::Contains("old.example"));
    request_.renew = true;
    EXPECT_NE(start(), transport::fingerprint(renewed));
}

TEST_F(ServerIdentity, DoesNotReplaceHalfAPair) {
    start();
    for (const char* half : {"server.key", "server.crt"}) {
        fs::rename(request_.directory / half, request_.directory / "away");
        EXPECT_THAT(refusal(), testing::HasSubstr("put it back"));
        EXPECT_FALSE(fs::exists(request_.directory / half));
        fs::rename(request_.directory / "away", request_.directory / half);
    }
    const std::string before = start();
    transport::save_identity(transport::make_self_signed({"other"}), request_.directory / "x.crt",
                             request_.directory / "server.key");
    EXPECT_THAT(refusal(), testing::HasSubstr("is not the private key of"));
    EXPECT_FALSE(before.empty());
}

TEST_F(ServerIdentity, IsWatchedWithTheAuthorityOfItsClients) {
    start();
    const fs::path authority = request_.directory / "clients.pem";
    std::ofstream(authority) << "one";
    IdentityWatch watch(request_, authority);
    EXPECT_FALSE(watch.has_changed());
    std::ofstream(authority) << "another";
    EXPECT_TRUE(watch.has_changed());
    watch.load();
    EXPECT_FALSE(watch.has_changed());
    fs::remove(authority);
    EXPECT_TRUE(watch.has_changed());
}

TEST_F(ServerIdentity, TakesTheUsersOwnAsItIs) {
    const fs::path certificate = request_.directory / "own.crt", key = request_.directory / "own.key";
    transport::save_identity(transport::make_self_signed({"own.example"}, 1), certificate, key);
    request_.certificate = certificate;
    EXPECT_THAT(refusal(), testing::HasSubstr("belong together"));
    request_.key = key;
    EXPECT_EQ(start(), transport::fingerprint(transport::load_identity(certificate, key))) << "expired, with a warning";
    EXPECT_FALSE(fs::exists(request_.directory / "server.crt"));
    request_.renew = true;
    EXPECT_THAT(refusal(), testing::HasSubstr("self-signed"));
}

}  // namespace
}  // namespace flash::app
