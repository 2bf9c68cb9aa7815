// Several inferences at a time on one connection: each answers as it would alone, and what becomes of one of them costs
// no other one its answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "model/twin.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "protocol/session_limits.h"
#include "quick_server.h"
#include "support/private_run.h"
#include "transport/frame.h"

namespace flash::protocol {
namespace {

using flash::testing::SourcedModel;
using ::testing::HasSubstr;

const SourcedModel& deep_model() {
    static const SourcedModel model(flash::testing::random_model(5));
    return model;
}

bool is_close(const std::vector<std::int32_t>& got, const std::vector<std::int32_t>& expected) {
    if (got.size() != expected.size()) return false;
    for (std::size_t i = 0; i < got.size(); ++i)
        if (std::abs(got[i] - expected[i]) > 8) return false;
    return true;
}

/// A server with one client; what the session ended with.
class InFlight : public ::testing::Test {
protected:
    void serve(const PreparedModel& model) {
        options_.stop = &stop_;
        auto ends = transport::make_loopback(loopback_);
        client_end_ = std::move(ends.first);
        server_ = std::thread([this, &model, end = std::move(ends.second)]() mutable {
            try {
                served_ = serve_session(model, *end, options_).inferences;
            } catch (const Error& error) {
                ended_.emplace(error);
            }
        });
    }
    std::unique_ptr<ClientSession> connect(std::uint32_t in_flight) {
        ClientSessionOptions options;
        options.in_flight = in_flight;
        return std::make_unique<ClientSession>(std::move(client_end_), options);
    }
    void TearDown() override {
        if (client_end_) client_end_->close();
        if (server_.joinable()) server_.join();
    }
    static std::vector<std::int32_t> input(const PreparedModel& model, std::uint64_t seed) {
        return flash::testing::random_input(model.architecture(), seed);
    }

