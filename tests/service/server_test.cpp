// A server under honest and other clients, over real connections. Attackers come from 127.0.0.1, honest clients from
// ::1: two addresses, as on the internet.
#include "service/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "flash/client.h"
#include "model/file.h"
#include "model/twin.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "service/http_session.h"
#include "service/token.h"
#include "support/random_model.h"
#include "transport/raw_peer.h"
#include "transport/web_socket_peer.h"

namespace flash::service {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using protocol::ClientSession;
using transport::testing::raw_frame;
using transport::testing::RawSocket;
using transport::testing::RawTls;
using transport::testing::WebSocketPeer;

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
                                           const std::string& token = "") const {
        protocol::ClientSessionOptions options;
        options.model = model;
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

TEST_F(Service, HonestClientsFinishBesideSilentSlowAndBabblingOnes) {
    serve();
    std::atomic<bool> stop{false};
    std::vector<std::thread> attackers;
    const std::uint16_t port = server_->address().port;
    attackers.emplace_back([&] {  // silent: before, in and after the handshake
        std::vector<RawSocket> silent;
        std::vector<RawTls> silent_tls;
        while (!stop) {
            if (silent.size() < 150) silent.push_back(RawSocket::connect(port));
            if (silent_tls.size() < 20) silent_tls.push_back(RawTls::connect(port));
            std::this_thread::sleep_for(2ms);
        }
    });
    attackers.emplace_back([&] {  // slow: a byte now and then, of a handshake and of a frame
        while (!stop) {
            auto handshake = RawSocket::connect(port);
            auto frame = RawTls::connect(port);
            const auto bytes = raw_frame(100, 2, 0, 100);
            for (std::size_t i = 0; i < 20 && !stop; ++i) {
                handshake.write(std::string(1, "\x16\x03\x01\x00\x7f"[i % 5]));
                if (frame.ready()) frame.write(std::span(bytes).subspan(i, 1));
                std::this_thread::sleep_for(20ms);
            }
        }
    });
    attackers.emplace_back([&] {  // babbling: noise, and frames that mean nothing
        while (!stop) {
            RawSocket::connect(port).write(std::string(3000, 'x'));
            auto frames = RawTls::connect(port);
            if (frames.ready()) frames.write(raw_frame(16, 6, 0, 16));
            std::this_thread::sleep_for(1ms);
        }
    });
    std::this_thread::sleep_for(300ms);
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < 5; ++i) {
        const auto client = session("::1");
        EXPECT_TRUE(answers(*client, "small", i));
        EXPECT_TRUE(answers(*client, "small", 100 + i));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
    stop = true;
    for (std::thread& attacker : attackers) attacker.join();
    EXPECT_EQ(server_->report().inferences, 10u);
    EXPECT_EQ(server_->report().failures, 0u);
}

TEST_F(Service, NothingLargeBeforeTheFirstUpload) {
    settings_.first_timeout = 1s;
    serve();
    const auto started = begin("127.0.0.1", false);
    for (int i = 0; i < 90 && server_->report().running == 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().running, 1u);
    EXPECT_THAT(told(*started, protocol::message_type::kStartReply),
                ::testing::HasSubstr("the first upload did not come in time"));
    EXPECT_LT(started->traffic().bytes_received, 4096u);  // its hello, and that it was too late
    EXPECT_TRUE(answers(*session("::1"), "small", 3));
}

TEST_F(Service, SilentConnectionsTakeNoPlaces) {
    settings_.first_timeout = 20s;
    serve();
    std::vector<RawTls> silent;
    for (const char* source : {"127.0.0.1", "127.0.0.2"})
        for (int i = 0; i < 5; ++i) silent.push_back(stranger(source, false));
    EXPECT_TRUE(answers(*session("::1"), "small", 1));
    EXPECT_EQ(server_->report().refusals, 0u);
}

TEST_F(Service, WhoSaysHelloOnlyGivesWayToOthers) {
    settings_.first_timeout = 20s;
    serve();
    std::vector<RawTls> idle;
    for (const char* source : {"127.0.0.1", "127.0.0.2"})
        for (int i = 0; i < 2; ++i) idle.push_back(stranger(source, true));
    EXPECT_EQ(server_->report().sessions, 4u);
    const auto client = session("::1");
    EXPECT_TRUE(answers(*client, "small", 1));
    EXPECT_THAT(idle[0].read_error(), ::testing::HasSubstr("which had shown no work, was needed; retry after 2 s"));
    EXPECT_TRUE(answers(*client, "small", 2));  // nobody gets its place any more
}

TEST_F(Service, TheFirstUploadHasOneTimeLimitWhateverComesInBetween) {
    settings_.first_timeout = 2s;
    serve();
    const auto begin_time = std::chrono::steady_clock::now();
    auto channel = connect("127.0.0.1");
    std::this_thread::sleep_for(1500ms);
    protocol::ClientHello hello;
    channel->send({protocol::message_type::kClientHello, 0, 0, protocol::encode(hello)});
    channel->receive(protocol::message_type::kServerHello);
    EXPECT_THAT(told(*channel, protocol::message_type::kStartReply),
                ::testing::HasSubstr("the first upload did not come in time"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin_time, 3s);
}

/// While it lives, the log goes there.
class KeptLog {
public:
    explicit KeptLog(std::ostream& out) {
        spdlog::set_default_logger(
            std::make_shared<spdlog::logger>("kept", std::make_shared<spdlog::sinks::ostream_sink_mt>(out)));
    }
    ~KeptLog() { spdlog::set_default_logger(before_); }
    KeptLog(const KeptLog&) = delete;
    KeptLog& operator=(const KeptLog&) = delete;

private:
    const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(Service, ClientsWithoutAccountCannotFloodTheLog) {
    std::ostringstream log;
    const auto begin_time = std::chrono::steady_clock::now();
    {
        serve();
        const KeptLog kept(log);
        for (int i = 0; i < 100; ++i) {
            begin("127.0.0.1", true).reset();  // connects, begins, and leaves in the middle
            for (int k = 0; k < 500 && server_->report().sessions > 0; ++k) std::this_thread::sleep_for(1ms);
        }
        server_.reset();
    }
    const std::string lines = log.str();
    // Two kinds of lines, 100 times each: twenty of a kind, and then one a second.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin_time).count();
    EXPECT_LE(std::ranges::count(lines, '\n'), 2 * (20 + seconds)) << lines;
    EXPECT_THAT(lines, ::testing::HasSubstr("connected for small"));
}

TEST_F(Service, AnswersToPipelinedQuestionsComeOneAfterTheOther) {
    serve();
    auto tls = RawTls::connect(server_->address().port, TLS1_3_VERSION, "http/1.1");
    std::string many;
    for (int i = 0; i < 100; ++i) many += "GET /v2/models HTTP/1.1\r\nHost: a\r\n\r\n";
    tls.write({reinterpret_cast<const std::uint8_t*>(many.data()), many.size()});
    std::string text;
    char buffer[4096];
    for (int got = 0; (got = SSL_read(tls.ssl(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    std::size_t answers = 0;
    for (std::size_t at = 0; (at = text.find("HTTP/1.1 200 OK", at)) != std::string::npos; ++at) ++answers;
    EXPECT_EQ(answers, 100u);
}

TEST_F(Service, AnInferenceHasADeadline) {
    settings_.inference_timeout = 1s;
    serve();
    const auto stuck = begin("127.0.0.1", true);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(told(*stuck, protocol::message_type::kResultShare),
                ::testing::HasSubstr("an inference took longer than the 1 s that it may"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    // It is counted as failed a moment before it has ended.
    const auto over = [&] { return server_->report().failures > 0 && server_->report().running == 0; };
    for (int i = 0; i < 500 && !over(); ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().failures, 1u);
    EXPECT_EQ(server_->report().running, 0u);
}

TEST_F(Service, ASessionThatBeginsNoInferenceIsEnded) {
    settings_.first_timeout = 1s;
    serve();
    const auto idle = session("127.0.0.1");
    std::this_thread::sleep_for(1500ms);
    EXPECT_THROW(answers(*idle, "small", 1), Error);
    const auto silent = connect("127.0.0.1");
    EXPECT_THAT(told(*silent, protocol::message_type::kServerHello),
                ::testing::AnyOf(::testing::HasSubstr("sent no next message"),
                                 ::testing::HasSubstr("the first upload did not come in time")));
}

TEST_F(Service, MemoryIsSharedOutAndTheRestIsToldWhenToComeAgain) {
    serve();
    const std::uint64_t one = store_->find("")->memory.server;
    server_.reset();
    settings_.session_memory = one + one / 2;
    serve();
    auto first = session("127.0.0.1");
    EXPECT_TRUE(answers(*first, "small", 1));
    try {
        session("::1");
        ADD_FAILURE() << "there was memory for two";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRemote);
        EXPECT_THAT(error.what(), ::testing::HasSubstr("its memory is taken by others; retry after 2 s"));
    }
    for (int i = 0; i < 500 && server_->report().refusals == 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().refusals, 1u);
    first.reset();
    EXPECT_TRUE(answers(*session("::1"), "small", 2));
}

TEST_F(Service, SeveralModelsAndASessionKeepsItsOwn) {
    save("other", 78);
    serve();
    auto small = session("::1", "small");
    auto other = session("::1", "other");
    EXPECT_TRUE(answers(*small, "small", 1));
    EXPECT_TRUE(answers(*other, "other", 1));
    EXPECT_NE(small->model().fingerprint, other->model().fingerprint);
    EXPECT_THROW(session("127.0.0.1"), Error);
    EXPECT_THROW(session("127.0.0.1", "absent"), Error);

    const auto before = small->model().fingerprint;
    const model::Model old = models_.at("small");
    save("small", 99);
    fs::last_write_time(dir_ / "small.flash", fs::file_time_type::clock::now() + 5s);
    EXPECT_TRUE(store_->reload());
    const auto list = protocol::list_models(*connect("127.0.0.1"), 5s);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].name, "other");
    EXPECT_EQ(list[1].name, "small");
    EXPECT_NE(list[1].fingerprint, before);
    auto renewed = session("127.0.0.1", "small");
    EXPECT_EQ(renewed->model().fingerprint, list[1].fingerprint);
    EXPECT_TRUE(answers(*renewed, "small", 2));
    models_.insert_or_assign("small", old);
    EXPECT_TRUE(answers(*small, "small", 2));
}

TEST_F(Service, DrainsWithoutLosingAnAnswer) {
    serve();
    auto running = begin("127.0.0.1", true);
    auto idle = session("::1");
    EXPECT_TRUE(answers(*idle, "small", 1));
    for (int i = 0; i < 500 && server_->report().running == 0; ++i) std::this_thread::sleep_for(10ms);
    auto drained = std::async(std::launch::async, [&] { return server_->drain(20s); });
    for (int i = 0; i < 500 && server_->ready(); ++i) std::this_thread::sleep_for(1ms);
    EXPECT_FALSE(server_->ready());
    try {
        session("::1");
        ADD_FAILURE() << "a server that drains took another client";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("it is about to end; retry after 1 s"));
    }
    EXPECT_EQ(drained.wait_for(0ms), std::future_status::timeout);  // one is running
    running.reset();                                                // it leaves, and that is an end too
    EXPECT_TRUE(drained.get());
    EXPECT_THROW(answers(*idle, "small", 2), Error);
}

TEST_F(Service, OnlyWhoHasAnAccountIsLetInAndSeesItsModelsOnly) {
    save("other", 78);
    write_access_list("{}");
    serve();
    EXPECT_TRUE(answers(*session("::1", "", kClinic), "small", 1));  // the only one that it may use
    EXPECT_TRUE(answers(*session("::1", "other", kLab), "other", 2));
    EXPECT_THAT(refusal("small", ""), ::testing::HasSubstr("access denied: it asks for a token"));
    EXPECT_THAT(refusal("small", "flash-" + std::string(64, '3')),
                ::testing::HasSubstr("this token is not known here"));
    const std::string told = refusal("other", kClinic);
    EXPECT_THAT(told, ::testing::HasSubstr("this server has no model other; it has small"));
    const auto list = protocol::list_models(*connect("::1"), 5s, kClinic);
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].name, "small");
    EXPECT_EQ(protocol::list_models(*connect("::1"), 5s, kLab).size(), 2u);
    EXPECT_THROW(protocol::list_models(*connect("::1"), 5s), Error);
}

TEST_F(Service, AnAccountThatIsTakenAwayEndsWithTheNextInference) {
    write_access_list("{}");
    serve();
    const auto client = session("::1", "", kLab);
    EXPECT_TRUE(answers(*client, "small", 1));
    write_file(dir_ / "access.json", "{}", Access::kOwner);
    access_->reload();
    try {
        answers(*client, "small", 2);
        ADD_FAILURE() << "it was answered";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("access denied: this token is not known here"));
    }
}

TEST_F(Service, AnAccountHasSoManySessions) {
    write_access_list(R"({"sessions": 1})");
    serve();
    auto first = session("127.0.0.1", "", kClinic);
    EXPECT_THAT(refusal("", kClinic),
                ::testing::HasSubstr("clinic has 1 sessions, as many as it may; retry after 2 s"));
    const auto lab = session("::1", "", kLab);
    first.reset();
    for (int i = 0; i < 500 && server_->report().sessions > 1; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(answers(*session("::1", "", kClinic), "small", 1));
}

TEST_F(Service, ABudgetIsSpentByFirstUploadsWhateverBecomesOfThem) {
    write_access_list(R"({"inferences_per_day": 3})");
    access_settings_.strangers.inferences_per_day = 1;
    serve();
    const auto client = session("::1", "", kClinic);
    EXPECT_TRUE(answers(*client, "small", 1));
    begin("127.0.0.1", true, kClinic).reset();  // leaves in the middle
    for (int i = 0; i < 500 && server_->report().failures == 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().failures, 1u);
    begin("127.0.0.1", false, kClinic).reset();  // leaves before it has sent anything: costs nothing
    EXPECT_TRUE(answers(*client, "small", 2));
    try {
        answers(*client, "small", 3);
        ADD_FAILURE() << "it was answered";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::ContainsRegex("the budget of 3 inferences a day is spent until .* UTC; "
                                                           "retry after [0-9]+ s"));
    }
    EXPECT_THAT(refusal("", kClinic), ::testing::HasSubstr("the budget of 3 inferences a day is spent"));
    EXPECT_TRUE(answers(*session("::1", "", kLab), "small", 4));
}

TEST_F(Service, AnAddressWithoutAccountHasABudgetOfItsOwn) {
    access_settings_.strangers.inferences_per_minute = 0;
    access_settings_.strangers.inferences_per_day = 2;
    serve();
    EXPECT_TRUE(answers(*session("::1"), "small", 1));
    EXPECT_TRUE(answers(*session("::1"), "small", 2));
    EXPECT_THAT(refusal("", ""), ::testing::HasSubstr("the budget of 2 inferences a day is spent"));
    EXPECT_TRUE(answers(*session("127.0.0.1"), "small", 3));
}

TEST_F(Service, TheLibrarysClientShowsItsToken) {
    save("other", 78);
    write_access_list("{}");
    serve();
    ClientOptions options{.address = "localhost:" + std::to_string(server_->address().port),
                          .pin = server_->fingerprint()};
    EXPECT_THROW(Client{options}, Error);
    options.model = "small";
    options.token = kClinic;
    Client client(options);
    const std::vector<float> input(client.model().input.size());
    EXPECT_EQ(client.infer(input).logits.size(), client.model().output.size());
    options.model = "other";
    EXPECT_THROW(Client{options}, Error);
    options.token = kLab;
    EXPECT_EQ(Client(options).model().name, client.model().name);
}

TEST_F(Service, AWebPageSpeaksTheSameFramesOverWebSocket) {
    serve();
    {
        WebSocketPeer page(server_->address().port, kWebSocketPath, "Origin: https://page.example\r\n");
        ASSERT_TRUE(page.upgraded()) << page.answer();
        ClientSession client(page.channel(), {});
        EXPECT_TRUE(answers(client, "small", 1));
        EXPECT_TRUE(answers(client, "small", 2));
    }
    for (int i = 0; i < 500 && server_->report().sessions > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().sessions, 0u);
    EXPECT_EQ(server_->report().inferences, 2u);
    EXPECT_EQ(server_->report().failures, 0u);
}

TEST_F(Service, OverWebSocketLimitsAndRefusalsAreTheSame) {
    settings_.max_sessions = 1;
    serve();
    const auto first = session("::1");
    WebSocketPeer page(server_->address().port, kWebSocketPath);
    ASSERT_TRUE(page.upgraded()) << page.answer();
    try {
        ClientSession client(page.channel(), {});
        ADD_FAILURE() << "there was a place for two";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRemote);
        EXPECT_THAT(error.what(), ::testing::HasSubstr("it already serves 1 clients; retry after 2 s"));
    }
    EXPECT_TRUE(answers(*first, "small", 1));
}

TEST_F(Service, NoiseOverWebSocketEndsTheSessionOnly) {
    serve();
    for (const std::vector<std::uint8_t>& noise :
         {std::vector<std::uint8_t>{0x82, 0x01, 0x00}, std::vector<std::uint8_t>{0x81, 0x80, 0, 0, 0, 0},
          std::vector<std::uint8_t>{0x82, 0x90, 0, 0, 0, 0, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
          std::vector<std::uint8_t>(64, 0xff)}) {
        auto tls = RawTls::connect(server_->address().port, TLS1_3_VERSION, "http/1.1");
        const std::string request = std::string("GET ") + kWebSocketPath +
                                    " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        tls.write({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
        std::string answer;
        for (char c = 0; !answer.ends_with("\r\n\r\n") && SSL_read(tls.ssl(), &c, 1) == 1;) answer += c;
        EXPECT_THAT(answer, ::testing::HasSubstr("101 Switching Protocols"));
        tls.write(noise);
        EXPECT_TRUE(tls.socket().closed_by_peer());
    }
    EXPECT_TRUE(answers(*session("::1"), "small", 1));
}

}  // namespace
}  // namespace flash::service
