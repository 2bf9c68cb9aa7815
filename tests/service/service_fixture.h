// A server of small models over real connections, and those who talk to it. Attackers come from 127.0.0.1, honest
// clients from ::1: two addresses, as on the internet.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/file.h"
#include "model/twin.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "service/server.h"
#include "service/token.h"
#include "support/random_model.h"
#include "transport/raw_peer.h"

namespace flash::service::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using protocol::ClientSession;
using transport::testing::raw_frame;
using transport::testing::RawSocket;
using transport::testing::RawTls;

/// A server of models of one convolution in a folder of its own; what a test sets before serve() holds for it.
class Service : public ::testing::Test {
protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);  // the attackers' own writes to connections that were closed
        std::string name = (fs::temp_directory_path() / "flash-service-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
        save("small", 77);
        settings_.max_sessions = 4;
        settings_.max_sessions_per_address = 2;
        settings_.session_memory = std::uint64_t{1} << 30;
        settings_.first_timeout = 10s;
    }
    void TearDown() override {
        server_.reset();
        fs::remove_all(dir_);
    }
    void save(const std::string& name, std::uint64_t seed) {
        models_.insert_or_assign(name,
                                 flash::testing::single_convolution({2, 9, 9}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, seed));
        model::save(models_.at(name), dir_ / (name + ".flash"));
    }
    Server& serve() {
        server_.reset();  // of what it uses, all that follows is made anew
        LoadOptions load;
        load.use_cache = false;
        store_ = std::make_unique<ModelStore>(dir_, load);
        store_->load_first();
        settings_.socket = std::make_shared<transport::BoundSocket>(transport::Address{"", 0});
        access_ = std::make_unique<AccessControl>(access_settings_);
        budgets_ = std::make_unique<Budgets>("");
        server_ = std::make_unique<Server>(settings_, transport::make_self_signed({"localhost"}), *store_, *access_,
                                           *budgets_);
        return *server_;
    }
    std::unique_ptr<transport::Channel> connect(const std::string& host) const {
        transport::ClientOptions options;
        options.host = host;
        options.port = server_->address().port;
        options.pinned_fingerprint = server_->fingerprint();
        return transport::connect_tls(options);
    }
    std::unique_ptr<ClientSession> session(const std::string& host, const std::string& model = "",
                                           const std::string& token = "", std::uint32_t in_flight = 1) const {
        protocol::ClientSessionOptions options;
        options.model = model;
        options.in_flight = in_flight;
        SecretVector<char> shown(token.size());
        std::ranges::copy(token, shown.data());
        options.token = std::make_shared<const SecretVector<char>>(std::move(shown));
        return std::make_unique<ClientSession>(connect(host), options);
    }
    /// Whether the private answer is the twin's.
    bool answers(ClientSession& client, const std::string& model, std::uint64_t seed) const {
        const auto input = flash::testing::random_input(client.model().architecture, seed);
        const auto expected = model::Twin(models_.at(model)).run(input).output;
        const auto got = client.infer_integers(input).x;
        if (got.size() != expected.size()) return false;
        // Rounding of shares differs by units; another model or a damaged run differs by far more.
        for (std::size_t i = 0; i < got.size(); ++i)
            if (std::abs(got[i] - expected[i]) > 8) return false;
        return true;
    }
    /// Greets as a client does, with keys of zeros; then sends so many messages of uploads.
    std::unique_ptr<transport::Channel> begin(const std::string& host, bool upload, const std::string& token = "") {
        auto channel = connect(host);
        protocol::ClientHello hello;
        hello.model = "small";
        hello.token = SecretVector<char>(token.size());
        std::ranges::copy(token, hello.token.data());
        channel->send({protocol::message_type::kClientHello, 0, 0, protocol::encode(hello)});
        channel->receive(protocol::message_type::kServerHello);
        const ServedModelPtr model = store_->find("small");
        const protocol::PreparedModel& prepared = *model->prepared;
        channel->send(
            {protocol::message_type::kStart, 0, 0,
             std::vector<std::uint8_t>(protocol::start_bytes(prepared.plan()) + prepared.activation().sizes().start)});
        if (upload)
            channel->send({protocol::message_type::kUpload, 0, 0,
                           std::vector<std::uint8_t>(protocol::upload_bytes(prepared.plan().streams.front()))});
        return channel;
    }
    /// TLS from this address of the machine, silent after the hello if there is one.
    RawTls stranger(const std::string& source, bool hello) const {
        auto peer = RawTls::connect(server_->address().port, TLS1_3_VERSION, "", source);
        EXPECT_TRUE(peer.ready());
        if (!hello) return peer;
        const std::vector<std::uint8_t> payload = protocol::encode(protocol::ClientHello{});
        auto frame = raw_frame(static_cast<std::uint32_t>(payload.size()),
                               static_cast<std::uint16_t>(protocol::message_type::kClientHello), 0, payload.size());
        std::ranges::copy(payload, frame.begin() + transport::kFrameHeaderBytes);
        peer.write(frame);
        char answer = 0;  // it has been admitted
        EXPECT_EQ(SSL_peek(peer.ssl(), &answer, 1), 1);
        return peer;
    }
    static std::string told(transport::Channel& channel, transport::MessageType awaited) {
        try {
            channel.receive(awaited);
            return "an answer";
        } catch (const Error& error) {
            return error.what();
        }
    }

    /// What whoever opens such a session is told.
    std::string refusal(const std::string& model, const std::string& token) const {
        try {
            session("::1", model, token);
            return "it was let in";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kRemote);
            return error.what();
        }
    }
    /// Accounts "clinic" (model "small" only) and "lab", each with the tier.
    void write_access_list(const std::string& tier) {
        const auto hash = [](const std::string& token) { return to_hex(token_hash(token)); };
        write_file(dir_ / "access.json",
                   R"({"tiers": {"t": )" + tier +
                       R"(}, "accounts": [{"name": "clinic", "tier": "t", "models": ["small"],)" + R"( "tokens": [")" +
                       hash(kClinic) + R"("]}, {"name": "lab", "tier": "t", "tokens": [")" + hash(kLab) + R"("]}]})",
                   Access::kOwner);
        access_settings_.list = dir_ / "access.json";
    }
    const std::string kClinic = "flash-" + std::string(64, '1'), kLab = "flash-" + std::string(64, '2');

    fs::path dir_;
    ServerSettings settings_;
    std::map<std::string, model::Model> models_;
    AccessSettings access_settings_;
    std::unique_ptr<ModelStore> store_;
    std::unique_ptr<AccessControl> access_;
    std::unique_ptr<Budgets> budgets_;
    std::unique_ptr<Server> server_;
};

}  // namespace flash::service::testing