    transport::LoopbackOptions loopback_;
    ServerSessionOptions options_;
    std::atomic<bool> stop_ = false;
    std::unique_ptr<transport::Channel> client_end_;
    std::thread server_;
    std::uint32_t served_ = 0;
    std::optional<Error> ended_;
};

TEST_F(InFlight, EachAnswersAsAlone) {
    constexpr std::size_t kAtATime = 3, kEach = 3;
    std::mutex mutex;
    std::set<std::uint32_t> numbers;
    std::atomic<int> running = 0, most = 0;
    options_.on_start = [&](std::uint32_t number) {
        most = std::max(most.load(), ++running);
        const std::lock_guard lock(mutex);
        numbers.insert(number);
    };
    options_.on_inference = [&](std::uint32_t, double) { --running; };
    serve(deep_model());
    auto session = connect(kAtATime);
    ASSERT_EQ(session->in_flight(), kAtATime);
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (std::size_t thread = 0; thread < kAtATime + 1; ++thread)  // one of them waits for its turn
        threads.emplace_back([&, thread] {
            for (std::size_t i = 0; i < kEach; ++i) {
                const auto picture = input(deep_model(), 10 * thread + i);
                const ClientResult result = session->infer_integers(picture);
                EXPECT_EQ(result.traffic.bytes_sent, deep_model().cost().up());
                EXPECT_EQ(result.traffic.bytes_received, deep_model().cost().down());
                right += is_close(result.x, model::Twin(deep_model().model()).run(picture).output);
            }
        });
    for (std::thread& thread : threads) thread.join();
    session.reset();
    server_.join();
    EXPECT_FALSE(ended_) << ended_->what();
    EXPECT_EQ(right, (kAtATime + 1) * kEach);
    EXPECT_EQ(served_, (kAtATime + 1) * kEach);
    EXPECT_EQ(numbers.size(), (kAtATime + 1) * kEach) << "keys are made of them";
    EXPECT_GT(most, 1);
    EXPECT_LE(most, static_cast<int>(kAtATime));
}

TEST_F(InFlight, AServerTakesAsManyAsItLikes) {
    options_.in_flight = 2;
    serve(small_model());
    auto session = connect(64);
    EXPECT_EQ(session->in_flight(), 2u);
    EXPECT_FALSE(session->infer_integers(input(small_model(), 1)).x.empty());
    session.reset();
    server_.join();
    EXPECT_EQ(served_, 1u);
}

TEST_F(InFlight, OneAtATimeNeedsNoLanes) {
    options_.in_flight = 1;
    serve(small_model());
    auto session = connect(4);
    EXPECT_EQ(session->in_flight(), 1u);
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_FALSE(session->infer_integers(input(small_model(), i)).x.empty());
    session.reset();
    server_.join();
    EXPECT_EQ(served_, 3u);
}

TEST_F(InFlight, ARefusalLetsTheOthersEnd) {
    std::latch first_runs(1), refused(1);
    options_.on_start = [&](std::uint32_t number) {
        if (number != 0) {
            refused.count_down();
            throw Error(ErrorKind::kNetwork, "the budget is spent");
        }
        first_runs.count_down();
    };
    options_.on_upload = [&](std::uint32_t) { refused.wait(); };
    serve(deep_model());
    auto session = connect(2);
    const auto picture = input(deep_model(), 1);
    auto first = std::async(std::launch::async, [&] { return session->infer_integers(picture).x; });
    first_runs.wait();
    std::string told;
    try {
        session->infer_integers(picture);
    } catch (const Error& error) {
        told = error.what();
    }
    EXPECT_THAT(told, HasSubstr("the budget is spent"));
    EXPECT_TRUE(is_close(first.get(), model::Twin(deep_model().model()).run(picture).output));
    EXPECT_TRUE(session->is_over());
    EXPECT_THROW(session->infer_integers(picture), SessionOver);
    server_.join();
    ASSERT_TRUE(ended_);
    EXPECT_STREQ(ended_->what(), "the budget is spent");
}

TEST_F(InFlight, OneThatIsCancelledEndsAlone) {
    std::latch both(2);
    options_.on_upload = [&](std::uint32_t) { both.arrive_and_wait(); };
    serve(deep_model());
    auto session = connect(2);
    const auto picture = input(deep_model(), 1);
    std::stop_source stop;
    auto cancelled = std::async(std::launch::async, [&] {
        // In the middle, where it waits for the server's answers.
        session->infer_integers(
            picture, nullptr, [&](double fraction) { fraction > 0 ? (void)stop.request_stop() : void(); }, nullptr,
            stop.get_token());
    });
    const auto other = session->infer_integers(picture).x;
    EXPECT_TRUE(is_close(other, model::Twin(deep_model().model()).run(picture).output));
    EXPECT_THROW(cancelled.get(), Error);
    EXPECT_TRUE(session->is_over());
    session.reset();
    server_.join();
    ASSERT_TRUE(ended_);
    EXPECT_THAT(ended_->what(), HasSubstr("the client cancelled the inference"));
}

TEST_F(InFlight, WhoWaitsForATurnCanBeStopped) {
    std::latch upload(1), go(1);
    options_.on_upload = [&](std::uint32_t) {
        upload.count_down();
        go.wait();
    };
    options_.in_flight = 1;
    serve(small_model());
    auto session = connect(1);
    const auto picture = input(small_model(), 1);
    auto first = std::async(std::launch::async, [&] { return session->infer_integers(picture).x; });
    upload.wait();
    std::stop_source stop;
    auto second = std::async(std::launch::async,
                             [&] { session->infer_integers(picture, nullptr, {}, nullptr, stop.get_token()); });
    stop.request_stop();
    EXPECT_THROW(second.get(), Error);
    go.count_down();
    EXPECT_FALSE(first.get().empty());
    EXPECT_FALSE(session->is_over()) << "nothing was sent for the one that was stopped";
    EXPECT_FALSE(session->infer_integers(picture).x.empty());
}

TEST_F(InFlight, AConnectionThatBreaksIsTheEndOfAll) {
    std::latch both(2);
    options_.on_upload = [&](std::uint32_t) { both.arrive_and_wait(); };
    int seen = 0;
    loopback_.second_to_first = [&](transport::Message message) -> std::optional<transport::Message> {
        if (message.type == message_type::kLinearResponse && ++seen == 3) {
            message.lane = 1;
            message.payload.resize(1);  // not what either waits for
        }
        return message;
    };
    serve(deep_model());
    auto session = connect(2);
    std::vector<std::future<void>> all;
    for (int i = 0; i < 2; ++i)
        all.push_back(std::async(std::launch::async, [&] { session->infer_integers(input(deep_model(), 1)); }));
    int failed = 0;
    for (auto& each : all) try {
            each.get();
        } catch (const Error&) {
            ++failed;
        }
    EXPECT_GE(failed, 1);
    EXPECT_TRUE(session->is_over());
    session.reset();
    server_.join();
    EXPECT_TRUE(ended_);
}

TEST_F(InFlight, AServerThatIsToStopLetsThemEnd) {
    std::latch upload(1), go(1);
    options_.on_upload = [&](std::uint32_t) {
        upload.count_down();
        go.wait();
    };
    serve(small_model());
    auto session = connect(2);
    auto first = std::async(std::launch::async, [&] { return session->infer_integers(input(small_model(), 1)).x; });
    upload.wait();
    stop_ = true;
    std::this_thread::sleep_for(50ms);
    go.count_down();
    EXPECT_FALSE(first.get().empty());
    server_.join();
    EXPECT_FALSE(ended_) << ended_->what();
    EXPECT_EQ(served_, 1u);
}

/// A client that says what it likes once it was greeted.
class HostileInFlight : public InFlight {
protected:
    /// The sentence that the server's session ended with.
    std::string ended_by(const std::function<void(transport::Channel&)>& client) {
        loopback_ = quick();
        ended_.reset();
        options_.timeout = 300ms;
        options_.idle_timeout = options_.first_timeout = 600ms;
        serve(small_model());
        transport::Channel& channel = *client_end_;
        ClientHello hello;
        hello.in_flight = 2;
        channel.send({message_type::kClientHello, 0, 0, encode(hello)});
        EXPECT_EQ(decode_server_hello(channel.receive(message_type::kServerHello).payload).in_flight, 2u);
        transport::Limits limits = server_limits(small_model().cost(), 1s);
        limits.lanes = 2;
        channel.set_limits(limits);
        try {
            client(channel);
        } catch (const Error&) {  // it was thrown out
        }
        server_.join();
        return ended_ ? ended_->what() : "well";
    }
    static transport::Message start(std::uint16_t lane, std::uint32_t number) {
        transport::Message message{
            message_type::kStart, 0, number,
            std::vector<std::uint8_t>(start_bytes(small_model().plan()) + small_model().activation().sizes().start)};
        message.lane = lane;
        return message;
    }
};

TEST_F(HostileInFlight, NumbersAreThoseOfTheLane) {
    EXPECT_THAT(ended_by([](transport::Channel& c) { c.send(start(1, 0)); }),
                HasSubstr("expected the start of inference 1"));
    EXPECT_THAT(ended_by([](transport::Channel& c) { c.send(start(0, 2)); }),
                HasSubstr("expected the start of inference 0"));
}

TEST_F(HostileInFlight, NoInferenceIsAskedForInALaneThatHasEnded) {
    // It would be waited for as long as the connection lasts.
    const auto error = [](std::uint16_t lane) {
        transport::Message message = transport::make_error("changed its mind");
        message.index = transport::kLaneError;
        message.lane = lane;
        return message;
    };
    for (const bool first : {true, false})
        EXPECT_THAT(ended_by([&](transport::Channel& c) {
                        if (first) c.send(error(1));
                        c.send(start(1, 1));
                        if (!first) c.send(error(1));
                        for (;;) c.receive_any(5s);
                    }),
                    HasSubstr("the client reported: changed its mind"));
}

TEST_F(HostileInFlight, NothingComesBeforeAStart) {
    EXPECT_THAT(ended_by([](transport::Channel& c) {
                    c.send({message_type::kUpload, 0, 0, {1}});
                    c.send(start(0, 0));
                }),
                HasSubstr("expected a start in lane 0, got upload"));
    EXPECT_THAT(ended_by([](transport::Channel& c) {
                    c.send(start(1, 1));  // its thread waits for an upload
                    std::this_thread::sleep_for(20ms);
                    c.send({message_type::kUpload, 0, 0, {1}});
                }),
                HasSubstr("expected a start in lane 0, got upload"));
}

TEST_F(HostileInFlight, LanesAreThoseAgreedUpon) {
    EXPECT_THAT(ended_by([](transport::Channel& c) { c.send(start(2, 2)); }), HasSubstr("lane 2"));
}

TEST_F(HostileInFlight, ALaneHoldsWhatItMay) {
    EXPECT_THAT(ended_by([](transport::Channel& c) {
                    c.send(start(0, 0));
                    for (int i = 0; i < 10'000; ++i)
                        c.send({message_type::kFinish, 0, 0, std::vector<std::uint8_t>(std::size_t{1} << 20)});
                }),
                HasSubstr("ahead of what was asked for"));
}

TEST_F(HostileInFlight, SilenceAndLeaving) {
    EXPECT_THAT(ended_by([](transport::Channel& c) { c.receive_any(5s); }), HasSubstr("idle for too long"));
    EXPECT_THAT(ended_by([](transport::Channel& c) {
                    c.send(start(1, 1));
                    c.receive_any(5s);
                }),
                HasSubstr("no upload message within 300 ms"));
    EXPECT_THAT(ended_by([](transport::Channel& c) {
                    c.send(start(1, 1));
                    c.close();
                }),
                HasSubstr("closed the connection"));
    EXPECT_EQ(ended_by([](transport::Channel& c) { c.close(); }), "well");
}

TEST_F(HostileInFlight, AServerMayNotTakeMoreThanItWasAsked) {
    auto [client_end, server_end] = transport::make_loopback(quick());
    std::thread server([&, end = server_end.get()] {
        end->receive(message_type::kClientHello);
        ServerHello hello;
        hello.in_flight = 3;
        end->send({message_type::kServerHello, 0, 0, encode(hello)});
    });
    ClientSessionOptions options;
    options.in_flight = 2;
    std::string told;
    try {
        ClientSession(std::move(client_end), options);
    } catch (const Error& error) {
        told = error.what();
    }
    server.join();
    EXPECT_THAT(told, HasSubstr("more than were asked for"));
}

}  // namespace
}  // namespace flash::protocol
