// What a server does for its clients: models, drains, accounts, budgets, WebSocket.
#include "service/server.h"

#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "flash/client.h"
#include "service/http_session.h"
#include "service/service_fixture.h"
#include "transport/web_socket_peer.h"

namespace flash::service {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using protocol::ClientSession;
using testing::Service;
using transport::testing::RawTls;
using transport::testing::WebSocketPeer;

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

/// As many answers as there are threads, all on one session; the sentences of those that were not answered.
std::vector<std::string> ask_at_once(std::size_t threads, const std::function<bool(std::uint64_t)>& ask) {
    std::mutex mutex;
    std::vector<std::string> told;
    std::vector<std::thread> all;
    for (std::size_t i = 0; i < threads; ++i)
        all.emplace_back([&, i] {
            try {
                EXPECT_TRUE(ask(i));
            } catch (const Error& error) {
                const std::lock_guard lock(mutex);
                told.emplace_back(error.what());
            }
        });
    for (std::thread& thread : all) thread.join();
    return told;
}

TEST_F(Service, SeveralInferencesAtATimeTakeSeatsAndMemoryOfAsMany) {
    serve();
    EXPECT_EQ(session("::1", "small", "", 8)->in_flight(), 3u) << "one address has two further ones here";
    settings_.max_sessions_per_address = 4;
    serve();
    EXPECT_EQ(session("::1", "small", "", 8)->in_flight(), 4u) << "no session has more here";
    const std::uint64_t one = store_->find("small")->memory.server;
    write_access_list(R"({"sessions": 3})");
    settings_.session_memory = 20 * one;
    serve();
    auto client = session("::1", "small", kClinic, 8);
    EXPECT_EQ(client->in_flight(), 3u) << "its account has three sessions";
    EXPECT_THAT(refusal("small", kClinic), ::testing::HasSubstr("clinic has 3 sessions, as many as it may"));
    EXPECT_EQ(ask_at_once(6, [&](std::uint64_t i) { return answers(*client, "small", i); }).size(), 0u);
    for (int i = 0; i < 500 && server_->report().running > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().inferences, 6u);
    EXPECT_EQ(server_->report().failures, 0u);

    settings_.session_memory = 4 * one + 1;
    serve();
    EXPECT_EQ(session("::1", "small", kLab, 8)->in_flight(), 2u) << "half of the memory is for sessions that come";
    settings_.session_memory = one;
    serve();
    client = session("::1", "small", kLab, 8);
    EXPECT_EQ(client->in_flight(), 1u);
    EXPECT_TRUE(answers(*client, "small", 1));
}

TEST_F(Service, ABudgetThatEndsAmongSeveralCostsNoAnswerThatWasPaidFor) {
    write_access_list(R"({"inferences_per_day": 5})");
    settings_.max_sessions_per_address = 3;
    serve();
    const auto client = session("::1", "small", kClinic, 4);
    ASSERT_EQ(client->in_flight(), 4u);
    EXPECT_EQ(ask_at_once(4, [&](std::uint64_t i) { return answers(*client, "small", i); }).size(), 0u);
    const auto told = ask_at_once(4, [&](std::uint64_t i) { return answers(*client, "small", i); });
    EXPECT_EQ(told.size(), 3u);
    for (const std::string& sentence : told)
        EXPECT_THAT(sentence, ::testing::AnyOf(::testing::HasSubstr("the budget of 5 inferences a day is spent"),
                                               ::testing::HasSubstr("closed after an earlier error")));
    for (int i = 0; i < 500 && server_->report().sessions > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().inferences, 5u);
    EXPECT_EQ(server_->report().running, 0u);
    EXPECT_EQ(server_->report().failures, 0u);
}

TEST_F(Service, ARefusedInferenceLeavesNoDeadlineToTheOthers) {
    write_access_list(R"({"inferences_per_day": 1})");
    settings_.first_timeout = 1s;
    serve();
    const auto channel = connect("::1");
    protocol::ClientHello hello;
    hello.model = "small";
    hello.token = SecretVector<char>(kClinic.size());
    std::ranges::copy(kClinic, hello.token.data());
    hello.in_flight = 2;
    channel->send({protocol::message_type::kClientHello, 0, 0, protocol::encode(hello)});
    channel->receive(protocol::message_type::kServerHello);
    transport::Limits limits;
    limits.lanes = 2;
    channel->set_limits(limits);
    const ServedModelPtr model = store_->find("small");
    const protocol::PreparedModel& prepared = *model->prepared;
    const auto ask = [&](std::uint16_t lane) {
        transport::Message start{
            protocol::message_type::kStart, 0, lane,
            std::vector<std::uint8_t>(protocol::start_bytes(prepared.plan()) + prepared.activation().sizes().start)};
        transport::Message upload{protocol::message_type::kUpload, 0, 0,
                                  std::vector<std::uint8_t>(protocol::upload_bytes(prepared.plan().streams.front()))};
        start.lane = upload.lane = lane;
        channel->send(std::move(start));
        channel->send(std::move(upload));
    };
    ask(0);
    EXPECT_EQ(channel->receive(protocol::message_type::kStartReply).lane, 0);
    ask(1);
    const transport::Message refusal = channel->receive(transport::MessageType::kError);
    EXPECT_EQ(refusal.lane, 1);
    EXPECT_THAT(std::string(refusal.payload.begin(), refusal.payload.end()),
                ::testing::HasSubstr("the budget of 1 inferences a day is spent"));
    std::this_thread::sleep_for(1300ms);
    EXPECT_FALSE(channel->error()) << channel->error()->what();
    EXPECT_EQ(server_->report().running, 1u);
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

TEST_F(Service, TheLibrarysClientComesAgainWhereTheServerHasEndedItsSession) {
    settings_.first_timeout = settings_.idle_timeout = 1s;
    serve();
    Client client({.address = "localhost:" + std::to_string(server_->address().port), .pin = server_->fingerprint()});
    const std::vector<float> input(client.model().input.size());
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 500 && server_->report().sessions > 0; ++j) std::this_thread::sleep_for(10ms);
        std::this_thread::sleep_for(300ms);  // until the client has heard of it
        EXPECT_EQ(client.infer(input).logits.size(), client.model().output.size()) << "after " << i << " inferences";
    }
    for (int j = 0; j < 500 && server_->report().inferences < 2; ++j) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(server_->report().inferences, 2u);
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
