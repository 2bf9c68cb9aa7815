// After an inference the process holds no secret of it any more. The test scans its own writable memory for byte
// strings that it derives from the seeds: during the run they must be there (which shows that the scan works),
// afterwards not.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "protocol/linear/result_mask.h"
#include "protocol/message_types.h"
#include "support/memory_scan.h"
#include "support/private_run.h"
#include "support/random_model.h"
#include "support/sanitized.h"

namespace flash {
namespace {

constexpr std::uint64_t kClientSeed = 0x5eed0001c0ffee01, kServerSeed = 0x5eed0002c0ffee02;

/// The client's share of the first activation, as an inference with the same seeds has it.
Needle client_share_needle(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input) {
    struct Recorder : protocol::ShareProbe {
        SecretVector<std::uint32_t> share;
        void pre_activation(int, std::span<const std::uint32_t>) override {}
        void value(int value, std::span<const std::uint32_t> all) override {
            if (value != 1) return;
            share = SecretVector<std::uint32_t>(16);
            std::ranges::copy(all.first(share.size()), share.begin());
        }
    };
    Recorder client, server;
    flash::testing::run_with_probes(model, input, client, server, kClientSeed, kServerSeed);
    return Needle(client.share);
}

Needle server_share_needle(const protocol::PreparedModel& model) {
    // Those of the first result polynomial, as result_mask.cpp derives them.
    const packing::LinearPlan& linear = model.plan().layers[0];
    const model::Layer& layer = model.architecture().layers[0];
    SecretVector<std::uint32_t> rho(packing::result_count(linear, layer.output, 0)),
        shares(static_cast<std::size_t>(layer.output.size()));
    protocol::result_mask(StreamKey(SecretSeed::for_testing(kServerSeed), protocol::kResultMaskDomain), 0, 0, rho);
    protocol::store_server_shares(packing::result_runs(linear, layer.output, 0), rho, layer.share_bits, shares);
    return Needle(shares);
}

Needle mask_needle() {
    SecretVector<std::uint32_t> rho(64);
    protocol::result_mask(StreamKey(SecretSeed::for_testing(kServerSeed), protocol::kResultMaskDomain), 0, 0, rho);
    return Needle(rho);
}

TEST(Wiping, NoSecretOfAnInferenceOutlivesIt) {
    if (flash::testing::kSanitized)
        GTEST_SKIP() << "sanitizers keep freed memory in quarantine and map terabytes of shadow memory; the plain "
                        "build runs this test";
    const protocol::PreparedModel model(
        flash::testing::single_convolution({3, 20, 20}, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 33));
    const auto input = flash::testing::random_input(model.architecture(), 2);
    const Needle client_share = client_share_needle(model, input), server_share = server_share_needle(model),
                 mask = mask_needle();
    EXPECT_EQ(scan(client_share), 0u);
    EXPECT_EQ(scan(server_share), 0u);

    std::atomic<std::size_t> client_during{0}, server_during{0};
    transport::LoopbackOptions options;
    options.first_to_second = [&](transport::Message m) {
        // While it uploads its share of the first activation the client holds it; when it answers the first activation
        // the server holds its pre-activations.
        if (m.type == protocol::message_type::kUpload && m.layer == 1 && m.index == 0)
            client_during = scan(client_share);
        if (m.type == protocol::message_type::kProductResponse && m.layer == 0 && m.index == 0)
            server_during = scan(server_share);
        return std::optional<transport::Message>(std::move(m));
    };
    flash::testing::run_without_audit(model, input, kClientSeed, kServerSeed, std::move(options));

    EXPECT_GT(client_during.load(), 0u) << "the scan must find a living secret, else it shows nothing";
    EXPECT_GT(server_during.load(), 0u) << "the scan must find a living secret, else it shows nothing";
    EXPECT_EQ(scan(client_share), 0u) << "the client's share outlived the inference";
    EXPECT_EQ(scan(server_share), 0u) << "the server's share outlived the inference";
    EXPECT_EQ(scan(mask), 0u) << "the server's mask outlived the inference";
}

}  // namespace
}  // namespace flash
