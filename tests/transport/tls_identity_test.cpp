// Certificates of both sides of TLS: a client's own, and a server's that is renewed while it runs.
#include "transport/tls_identity.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "client_authority.h"
#include "echo_server.h"
#include "helpers.h"
#include "scratch.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::ClientAuthority;
using testing::EchoServer;
using testing::message;
using testing::quick_limits;
using testing::Scratch;

/// Answers each message with the name of the client's certificate.
void tell_name(std::unique_ptr<Channel> channel, const Peer& peer) {
    const Message asked = channel->receive_any(2s);
    channel->send({asked.type, 0, 0, {peer.certificate.begin(), peer.certificate.end()}});
    channel->receive(some_type::kFinish);
}

class ClientCertificates : public ::testing::Test {
protected:
    ClientCertificates() {
        write_file(scratch_ / "ca.pem", authority_.pem(), Access::kOwner);
        ServerOptions options;
        options.limits = quick_limits(2s);
        options.client_ca = scratch_ / "ca.pem";
        server_ = std::make_unique<EchoServer>(std::move(options), tell_name);
    }
    /// What the server calls whoever shows this certificate.
    std::string name_of(std::shared_ptr<const Identity> identity) const {
        ClientOptions options = server_->client_options();
        options.identity = std::move(identity);
        const auto channel = connect_tls(options);
        channel->send(message(some_type::kStart, 1));
        const Message answer = channel->receive(some_type::kStart);
        return {answer.payload.begin(), answer.payload.end()};
    }
    std::string name_of(const std::vector<std::string>& names) const {
        return name_of(std::make_shared<const Identity>(authority_.issue(names)));
    }

    const Scratch scratch_;
    const ClientAuthority authority_;
    std::unique_ptr<EchoServer> server_;
};

TEST_F(ClientCertificates, NameTheClient) {
    EXPECT_EQ(name_of({"clinic.example"}), "clinic.example");
    EXPECT_EQ(name_of({"A b_c-d@9"}), "A b_c-d@9");
}

TEST_F(ClientCertificates, AreNotNeeded) { EXPECT_EQ(name_of(nullptr), ""); }

TEST_F(ClientCertificates, NamesThatCouldBeTakenForOthersAreNone) {
    EXPECT_EQ(name_of({"clinic", "other"}), "");
    EXPECT_EQ(name_of({std::string("clinic\0.evil", 12)}), "");
    EXPECT_EQ(name_of({"clinic\nroot"}), "");
    EXPECT_EQ(name_of({"cliniс"}), "");  // the last letter is Cyrillic
    EXPECT_EQ(name_of(std::vector<std::string>{}), "");
}

TEST_F(ClientCertificates, OfAnotherAuthorityAreRefused) {
    const ClientAuthority other;
    const auto identity = std::make_shared<const Identity>(other.issue({"clinic.example"}));
    EXPECT_THROW(name_of(identity), Error);
    EXPECT_EQ(name_of({"clinic.example"}), "clinic.example");  // it goes on
    // One that signed itself, with the name of the authority.
    EXPECT_THROW(name_of(std::make_shared<const Identity>(make_self_signed({"clinic.example"}))), Error);
}

TEST_F(ClientCertificates, AServerThatAsksForNoneLooksAtNone) {
    ServerOptions options;
    options.limits = quick_limits(2s);
    server_ = std::make_unique<EchoServer>(std::move(options), tell_name);
    EXPECT_EQ(name_of({"clinic.example"}), "");
}

TEST(ReplacedIdentity, IsThatOfLaterConnections) {
    EchoServer echo(quick_limits(2s));
    const ClientOptions before = echo.client_options();
    const auto old = connect_tls(before);
    const std::string fingerprint = echo.server().fingerprint();
    echo.server().replace_identity(make_self_signed({"localhost"}));
    EXPECT_NE(echo.server().fingerprint(), fingerprint);
    EXPECT_TRUE(echo.serves());
    EXPECT_THROW(connect_tls(before), Error);
    old->send(message(some_type::kStart, 7));
    EXPECT_EQ(old->receive(some_type::kStart).payload.size(), 7u);
}

TEST(ReplacedIdentity, ThatCannotBeUsedChangesNothing) {
    EchoServer echo(quick_limits(2s));
    Identity mixed = make_self_signed({"localhost"});
    mixed.certificate_pem = make_self_signed({"localhost"}).certificate_pem;
    const std::string fingerprint = echo.server().fingerprint();
    EXPECT_THROW(echo.server().replace_identity(std::move(mixed)), Error);
    EXPECT_EQ(echo.server().fingerprint(), fingerprint);
    EXPECT_TRUE(echo.serves());
}

}  // namespace
}  // namespace flash::transport
