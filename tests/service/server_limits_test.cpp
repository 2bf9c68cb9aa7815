// Nobody takes the server away from others: honest clients beside silent, slow and babbling ones, deadlines, memory.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "service/service_fixture.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
using protocol::ClientSession;
using testing::Service;
using transport::testing::raw_frame;
using transport::testing::RawSocket;
using transport::testing::RawTls;

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

}  // namespace
}  // namespace flash::service
