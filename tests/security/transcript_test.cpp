// What each party sees must look uniform, whatever the input and whatever the weights. Every transcript part is
// collected over many runs and compared with the uniform distribution; so is the difference of the same message in two
// runs with the same input. The masks themselves are compared between inferences, layers and polynomials through a
// probe. Controls show that these tests can fail. What a transcript cannot show by its distribution is in
// tests/scheme/composite_test.cpp and tests/protocol/activation/composite/composite_activation_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "lattice/bitpack.h"
#include "protocol/activation/composite/composite_activation.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "support/private_run.h"
#include "support/random_model.h"
#include "support/statistics.h"

namespace flash {
namespace {

using flash::testing::kUniformScore;
using flash::testing::Uniformity;
using transport::Message;

struct Transcript {
    std::vector<Message> from_client, from_server;
};

Transcript record(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input) {
    Transcript transcript;
    transport::LoopbackOptions options;
    options.first_to_second = [&](Message m) {
        transcript.from_client.push_back(m);
        return std::optional<Message>(std::move(m));
    };
    options.second_to_first = [&](Message m) {
        transcript.from_server.push_back(m);
        return std::optional<Message>(std::move(m));
    };
    flash::testing::run_without_audit(model, input, 0, 0, std::move(options));
    // The server vectors come from a thread of their own: bring both transcripts into one order to compare runs.
    const auto order = [](const Message& a, const Message& b) {
        return std::tie(a.type, a.layer, a.index) < std::tie(b.type, b.layer, b.index);
    };
    std::stable_sort(transcript.from_client.begin(), transcript.from_client.end(), order);
    std::stable_sort(transcript.from_server.begin(), transcript.from_server.end(), order);
    return transcript;
}

/// The integers of a message that must be uniform: values with their bits (bits > 0) or their modulus (bits = 0).
struct Values {
    std::string part;
    std::vector<std::uint64_t> values;
    int bits = 0;
    std::uint64_t modulus = 0;
};

std::vector<std::uint64_t> unpacked(std::span<const std::uint8_t> bytes, int bits, std::size_t count) {
    std::vector<std::uint64_t> values(count);
    lattice::unpack(bytes, bits, std::span<std::uint64_t>(values));
    return values;
}

std::vector<Values> uniform_parts(const Message& message, const protocol::PreparedModel& model) {
    const model::Architecture& architecture = model.architecture();
    const std::span<const std::uint8_t> payload = message.payload;
    const scheme::CompositeRing& ring = *dynamic_cast<const protocol::CompositeActivation&>(model.activation()).ring();
    // Residues of a polynomial mod one modulus, from the front of bytes.
    const auto take = [&](const scheme::CompositeRing::Part& part, std::span<const std::uint8_t>& bytes,
                          const std::string& name) {
        const std::size_t size = part.packed_bytes();
        Values values{name, unpacked(bytes.first(size), part.modulus().bits(), ring.degree()), 0,
                      part.modulus().value()};
        bytes = bytes.subspan(size);
        return values;
    };
    const auto take_ciphertext = [&](std::span<const std::uint8_t>& bytes, const std::string& name,
                                     std::vector<Values>& out) {
        for (std::size_t i = 0; i < ring.parts(); ++i) out.push_back(take(ring.part(i), bytes, name));
    };
    if (message.type == protocol::message_type::kStart) {
        std::vector<Values> out;
        std::span<const std::uint8_t> rest = payload;
        if (model.plan().has_levels()) rest = rest.subspan(sizeof(PublicSeed));
        for (const packing::KeyName& key : model.plan().keys()) {
            const scheme::DirectRing& direct = scheme::direct_ring(key.degree);
            const std::size_t size = protocol::public_key_bytes(direct);
            out.push_back({"client public key", unpacked(rest.first(size), direct.modulus_bits, key.degree),
                           direct.modulus_bits, 0});
            rest = rest.subspan(size);
        }
        return out;
    }
    if (message.type == protocol::message_type::kUpload) {
        const packing::Plan& plan = model.plan();
        int index = static_cast<int>(message.index);
        for (int id : plan.layers[message.layer].uploads) {
            const packing::Stream& stream = plan.streams[static_cast<std::size_t>(id)];
            if (index < stream.polynomials())
                return {{"upload", unpacked(payload, stream.upload_bits, stream.sent_coefficients()),
                         stream.upload_bits, 0}};
            index -= stream.polynomials();
        }
        return {};
    }
    if (message.type == protocol::message_type::kStartReply) {
        std::vector<Values> out;
        std::span<const std::uint8_t> rest = payload.subspan(sizeof(PublicSeed));
        take_ciphertext(rest, "server public key", out);
        return out;
    }
    if (message.type == protocol::message_type::kServerVectors) {
        std::vector<Values> out;
        std::span<const std::uint8_t> rest = payload;
        while (!rest.empty()) take_ciphertext(rest, "server vectors", out);
        return out;
    }
    if (message.type == protocol::message_type::kLinearResponse) {
        const int m = architecture.layers[message.layer].share_bits;
        const int a_bits = protocol::response_a_bits(m), b_bits = protocol::response_b_bits(m);
        const std::size_t n = model.plan().layers[message.layer].degree();
        const std::size_t a_bytes = lattice::packed_bytes(n, a_bits);
        const std::size_t results = (payload.size() - a_bytes) * 8 / static_cast<std::size_t>(b_bits);
        return {
            {"linear response a", unpacked(payload.first(a_bytes), a_bits, n), a_bits, 0},
            {"linear response b",
             unpacked(payload.subspan(a_bytes, lattice::packed_bytes(results, b_bits)), b_bits, results), b_bits, 0}};
    }
    if (message.type == protocol::message_type::kProductResponse) {
        std::vector<Values> out;
        std::span<const std::uint8_t> rest = payload;
        for (std::size_t i = 0; i < ring.answers(); ++i) out.push_back(take(ring.answer(i), rest, "answer"));
        for (std::size_t g = 0; g < ring.groups(); ++g) out.push_back(take(ring.part(g), rest, "answer"));
        return out;
    }
    return {};
}

void add(std::map<std::string, Uniformity>& statistics, const Values& values,
         const std::vector<std::uint64_t>* other = nullptr) {
    Uniformity& u = statistics[values.part];
    for (std::size_t i = 0; i < values.values.size(); ++i) {
        std::uint64_t v = values.values[i];
        if (values.bits) {
            if (other) v = (v - (*other)[i]) & ((std::uint64_t{1} << values.bits) - 1);
            u.add(v, values.bits);
        } else {
            if (other) v = v >= (*other)[i] ? v - (*other)[i] : v + values.modulus - (*other)[i];
            u.add_residue(v, values.modulus);
        }
    }
}

void expect_uniform(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input, int runs) {
    std::map<std::string, Uniformity> single, difference;
    Transcript previous;
    for (int run = 0; run < runs; ++run) {
        Transcript transcript = record(model, input);
        for (const auto member : {&Transcript::from_client, &Transcript::from_server}) {
            for (std::size_t i = 0; i < (transcript.*member).size(); ++i) {
                const auto parts = uniform_parts((transcript.*member)[i], model);
                std::vector<Values> before;
                if (run > 0) before = uniform_parts((previous.*member).at(i), model);
                for (std::size_t p = 0; p < parts.size(); ++p) {
                    add(single, parts[p]);
                    if (run > 0) add(difference, parts[p], &before[p].values);
                }
            }
        }
        previous = std::move(transcript);
    }
    for (const char* part : {"client public key", "upload", "server public key", "server vectors", "linear response a",
                             "linear response b", "answer"}) {
        ASSERT_GT(single[part].count(), 1000u) << part;
        EXPECT_LT(single[part].score(), kUniformScore) << part;
        EXPECT_LT(difference[part].score(), kUniformScore) << part << ", difference of runs";
    }
}

model::Model model_for_transcripts() {
    return flash::testing::single_convolution({3, 24, 24}, 6, {3, 3, 1, 1, 1, 1, 1, 1}, 21);
}

/// The same with its last layer, or all, in the small ring.
model::Model model_for_transcripts(bool all_small) {
    model::Model model = model_for_transcripts();
    model.architecture.trust_server = true;
    flash::testing::use_ring(model, 1024);
    model.architecture.trust_server = all_small;  // where keys have levels, the picture's ring is the large one
    if (!all_small) model.architecture.layers.front().packing.degree = 2048;
    return model;
}

TEST(Transcript, UniformInTheSmallRing) {
    for (bool all_small : {true, false})
        for (std::int32_t value : {0, 1}) {
            SCOPED_TRACE(all_small);
            const protocol::PreparedModel model(model_for_transcripts(all_small));
            const std::vector<std::int32_t> input(static_cast<std::size_t>(model.architecture().input.size()),
                                                  value * model.architecture().input_limit);
            expect_uniform(model, input, 12);
        }
}

TEST(Transcript, UniformForRandomInput) {
    const protocol::PreparedModel model(model_for_transcripts());
    expect_uniform(model, flash::testing::random_input(model.architecture(), 1), 12);
}

TEST(Transcript, UniformForAllZeroInput) {
    const protocol::PreparedModel model(model_for_transcripts());
    expect_uniform(model, std::vector<std::int32_t>(static_cast<std::size_t>(model.architecture().input.size()), 0),
                   12);
}

TEST(Transcript, UniformForMaximalInput) {
    const protocol::PreparedModel model(model_for_transcripts());
    expect_uniform(model,
                   std::vector<std::int32_t>(static_cast<std::size_t>(model.architecture().input.size()),
                                             model.architecture().input_limit),
                   12);
}

TEST(Transcript, UniformForAllZeroWeights) {
    model::Model zero = model_for_transcripts();
    for (auto& layer : zero.weights.layers) {
        for (auto& term : layer.terms) std::fill(term.weights.begin(), term.weights.end(), std::int8_t{0});
        std::fill(layer.bias.begin(), layer.bias.end(), 0);
        std::fill(layer.kappa.begin(), layer.kappa.end(), 0);
        std::fill(layer.offset.begin(), layer.offset.end(), 0);
    }
    const protocol::PreparedModel model(std::move(zero));
    expect_uniform(model, std::vector<std::int32_t>(static_cast<std::size_t>(model.architecture().input.size()), 0),
                   12);
}

/// Each party's shares alone are uniform: the client's and the server's pre-activations mod 2^m and values mod T.
TEST(Transcript, SharesOfEachPartyAreUniform) {
    const protocol::PreparedModel model(model_for_transcripts());
    struct Recorder : protocol::ShareProbe {
        Uniformity shares, values;
        int bits = 0;
        std::vector<std::uint32_t> moduli;  ///< of the channels
        void pre_activation(int layer, std::span<const std::uint32_t> share) override {
            if (layer == 0)
                for (std::uint32_t v : share) shares.add(v, bits);
        }
        void value(int value, std::span<const std::uint32_t> share) override {
            if (value == 1)
                for (std::size_t i = 0; i < share.size(); ++i)
                    values.add_residue(share[i], moduli[i * moduli.size() / share.size()]);
        }
    };
    Recorder client, server;
    client.bits = server.bits = model.architecture().layers[0].share_bits;
    client.moduli = server.moduli = model.architecture().channel_moduli(1);
    const std::vector<std::int32_t> input(static_cast<std::size_t>(model.architecture().input.size()), 0);
    for (int run = 0; run < 12; ++run) flash::testing::run_with_probes(model, input, client, server);
    for (const Recorder* party : {&client, &server}) {
        EXPECT_GT(party->shares.count(), 40'000u);
        EXPECT_LT(party->shares.score(), kUniformScore);
        EXPECT_LT(party->values.score(), kUniformScore);
    }
}

/// Keeps every share of the pre-activations.
struct ShareCollector : protocol::ShareProbe {
    std::map<int, std::vector<std::uint32_t>> shares;
    void pre_activation(int layer, std::span<const std::uint32_t> share) override {
        shares[layer].assign(share.begin(), share.end());
    }
    void value(int, std::span<const std::uint32_t>) override {}
};

double score_of_difference(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b, int bits) {
    Uniformity difference;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        difference.add((a[i] - b[i]) & ((1u << bits) - 1), bits);
    return difference.score();
}

/// The server's shares are truncations of its masks: a mask used again for another inference, layer or polynomial would
/// show as a difference that is not uniform.
TEST(Transcript, MasksDifferBetweenInferencesLayersAndPolynomials) {
    const protocol::PreparedModel model(
        flash::testing::single_convolution({3, 40, 40}, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 22));
    const std::vector<std::int32_t> input(static_cast<std::size_t>(model.architecture().input.size()), 1);
    const int bits = model.architecture().layers[0].share_bits;
    ShareCollector first, second, client;
    flash::testing::run_with_probes(model, input, client, first);
    flash::testing::run_with_probes(model, input, client, second);
    EXPECT_LT(score_of_difference(first.shares[0], second.shares[0], bits), kUniformScore) << "between inferences";
    const std::span<const std::uint32_t> shares = first.shares[0];
    const std::size_t map = 40 * 40;  // a polynomial carries one map of this size
    ASSERT_EQ(model.plan().layers[0].polynomials(), 8);
    for (std::size_t channel = 1; channel < 8; ++channel)
        EXPECT_LT(score_of_difference(shares.first(map), shares.subspan(channel * map, map), bits), kUniformScore)
            << "between polynomials";
    std::vector<std::uint32_t> other(first.shares[1].begin(), first.shares[1].end());  // m = 16: compare the top bits
    for (auto& v : other) v >>= 16 - bits;
    EXPECT_LT(score_of_difference(shares, other, bits), kUniformScore) << "between layers";
    // The control: the same mask seed in two inferences, everything else fresh.
    ShareCollector a, b;
    flash::testing::run_with_probes(model, input, client, a, 0, 99);
    flash::testing::run_with_probes(model, input, client, b, 0, 99);
    EXPECT_GT(score_of_difference(a.shares[0], b.shares[0], bits), kUniformScore);
}

TEST(TranscriptControl, BiasedValuesAreFound) {
    Prng rng(SecretSeed::for_testing(1), "control");
    Uniformity uniform, unmasked, short_mask;
    for (int i = 0; i < 50'000; ++i) {
        const std::uint32_t v = rng.u32();
        uniform.add(v, 32);
        unmasked.add((v % 1000) << 20, 32);            // a small value scaled up, with no mask
        short_mask.add((v & 0x7fffffff) + 12345, 32);  // a mask one bit too short
    }
    EXPECT_LT(uniform.score(), kUniformScore);
    EXPECT_GT(unmasked.score(), kUniformScore);
    EXPECT_GT(short_mask.score(), kUniformScore);
}

}  // namespace
}  // namespace flash
