// No stream of secret random bits serves twice: every one that the parties open, in inferences whose layers share
// chunks and whose values are uploaded at several depths, is opened once. The one exception is by design: the masks of
// the server's results are made ahead for its vectors, and again, the same, for the response itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "base/random.h"
#include "base/stream_observer.h"
#include "protocol/client_session.h"
#include "protocol/linear/result_mask.h"
#include "protocol/local_parties.h"
#include "protocol/server_session.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash {
namespace {

class Registry : public StreamObserver {
public:
    Registry() { observe_streams(this); }
    ~Registry() override { observe_streams(nullptr); }
    void derived(const Sha256& key, std::string_view domain, bool from_secret_seed) override {
        const std::lock_guard lock(mutex_);
        // Two keys are never the same unless seed, domain and indices are: so one that is derived again is, too, a
        // stream that could be opened again.
        if (from_secret_seed) domains_[key] = domain;
    }
    void opened(const Sha256& key, std::uint32_t a, std::uint32_t b) override {
        const std::lock_guard lock(mutex_);
        const auto found = domains_.find(key);
        if (found == domains_.end()) return;  // public
        ++opened_;
        if (!streams_.insert({key, a, b}).second && found->second != protocol::kResultMaskDomain)
            twice_.insert(found->second);
    }
    /// Domains of streams that were opened again.
    const std::set<std::string>& twice() const { return twice_; }
    std::size_t opened_streams() const { return opened_; }
    std::set<std::string> seen() const {
        std::set<std::string> names;
        for (const auto& [key, domain] : domains_) names.insert(domain);
        return names;
    }

private:
    std::mutex mutex_;
    std::map<Sha256, std::string> domains_;
    std::set<std::tuple<Sha256, std::uint32_t, std::uint32_t>> streams_;
    std::set<std::string> twice_;
    std::size_t opened_ = 0;
};

/// A network in which layers share chunks and values are read at several depths and in both rings.
model::Model busy_model() {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    options.layers = 5;
    for (std::uint64_t seed = 1;; ++seed) {
        model::Model model = flash::testing::random_model(seed, options);
        const packing::Plan plan = packing::make_plan(model.architecture);
        std::map<int, std::set<int>> depths;
        for (const packing::Stream& stream : plan.streams) depths[stream.source].insert(stream.depth);
        const bool again = std::ranges::any_of(depths, [](const auto& value) { return value.second.size() > 1; });
        if (again && plan.degrees().size() == 2) return model;
    }
}

TEST(Streams, NoneIsOpenedTwice) {
    const protocol::PreparedModel model(busy_model());
    const auto& activation = model.activation();
    ASSERT_LT(activation.vectors_end(activation.layers() - 1), static_cast<std::size_t>(activation.layers() - 1))
        << "layers share chunks";
    const auto input = flash::testing::random_input(model.architecture(), 3);
    Registry registry;
    auto [client_end, server_end] = transport::make_loopback();
    std::thread server([&, end = server_end.get()] { protocol::serve_session(model, *end); });
    {
        protocol::ClientSession client(std::move(client_end));
        for (int i = 0; i < 3; ++i) client.infer_integers(input);
    }
    server.join();
    EXPECT_EQ(registry.twice(), std::set<std::string>{});
    EXPECT_GT(registry.opened_streams(), 150u);
    // Whatever the parties draw from is among them.
    for (const char* domain : {"client nonce", "client direct key", "client upload", "client composite answer",
                               "client composite nonce", "server composite key", "server composite encryption",
                               "server composite public seed", "server re-randomisation"})
        EXPECT_TRUE(registry.seen().contains(domain)) << domain;
}

/// A client that takes messages in steps and prepares several things at once, as in a web page with threads.
TEST(Streams, NoneIsOpenedTwiceInSteps) {
    const protocol::PreparedModel model(busy_model());
    const auto input = flash::testing::random_input(model.architecture(), 3);
    Registry registry;
    protocol::run_local(model, protocol::client_model(model), input,
                        {.client_seed = SecretSeed::for_testing(5),
                         .server_seed = SecretSeed::for_testing(6),
                         .client_ahead = protocol::Ahead::kSteps,
                         .connection = {}});
    EXPECT_EQ(registry.twice(), std::set<std::string>{});
    EXPECT_TRUE(registry.seen().contains("client upload"));
    EXPECT_TRUE(registry.seen().contains("client composite answer"));
}

/// The control: an inference on a seed that served before.
TEST(Streams, ControlASeedThatServesTwiceIsFound) {
    const protocol::PreparedModel model(busy_model());
    const auto input = flash::testing::random_input(model.architecture(), 3);
    Registry registry;
    flash::testing::run_without_audit(model, input, 1, 2);
    EXPECT_EQ(registry.twice(), std::set<std::string>{});
    flash::testing::run_without_audit(model, input, 1, 3);
    EXPECT_TRUE(registry.twice().contains("client upload"));
    EXPECT_TRUE(registry.twice().contains("client composite answer"));
    EXPECT_TRUE(registry.twice().contains("client direct key"));
}

}  // namespace
}  // namespace flash
