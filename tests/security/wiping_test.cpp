// After an inference the process holds no secret of it any more. The test scans its own writable memory for byte
// strings that it derives from the seeds: during the run they must be there (which shows that the scan works),
// afterwards not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "lattice/sampling.h"
#include "protocol/activation_keys.h"
#include "protocol/upload_producer.h"
#include "support/private_run.h"
#include "support/random_model.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLASH_SANITIZED 1
#endif

namespace flash {
namespace {

/// A byte string kept only in inverted form, so that the scan does not find the needle itself.
class Needle {
public:
    template <class Range>
    explicit Needle(const Range& range) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(range.data());
        for (std::size_t i = 0; i < 48; ++i) inverted_.push_back(static_cast<std::uint8_t>(~bytes[i]));
    }
    std::size_t count(std::span<const std::uint8_t> memory) const {
        std::size_t found = 0;
        auto at = memory.begin();
        const auto equal = [](std::uint8_t a, std::uint8_t b) { return a == static_cast<std::uint8_t>(~b); };
        while ((at = std::search(at, memory.end(), inverted_.begin(), inverted_.end(), equal)) != memory.end()) {
            ++found;
            ++at;
        }
        return found;
    }

private:
    std::vector<std::uint8_t> inverted_;
};

/// Occurrences in all writable memory of this process (heap, stacks, globals), read through the kernel.
std::size_t scan(const Needle& needle) {
    std::size_t found = 0;
    const int memory = ::open("/proc/self/mem", O_RDONLY);
    std::ifstream maps("/proc/self/maps");
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t begin = 0, end = 0;
        char mode[5] = {};
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, mode) == 3 && mode[0] == 'r' &&
            mode[1] == 'w')
            ranges.emplace_back(begin, end);
    }
    // One static buffer that is cleared after each use: it must not become a place where the secret is found.
    static std::vector<std::uint8_t> buffer(std::size_t{1} << 22);
    const auto own_begin = reinterpret_cast<std::uint64_t>(buffer.data()), own_end = own_begin + buffer.size();
    for (auto [begin, end] : ranges)
        for (std::uint64_t at = begin; at < end; at += buffer.size() - 64) {
            const std::uint64_t size = std::min<std::uint64_t>(buffer.size(), end - at);
            if (at < own_end &&
                at + size > own_begin) {  // the mapping that holds the buffer: look at what lies around it
                if (at < own_begin) {
                    const ssize_t got = ::pread(memory, buffer.data(), own_begin - at, static_cast<off_t>(at));
                    if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
                }
                if (at + size > own_end) {
                    const ssize_t got =
                        ::pread(memory, buffer.data(), at + size - own_end, static_cast<off_t>(own_end));
                    if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
                }
            } else {
                const ssize_t got = ::pread(memory, buffer.data(), size, static_cast<off_t>(at));
                if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
            }
            std::fill(buffer.begin(), buffer.end(), std::uint8_t{0});
        }
    ::close(memory);
    return found;
}

constexpr std::uint64_t kClientSeed = 0x5eed0001c0ffee01, kServerSeed = 0x5eed0002c0ffee02;

Needle client_share_needle(const model::Architecture& architecture) {
    // The client's share of the first activation.
    SecretVector<std::uint32_t> share(16);
    protocol::activation_share(StreamKey(SecretSeed::for_testing(kClientSeed), protocol::kActivationShareDomain), 0, 0,
                               architecture.single_modulus(), share);
    return Needle(share);
}

Needle server_share_needle(const protocol::PreparedModel& model) {
    // Those of the first result polynomial, as activation_keys.cpp derives them.
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
#ifdef FLASH_SANITIZED
    GTEST_SKIP() << "sanitizers keep freed memory in quarantine and map terabytes of shadow memory; the plain build "
                    "runs this test";
#endif
    const protocol::PreparedModel model(
        flash::testing::single_convolution({3, 20, 20}, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 33));
    const Needle client_share = client_share_needle(model.architecture()), server_share = server_share_needle(model),
                 mask = mask_needle();
    EXPECT_EQ(scan(client_share), 0u);
    EXPECT_EQ(scan(server_share), 0u);

    std::atomic<std::size_t> client_during{0}, server_during{0};
    transport::LoopbackOptions options;
    options.first_to_second = [&](transport::Message m) {
        // While it uploads its share of the first activation the client holds it; when it answers the first activation
        // the server holds its pre-activations.
        if (m.type == transport::MessageType::kUpload && m.layer == 1 && m.index == 0)
            client_during = scan(client_share);
        if (m.type == transport::MessageType::kProductResponse && m.layer == 0 && m.index == 0)
            server_during = scan(server_share);
        return std::optional<transport::Message>(std::move(m));
    };
    const auto input = flash::testing::random_input(model.architecture(), 2);
    flash::testing::run_without_audit(model, input, kClientSeed, kServerSeed, std::move(options));

    EXPECT_GT(client_during.load(), 0u) << "the scan must find a living secret, else it shows nothing";
    EXPECT_GT(server_during.load(), 0u) << "the scan must find a living secret, else it shows nothing";
    EXPECT_EQ(scan(client_share), 0u) << "the client's share outlived the inference";
    EXPECT_EQ(scan(server_share), 0u) << "the server's share outlived the inference";
    EXPECT_EQ(scan(mask), 0u) << "the server's mask outlived the inference";
}

}  // namespace
}  // namespace flash
