// libFuzzer entry point for the messages of the activation, in a small ring with the same arithmetic: the first byte
// says which message the rest is. The set-up and the vectors are read as a client reads them, answers as a server does.
// What is accepted must be exactly as long as it should be, and give values below their moduli.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/error.h"
#include "protocol/activation/composite/setup.h"
#include "scheme/composite.h"

namespace {

using namespace flash;

/// One party of each kind, on fixed seeds.
struct ActivationFuzzParties {
    static constexpr int kProducts = 2;
    const std::shared_ptr<const scheme::CompositeRing> ring = scheme::CompositeRing::insecure_for_testing(
        {.degree = 64, .residues = 2, .plain_bits = 12, .rank = kProducts, .delta_bits = 50, .answer_bits = 52});
    const scheme::CompositeSeeds seeds{{1}, {2}};
    Prng key_rng{SecretSeed::for_testing(1), "fuzz"};
    const scheme::CompositeSecretKey key{ring, seeds, key_rng};
    const std::vector<std::uint8_t> public_key = [this] {
        std::vector<std::uint8_t> bytes;
        key.append_public_key(bytes);
        return bytes;
    }();
    const scheme::CompositeEvaluator evaluator{ring, seeds, public_key};
    const std::vector<std::uint32_t> own = std::vector<std::uint32_t>(ring->values(), 5);

    void expect_below_moduli(std::span<const std::uint32_t> share) const {
        for (std::size_t i = 0; i < share.size(); ++i)
            if (share[i] >= ring->plain_moduli()[i / ring->degree()]) std::abort();
    }
};

void read_setup(const ActivationFuzzParties& parties, std::span<const std::uint8_t> bytes) {
    const protocol::CompositeSetup setup = protocol::decode_setup(bytes, *parties.ring);
    if (bytes.size() != protocol::setup_bytes(*parties.ring)) std::abort();
    const scheme::CompositeEvaluator evaluator(parties.ring, {{1}, setup.server_seed}, setup.public_key);
    if (protocol::encode(setup) != std::vector<std::uint8_t>(bytes.begin(), bytes.end())) std::abort();
}

void read_vectors(const ActivationFuzzParties& parties, std::span<const std::uint8_t> bytes) {
    Prng rng(SecretSeed::for_testing(2), "fuzz");
    const scheme::CompositeVectorId ids[] = {{0, 0}, {0, 1}};
    scheme::PreparedAnswer prepared = parties.evaluator.prepare(ids, rng);
    const std::size_t half = bytes.size() / 2;
    const scheme::CompositeFactor factors[] = {{bytes.first(half), parties.own}, {bytes.subspan(half), parties.own}};
    std::vector<std::uint32_t> share(parties.ring->values());
    const auto answer = parties.evaluator.answer(std::move(prepared), factors, share);
    if (bytes.size() != 2 * parties.ring->ciphertext_bytes() || answer.size() != parties.ring->answer_bytes())
        std::abort();
    parties.expect_below_moduli(share);
    // The answer is the same whatever the vectors are.
    static const std::vector<std::uint8_t> first = answer;
    if (answer != first) std::abort();
}

void read_answer(const ActivationFuzzParties& parties, std::span<const std::uint8_t> bytes) {
    std::vector<std::uint32_t> share(parties.ring->values());
    parties.key.decrypt(bytes, share);
    if (bytes.size() != parties.ring->answer_bytes()) std::abort();
    parties.expect_below_moduli(share);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const ActivationFuzzParties parties;
    if (size == 0) return 0;
    const std::span<const std::uint8_t> bytes(data + 1, size - 1);
    try {
        switch (data[0] % 4) {
            case 0: read_setup(parties, bytes); break;
            case 1: read_vectors(parties, bytes); break;
            case 2: read_answer(parties, bytes); break;
            default: protocol::decode_nonce(bytes); break;
        }
    } catch (const flash::Error& error) {
        if (error.kind() != flash::ErrorKind::kProtocol) std::abort();
    }
    return 0;
}
