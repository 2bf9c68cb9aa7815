// The client without threads: as a part of an inference with given randomness, it computes the same; and as a session
// that is fed bytes, it does so in pieces of any size, and says what went wrong.
#include "protocol/stepped_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "model/arithmetic.h"
#include "protocol/local_parties.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "quick_server.h"
#include "support/private_run.h"
#include "transport/frame.h"

namespace flash::protocol {
namespace {

ClientResult run_seeded(const PreparedModel& model, const std::vector<std::int32_t>& input, Ahead ahead) {
    return run_local(model, client_model(model), input,
                     {.client_seed = SecretSeed::for_testing(5),
                      .server_seed = SecretSeed::for_testing(6),
                      .client_ahead = ahead,
                      .connection = {}})
        .client;
}

TEST(SteppedInference, EqualsThatWithThreads) {
    for (std::uint64_t seed : {1, 2, 3, 4}) {
        flash::testing::RandomModelOptions options;
        if (seed % 2 == 0) options.curves = flash::testing::Curves::kBoth;
        const PreparedModel model(flash::testing::random_model(seed, options));
        const auto input = flash::testing::random_input(model.architecture(), seed);
        EXPECT_EQ(run_seeded(model, input, Ahead::kSteps).x, run_seeded(model, input, Ahead::kThreads).x) << seed;
    }
}

/// A server behind a loopback, and the client's bytes carried by hand.
class Fed {
public:
    explicit Fed(const PreparedModel& model, std::size_t piece) : piece_(piece) {
        auto [client_end, server_end] = transport::make_loopback();
        line_ = std::move(client_end);
        transport::Limits limits;
        limits.max_payload = limits.max_queued = std::size_t{1} << 28;
        line_->set_limits(limits);
        thread_ = std::thread([&model, end = std::move(server_end)] {
            try {
                serve_session(model, *end);
            } catch (const Error&) {  // what the client does about it is what is tested
            }
        });
    }
    ~Fed() {
        line_->close();
        thread_.join();
    }

    /// Until the session is in this state.
    void reach(SteppedSession& session, SteppedSession::State state) {
        while (session.state() != state) {
            while (session.step() && session.state() != state) send(session);
            send(session);
            if (session.state() != state) receive(session);
        }
        send(session);
    }
    void send(SteppedSession& session) {
        decoder_.feed(session.channel().take_outgoing(),
                      [&](transport::Message message) { line_->send(std::move(message)); });
    }
    void receive(SteppedSession& session) {
        const transport::Message message = [&] {
            try {
                return line_->receive_any(std::chrono::seconds(20));
            } catch (const Error& error) {  // the loopback has taken the server's last word for itself
                return transport::make_error(error.what());
            }
        }();
        const auto header = transport::encode_header(message);
        std::vector<std::uint8_t> bytes(header.begin(), header.end());
        bytes.insert(bytes.end(), message.payload.begin(), message.payload.end());
        for (std::span<const std::uint8_t> rest = bytes; !rest.empty();) {
            const std::size_t size = std::min(piece_, rest.size());
            session.channel().feed(rest.first(size));
            rest = rest.subspan(size);
        }
    }

private:
    const std::size_t piece_;
    std::unique_ptr<transport::Channel> line_;
    transport::FrameDecoder decoder_{{std::size_t{1} << 28}};
    std::thread thread_;
};

TEST(SteppedSession, InferencesInPiecesOfAnySize) {
    const PreparedModel model(flash::testing::random_model(9));
    std::vector<float> picture(static_cast<std::size_t>(model.architecture().input.size()));
    for (std::size_t i = 0; i < picture.size(); ++i)
        picture[i] = static_cast<float>(model.architecture().input_scale * static_cast<double>(i % 7));
    const auto expected = run_seeded(model, model::quantise_input(model.architecture(), picture), Ahead::kThreads);
    for (std::size_t piece : {17, 4096, 1 << 20}) {
        Fed fed(model, piece);
        SteppedSession session({});
        fed.reach(session, SteppedSession::State::kReady);
        EXPECT_EQ(session.model().fingerprint, model.fingerprint());
        for (int again = 0; again < 2; ++again) {
            const transport::Traffic before = session.channel().traffic();
            session.begin(picture);
            fed.reach(session, SteppedSession::State::kResult);
            const ClientResult result = session.take_result();
            EXPECT_EQ(session.state(), SteppedSession::State::kReady);
            EXPECT_EQ(session.layers_done(), 0);
            // Other randomness, so other roundings: each layer's is a unit of its own X.
            ASSERT_EQ(result.x.size(), expected.x.size());
            for (std::size_t i = 0; i < result.x.size(); ++i)
                EXPECT_NEAR(result.x[i], expected.x[i], 64) << piece << " " << i;
            EXPECT_EQ(session.channel().traffic().bytes_sent - before.bytes_sent, model.cost().up());
            EXPECT_EQ(session.channel().traffic().bytes_received - before.bytes_received, model.cost().down());
            EXPECT_GT(result.seconds.respond, 0);
        }
    }
}

TEST(SteppedSession, SaysWhatIsWrong) {
    const auto failure = [](SteppedSession& session, const auto& body) {
        try {
            body();
        } catch (const Error& error) {
            EXPECT_EQ(session.state(), SteppedSession::State::kFailed);
            return std::string(to_string(error.kind())) + ": " + error.what();
        }
        return std::string("nothing");
    };
    {
        ClientSessionOptions options;
        options.expected_fingerprint.emplace().fill(1);
        Fed fed(small_model(), 1000);
        SteppedSession session(options);
        EXPECT_NE(failure(session, [&] { fed.reach(session, SteppedSession::State::kReady); }).find("fingerprint"),
                  std::string::npos);
    }
    {
        SteppedSession session({});
        EXPECT_FALSE(session.step());
        session.channel().end();
        EXPECT_EQ(failure(session, [&] { session.step(); }).rfind("network: the server closed the connection", 0), 0u);
    }
    {
        SteppedSession session({});
        const std::vector<std::uint8_t> garbage(40, 0xee);
        EXPECT_THROW(session.channel().feed(garbage), Error);
        EXPECT_TRUE(session.channel().closed());
    }
    {
        Fed fed(small_model(), 1000);
        SteppedSession session({});
        fed.reach(session, SteppedSession::State::kReady);
        EXPECT_THROW(session.begin(std::vector<float>(3)), Error);
        EXPECT_EQ(session.state(), SteppedSession::State::kReady) << "an unusable picture costs nothing";
    }
}

}  // namespace
}  // namespace flash::protocol
