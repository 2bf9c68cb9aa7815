// The whole activation of one chunk of 4096 values on one core: share arithmetic, three encryptions, the response (what
// can be prepared ahead, and the rest), decryption. Rows Activation/<bits of T>/<part>/<instruction set>; ns_per_value
// is the fastest of all runs, bytes_per_value what both parties send.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>

#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "scheme/slots.h"

namespace flash::protocol {
namespace {

constexpr std::size_t kValues = scheme::kSlotDegree;
constexpr int kShareBits = 10;

Prng generator() { return Prng(SecretSeed::for_testing(1), "bench"); }

/// Both parties at one chunk. Every step can be repeated: the server's names of vectors count up.
class Activation {
public:
    Activation(int plain_bits, InstructionSet set)
        : set_(set),
          parameters_(scheme::slot_parameters_for_bits(plain_bits)),
          key_(parameters_, PublicSeed{}, rng_, set),
          shares_(kValues, 345),
          mask_(kValues, 123456),
          kappa_(kValues, -77),
          offset_(kValues, 99) {
        std::vector<std::uint8_t> public_key;
        key_.append_public_key(public_key);
        evaluator_ = std::make_unique<scheme::SlotEvaluator>(parameters_, PublicSeed{}, public_key, set);
        all();
    }

    void encrypt() {
        ++chunk_;
        server_vectors(shares_, kappa_, kShareBits, parameters_.plain_modulus, e_, set_);
        keys_.clear();
        for (std::uint32_t v = 0; v < kServerVectors; ++v) key_.encrypt({0, chunk_, v}, e_[v], rng_, keys_);
    }
    void prepare() {
        std::array<scheme::SlotVectorId, kServerVectors> ids;
        for (std::uint32_t v = 0; v < kServerVectors; ++v) ids[v] = {0, chunk_, v};
        prepared_ = evaluator_->prepare(ids, mask_, rng_);
    }
    /// Consumes what prepare() made.
    void respond() {
        const std::size_t size = keys_.size() / kServerVectors;
        std::array<scheme::SlotFactor, kServerVectors> factors;
        client_vectors(shares_, kShareBits, parameters_.plain_modulus, v_, addend_, set_);
        for (std::size_t v = 0; v < kServerVectors; ++v)
            factors[v] = {std::span<const std::uint8_t>(keys_).subspan(v * size, size), v_[v]};
        response_ = evaluator_->respond(std::move(prepared_), factors, addend_);
    }
    void decrypt() {
        key_.decrypt(response_, result_);
        finish_server_share(result_, shares_, kappa_, offset_, parameters_.plain_modulus, set_);
    }
    void all() {
        encrypt();
        prepare();
        respond();
        decrypt();
    }
    std::size_t bytes() const { return keys_.size() + response_.size(); }

private:
    InstructionSet set_;
    const scheme::SlotParameters& parameters_;
    Prng rng_ = generator();
    scheme::SlotSecretKey key_;
    std::unique_ptr<scheme::SlotEvaluator> evaluator_;
    std::uint32_t chunk_ = 0;
    std::vector<std::uint32_t> shares_, mask_;
    std::vector<std::int32_t> kappa_, offset_;
    std::array<SecretVector<std::uint32_t>, kServerVectors> e_, v_;
    SecretVector<std::uint32_t> addend_, result_ = SecretVector<std::uint32_t>(kValues);
    std::vector<std::uint8_t> keys_, response_;
    scheme::PreparedResponse prepared_;
};

const bool registered = [] {
    const auto add = [](int bits, InstructionSet set, const std::string& part, void (*timed)(Activation&),
                        void (*before)(Activation&)) {
        const std::string name = "Activation/" + std::to_string(bits) + "/" + part + "/" + std::string(to_string(set));
        benchmark::RegisterBenchmark(
            name.c_str(),
            [=](benchmark::State& state) {
                Activation activation(bits, set);
                double best = 1;
                for (auto _ : state) {
                    before(activation);
                    const auto begin = std::chrono::steady_clock::now();
                    timed(activation);
                    const double seconds =
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
                    state.SetIterationTime(seconds);
                    best = std::min(best, seconds);
                }
                state.counters["ns_per_value"] = best * 1e9 / kValues;
                state.counters["bytes_per_value"] = static_cast<double>(activation.bytes()) / kValues;
            })
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
    };
    const auto nothing = [](Activation&) {};
    for (int bits : {24, 27})
        for (InstructionSet set : supported_instruction_sets()) {
            if (set == InstructionSet::kAmx) continue;  // no sibling
            add(
                bits, set, "both", [](Activation& a) { a.all(); }, nothing);
            add(
                bits, set, "server_encrypt", [](Activation& a) { a.encrypt(); }, nothing);
            add(
                bits, set, "server_decrypt", [](Activation& a) { a.decrypt(); }, nothing);
            add(
                bits, set, "client_prepare", [](Activation& a) { a.prepare(); }, nothing);
            add(
                bits, set, "client_respond", [](Activation& a) { a.respond(); }, [](Activation& a) { a.prepare(); });
        }
    return true;
}();

}  // namespace
}  // namespace flash::protocol
