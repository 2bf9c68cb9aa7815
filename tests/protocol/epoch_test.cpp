#include "protocol/epoch.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "protocol/client_session.h"
#include "protocol/server_session.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

model::Model some_model() {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    return flash::testing::random_model(6, options);
}

std::unique_ptr<PreparedModel> prepared(const Epoch& epoch,
                                        const std::optional<std::filesystem::path>& cache = std::nullopt) {
    return std::make_unique<PreparedModel>(some_model(), std::function<void(double)>{}, cache,
                                           lattice::kTransformBudget, nullptr, epoch);
}

std::vector<std::uint32_t> first_polynomial(const scheme::PublicPolynomials& publics) {
    std::vector<std::uint32_t> a(2048);
    publics.upload({0, 0}, a);
    return a;
}

TEST(Epoch, ANewOneRenewsThePublicPolynomialsOfTheSameModel) {
    const auto none = prepared({}), first = prepared({1}), second = prepared({2});
    EXPECT_EQ(none->fingerprint(), first->fingerprint());
    EXPECT_EQ(first->fingerprint(), second->fingerprint());
    EXPECT_EQ(polynomial_seed(none->fingerprint(), {}), none->fingerprint());
    EXPECT_NE(first_polynomial(none->publics()), first_polynomial(first->publics()));
    EXPECT_NE(first_polynomial(first->publics()), first_polynomial(second->publics()));
    EXPECT_EQ(first_polynomial(first->publics()), first_polynomial(prepared({1})->publics()));
}

TEST(Epoch, SessionsAgreeOnItAndThePinnedFingerprintStays) {
    const auto known = prepared({});
    for (const Epoch& epoch : {Epoch{}, Epoch{1}}) {
        const auto model = prepared(epoch);
        auto [client_end, server_end] = transport::make_loopback();
        std::thread server([&, end = server_end.get()] { serve_session(*model, *end); });
        {
            ClientSessionOptions options;
            options.expected_fingerprint = known->fingerprint();
            ClientSession client(std::move(client_end), options);
            EXPECT_EQ(first_polynomial(client.model().publics->polynomials), first_polynomial(model->publics()));
            const auto input = flash::testing::random_input(model->architecture(), 4);
            const auto x = client.infer_integers(input).x, again = client.infer_integers(input).x;
            const auto expected = flash::testing::run_without_audit(*known, input, 1, 2).x;
            ASSERT_EQ(x.size(), expected.size());
            for (std::size_t i = 0; i < x.size(); ++i) {
                EXPECT_LE(std::abs(x[i] - again[i]), 600);  // inner values are rounded up or down anew
                EXPECT_LE(std::abs(x[i] - expected[i]), 600);
            }
        }
        server.join();
    }
}

TEST(Epoch, ACacheOfAnotherEpochIsNotUsed) {
    const std::filesystem::path cache =
        std::filesystem::temp_directory_path() / ("flash-epoch-" + std::to_string(getpid()));
    EXPECT_TRUE(prepared({1}, cache)->cache().written);
    EXPECT_TRUE(prepared({1}, cache)->cache().used);
    EXPECT_FALSE(prepared({2}, cache)->cache().used);
    EXPECT_FALSE(prepared({1}, cache)->cache().used);  // the last one has written its own
    std::filesystem::remove(cache);
}

}  // namespace
}  // namespace flash::protocol
