// Runs the fuzz target over random and mutated inputs with a fixed seed, so that every build exercises it, also with a
// compiler that has no libFuzzer.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_frame
#include "../../fuzz/transport/frame_fuzz.cpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

class Inputs {
public:
    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
    std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

    Bytes random() {
        Bytes input(below(300));
        for (auto& value : input) value = byte();
        return input;
    }

    Bytes valid() {
        Bytes input{byte(), byte()};
        for (std::size_t count = below(6); count > 0; --count) {
            flash::transport::Message message{static_cast<flash::transport::MessageType>(1 + below(11)), byte(), byte(),
                                              Bytes(below(200))};
            for (auto& value : message.payload) value = byte();
            const auto header = flash::transport::encode_header(message);
            input.insert(input.end(), header.begin(), header.end());
            input.insert(input.end(), message.payload.begin(), message.payload.end());
        }
        return input;
    }

    void mutate(Bytes& input) {
        for (std::size_t count = 1 + below(4); count > 0 && !input.empty(); --count) {
            const std::size_t at = below(input.size());
            const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
            switch (below(5)) {
                case 0: input[at] = byte(); break;
                case 1: input[at] = static_cast<std::uint8_t>(input[at] ^ (1u << below(8))); break;
                case 2: input.erase(position, input.end()); break;
                case 3: input.insert(position, byte()); break;
                default: input.erase(position); break;
            }
        }
    }

private:
    std::mt19937_64 engine_{20240601};
};

TEST(FrameFuzz, RandomInputs) {
    Inputs inputs;
    for (int i = 0; i < 5'000; ++i) {
        const Bytes input = inputs.random();
        fuzz_frame(input.data(), input.size());
    }
}

TEST(FrameFuzz, ValidAndMutatedInputs) {
    Inputs inputs;
    for (int i = 0; i < 10'000; ++i) {
        Bytes input = inputs.valid();
        if (i < 20) flash::testing::offer_seed("frame", input);
        fuzz_frame(input.data(), input.size());
        inputs.mutate(input);
        fuzz_frame(input.data(), input.size());
    }
}

TEST(FrameFuzz, Seeds) { flash::testing::replay_seeds("frame", fuzz_frame); }

}  // namespace
