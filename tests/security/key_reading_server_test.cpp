// Servers that would read the client's key, against the unmodified client: where one key serves all depths, or where a
// client sends both halves of an answer, they succeed (the controls, which show that the tests look where there is
// something to be found); against what the client really does they learn nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lattice/words.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/linear/key_set.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "scheme/direct.h"
#include "support/key_reading.h"
#include "support/played_server.h"
#include "support/random_model.h"

namespace flash {
namespace {

using flash::testing::Bytes;
using flash::testing::picture_of;
using flash::testing::PlayedRun;
using flash::testing::PlayedServer;
using protocol::ClientModel;
using transport::Message;
namespace message_type = protocol::message_type;

constexpr int kShareBits = 9;
constexpr std::size_t kDegree = 2048;

/// Two layers whose results and uploads fill one polynomial of the large ring each, coefficient by coefficient.
ClientModel model_to_read(bool one_key) {
    model::Architecture a;
    a.name = "read";
    a.slots = {8192, 2};
    a.trust_server = one_key;
    a.plain_bits = 24;
    a.input = {2, 32, 32};
    a.input_scale = a.output_scale = 1;
    a.input_limit = 500;
    a.preprocessing = {0, 32, 32, {0, 0}, {1, 1}};
    for (int l = 0; l < 3; ++l) {
        model::Layer layer;
        layer.name = "layer" + std::to_string(l);
        layer.terms.resize(1);
        layer.terms[0].source = l;
        layer.activation = l < 2;
        layer.output = a.input;
        layer.share_bits = layer.activation ? kShareBits : 16;
        layer.upload_bits = 20;
        layer.packing.channels_per_input = l == 1 ? 2 : 1;
        a.layers.push_back(layer);
    }
    model::validate(a);
    return {a, Sha256{1}};
}

/// Knows its own key, so it learns its share of every answer.
class KeyedServer : public PlayedServer {
public:
    explicit KeyedServer(const ClientModel& known) : PlayedServer(known) {}
    Bytes setup(const Message& start) override {
        protocol::CompositeSetup sent{PublicSeed{3}, {}};
        Prng rng(SecretSeed::for_testing(99), "cheating server's key");
        key_ = std::make_unique<scheme::CompositeSecretKey>(
            composite().ring(), scheme::CompositeSeeds{flash::testing::activation_nonce(start), sent.server_seed}, rng);
        key_->append_public_key(sent.public_key);
        return protocol::encode(sent);
    }
    /// The three factors of every slot, which may be anything.
    virtual std::array<std::int64_t, 3> factors(std::int64_t modulus) const = 0;
    Bytes vectors(int, std::size_t number) override {
        Bytes out;
        for (std::uint32_t v = 0; v < 3; ++v) {
            std::vector<std::uint32_t> slots;
            for (const std::uint32_t t : ring().plain_moduli()) {
                const std::int64_t modulus = t, factor = factors(modulus)[v] % modulus;
                slots.insert(slots.end(), ring().degree(), static_cast<std::uint32_t>((factor + modulus) % modulus));
            }
            Prng rng(SecretSeed::for_testing(98), "cheating server's vectors", {number, v});
            key_->encrypt({static_cast<std::uint32_t>(number), v}, slots, rng, out);
        }
        return out;
    }
    /// Its share of the first layer's activations.
    std::vector<std::uint32_t> share_of(const PlayedRun& run) const {
        std::vector<std::uint32_t> half(ring().values()), share(2 * 32 * 32);
        key_->decrypt(run.of(message_type::kProductResponse).at(0)->payload, half);
        for (const protocol::SlotLayout::Piece& piece : composite().layout().pieces(0, 0))
            composite().layout().scatter<std::uint32_t>(
                0, piece, composite().slots_of(piece, std::span<const std::uint32_t>(half)), share);
        return share;
    }

private:
    std::unique_ptr<scheme::CompositeSecretKey> key_;
};

std::vector<int> key_of(const ClientModel& known, const packing::KeyName& name, std::uint64_t client_seed) {
    const scheme::PublicPolynomials& publics = known.publics->polynomials;
    scheme::PublicTransforms transforms(publics, 0);
    const SecretSeed seed = SecretSeed::for_testing(client_seed);
    const protocol::ClientKey key = known.plan.has_levels()
                                        ? protocol::ClientKey(publics, transforms, name, seed, PublicSeed{})
                                        : protocol::ClientKey(publics, transforms, name, seed);
    return flash::testing::coefficients_of(key.secret);
}

/// How well a guess of a key's coefficients agrees with it.
struct Agreement {
    double z = 0;      ///< of their product: standard normal where they have nothing to do with each other
    double right = 0;  ///< part of the coefficients
};
Agreement agreement(const std::vector<int>& guess, const std::vector<int>& key) {
    double sum = 0, squares = 0, right = 0;
    for (std::size_t i = 0; i < key.size(); ++i) {
        sum += guess[i] * key[i];
        squares += guess[i] * guess[i];
        right += guess[i] == key[i];
    }
    return {sum / std::sqrt(squares * 2 / 3), right / static_cast<double>(key.size())};
}

/// The first layer's results become a known function of the public `a` of the next layer's upload times the key: what
/// the client then uploads is that product's mask and the product itself, if both are under one key.
class KnownPublicPolynomial : public KeyedServer {
public:
    using KeyedServer::KeyedServer;
    Bytes linear_response(int layer, int polynomial) override {
        if (layer != 0) return KeyedServer::linear_response(layer, polynomial);
        std::vector<std::uint32_t> a(kDegree);
        known().publics->polynomials.upload({static_cast<std::uint32_t>(known().plan.layers[1].term_streams[0]), 0}, a);
        a[0] += std::uint32_t{1} << 30;
        return flash::testing::packed_response(known(), 0, 0, a, std::vector<std::uint32_t>(kDegree));
    }
    /// A^2 and these make (A - c)^2 + gain U plus a constant, c the middle of the half in which U lies.
    std::array<std::int64_t, 3> factors(std::int64_t modulus) const override {
        const std::int64_t c0 = centre(0), c1 = centre(1);
        return {gain(modulus) - 2 * c1, c0 * c0 - c1 * c1, 2 * c1 - 2 * c0};
    }
    std::vector<int> read(const PlayedRun& run) const {
        const std::vector<std::uint32_t> moduli = known().architecture.channel_moduli(1);
        std::vector<std::uint32_t> share = share_of(run), phase(kDegree), words(kDegree);
        for (std::size_t i = 0; i < share.size(); ++i) {
            const std::int64_t t = moduli[i / 1024];
            const std::int64_t constant =
                centre(1) * centre(1) + gain(t) * ((1 << kShareBits) + (1 << (kShareBits - 2)));
            words[i] = scheme::scale_up(static_cast<std::uint32_t>((share[i] + constant) % t), moduli[i / 1024]);
        }
        const packing::Stream& stream =
            known().plan.streams[static_cast<std::size_t>(known().plan.layers[1].term_streams[0])];
        for (const Message* message : run.of(message_type::kUpload))
            if (message->layer == 1) protocol::decode_upload(message->payload, stream, phase);
        std::vector<int> guess(kDegree);
        for (std::size_t i = 0; i < kDegree; ++i) {
            const std::uint32_t quarter = (phase[i] + words[i] + (1u << 29) - (1u << 26)) >> 30;
            guess[i] = quarter == 3 ? -1 : static_cast<int>(quarter);
        }
        return guess;
    }

private:
    static std::int64_t centre(int half) { return half * (1 << (kShareBits - 1)) - (1 << kShareBits); }
    static std::int64_t gain(std::int64_t modulus) { return (modulus + (1 << (kShareBits - 1))) >> kShareBits; }
};

/// That results and uploads of the model lie as the attack wants them.
void expect_aligned(const ClientModel& known) {
    std::vector<std::uint32_t> elements(kDegree), packed(kDegree);
    for (std::size_t i = 0; i < kDegree; ++i) elements[i] = static_cast<std::uint32_t>(i);
    const packing::Stream& stream = known.plan.streams[static_cast<std::size_t>(known.plan.layers[1].term_streams[0])];
    ASSERT_EQ(stream.polynomials(), 1);
    ASSERT_EQ(stream.sent_coefficients(), kDegree);
    packing::pack(stream, 0, elements, packed);
    ASSERT_EQ(packed, elements);
    for (const packing::ResultRun& run :
         packing::result_runs(known.plan.layers[0], known.architecture.layers[0].output, 0))
        ASSERT_EQ(run.element, run.position);
}

TEST(KeyReadingServer, AnUploadUnderItsOwnKeyTellsNothingOfAResponse) {
    const ClientModel known = model_to_read(false);
    ASSERT_NO_FATAL_FAILURE(expect_aligned(known));
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        KnownPublicPolynomial server(known);
        const PlayedRun run = flash::testing::play(server, picture_of(known, 7), seed);
        ASSERT_EQ(run.error, "");
        for (const packing::KeyName& name : known.plan.keys()) {
            const Agreement found = agreement(server.read(run), key_of(known, name, seed));
            EXPECT_LT(std::abs(found.z), 5) << "key of depth " << name.depth;
            EXPECT_LT(found.right, 0.4);
        }
    }
}

/// The control: with one key for all depths, the same messages give nearly every coefficient of it.
TEST(KeyReadingServer, ControlOneKeyForAllDepthsIsRead) {
    const ClientModel known = model_to_read(true);
    ASSERT_NO_FATAL_FAILURE(expect_aligned(known));
    KnownPublicPolynomial server(known);
    const PlayedRun run = flash::testing::play(server, picture_of(known, 7), 1);
    ASSERT_EQ(run.error, "");
    const Agreement found = agreement(server.read(run), key_of(known, known.plan.keys().at(0), 1));
    EXPECT_GT(found.z, 30);
    EXPECT_GT(found.right, 0.95);
}

/// The client's shares U_c are made the coefficients of its key, and the vectors so simple that an answer's plaintext
/// spells A: whoever has both halves of the answer, however rounded, has the key.
class SpellsShares : public KeyedServer {
public:
    using KeyedServer::KeyedServer;
    Bytes linear_response(int layer, int polynomial) override {
        if (layer != 0) return KeyedServer::linear_response(layer, polynomial);
        constexpr std::uint32_t kUnit = 1u << (32 - kShareBits);
        std::vector<std::uint32_t> a(kDegree), b(kDegree, kUnit + kUnit / 2);
        a[0] = kUnit;
        return flash::testing::packed_response(known(), 0, 0, a, b);  // U_c = s + 1
    }
    std::array<std::int64_t, 3> factors(std::int64_t) const override { return {1, 0, 0}; }
    /// From its own share of A^2 + A, and the client's where it has that.
    std::vector<int> read(const PlayedRun& run, const std::vector<std::uint32_t>& client) const {
        const std::vector<std::uint32_t> moduli = known().architecture.channel_moduli(1);
        const std::vector<std::uint32_t> share = share_of(run);
        std::vector<int> guess;
        for (std::size_t i = 0; i < kDegree; ++i) {
            const std::int64_t t = moduli[i / 1024], y = (std::int64_t{share[i]} + client[i]) % t;
            const auto distance = [&](int s) {
                const std::int64_t a = s + 1 - (1 << kShareBits) - (1 << (kShareBits - 2)), d = (y - a * a - a) % t;
                return std::min((d + t) % t, (t - d) % t);
            };
            guess.push_back(std::ranges::min({-1, 0, 1}, {}, distance));
        }
        return guess;
    }
};

/// What leaves the client with the other half of an answer: its share, which is that half rounded.
struct OtherHalf : protocol::ShareProbe {
    std::vector<std::uint32_t> first;
    void pre_activation(int, std::span<const std::uint32_t>) override {}
    void value(int value, std::span<const std::uint32_t> share) override {
        if (value == 1) first.assign(share.begin(), share.end());
    }
};

TEST(KeyReadingServer, OneHalfOfAnAnswerTellsNothing) {
    const ClientModel known = model_to_read(false);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SpellsShares server(known);
        OtherHalf half;
        const PlayedRun run = flash::testing::play(server, picture_of(known, 7), seed, &half);
        ASSERT_EQ(run.error, "");
        const std::vector<int> key = key_of(known, {1, kDegree}, seed);
        const Agreement found = agreement(server.read(run, std::vector<std::uint32_t>(kDegree)), key);
        EXPECT_LT(std::abs(found.z), 5);
        EXPECT_LT(found.right, 0.4);
        // The control: the same messages and the half that stays at the client.
        EXPECT_EQ(agreement(server.read(run, half.first), key).right, 1);
    }
}

}  // namespace
}  // namespace flash
