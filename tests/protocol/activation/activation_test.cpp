// What every activation protocol has to keep: one set of tests for all implementations, in several shapes of slots, and
// for the stand-in in clear text; and whole inferences with those that are not make_activation()'s.
#include "protocol/activation/activation.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "model/arithmetic.h"
#include "protocol/activation/clear_activation.h"
#include "protocol/activation/composite/composite_activation.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

using flash::testing::ClearActivation;

/// The composite scheme in slots of this shape.
template <int kDegree, int kModuli>
class Composite : public CompositeActivation {
public:
    using CompositeActivation::CompositeActivation;
    static void choose(model::Architecture& architecture) {
        architecture.slots = {kDegree, kModuli};
        architecture.plain_bits = 24;
        // Odd numbers of channels, layers that are smaller than a chunk, and one of more than one.
        architecture.layers[0].output = {2 * kModuli + 1, 1, kDegree / 2 + 7};
        architecture.layers[1].output = {1, 1, 1};
        architecture.layers[2].output = {2, 5, 3};
    }
};

template <class Protocol>
class ActivationTest : public ::testing::Test {
protected:
    ActivationTest() {
        flash::testing::RandomModelOptions options;
        options.max_extent = 60;
        // One with layers of several chunks.
        for (std::uint64_t seed = 8; model_.architecture.layers.empty() || largest_output() < 9000; ++seed)
            model_ = flash::testing::random_model(seed, options);
        if constexpr (requires { Protocol::choose(model_.architecture); }) Protocol::choose(model_.architecture);
        std::mt19937 coefficients(7);
        for (const model::Layer& layer : model_.architecture.layers) {
            ActivationCurve curve;
            for (int c = 0; layer.activation && c < layer.output.channels; ++c) {
                curve.kappa.push_back(static_cast<std::int32_t>(coefficients() % 2001) - 1000);
                curve.offset.push_back(static_cast<std::int32_t>(coefficients() % 2000001) - 1000000);
            }
            curves_.push_back(std::move(curve));
        }
        activation_ = std::make_unique<Protocol>(model_.architecture);
        client_ = activation_->client(SecretSeed::for_testing(2));
        server_ = activation_->server(curves_, client_->start(), SecretSeed::for_testing(1));
        std::mt19937 random(3);
        for (const model::Layer& layer : model_.architecture.layers) {
            const auto limit = static_cast<int>(model::share_limit(layer.share_bits));
            std::uniform_int_distribution<int> x(-limit, limit);
            std::vector<std::uint32_t> server, client;
            std::vector<std::int32_t> values;
            for (std::int64_t i = 0; i < layer.output.size(); ++i) {
                const std::uint32_t mask = (std::uint32_t{1} << layer.share_bits) - 1;
                values.push_back(x(random));
                server.push_back(static_cast<std::uint32_t>(random()) & mask);
                client.push_back((static_cast<std::uint32_t>(values.back()) +
                                  (std::uint32_t{1} << (layer.share_bits - 2)) - server.back()) &
                                 mask);
            }
            x_.push_back(values);
            server_shares_.push_back(server);
            client_shares_.push_back(client);
        }
    }
    std::int64_t largest_output() const {
        std::int64_t largest = 0;
        for (const model::Layer& layer : model_.architecture.layers)
            if (layer.activation) largest = std::max(largest, layer.output.size());
        return largest;
    }
    std::vector<std::uint8_t> vectors(std::size_t number) {
        return server_->make_vectors(number, [&](int layer) {
            return std::span<const std::uint32_t>(server_shares_[static_cast<std::size_t>(layer)]);
        });
    }
    std::vector<std::uint8_t> answer(int layer, std::size_t chunk, std::span<const std::uint8_t> vectors,
                                     std::span<std::uint32_t> share) {
        return client_->answer(layer, chunk, client_->prepare(layer, chunk), vectors,
                               client_shares_[static_cast<std::size_t>(layer)], share);
    }

    model::Model model_;
    std::vector<ActivationCurve> curves_;
    std::unique_ptr<Protocol> activation_;
    std::unique_ptr<ActivationServer> server_;
    std::unique_ptr<ActivationClient> client_;
    std::vector<std::vector<std::int32_t>> x_;  ///< by layer
    std::vector<std::vector<std::uint32_t>> server_shares_, client_shares_;
};

using Protocols = ::testing::Types<Composite<4096, 1>, Composite<8192, 2>, Composite<8192, 3>, Composite<16384, 6>,
                                   Composite<16384, 7>, ClearActivation>;
TYPED_TEST_SUITE(ActivationTest, Protocols);

TYPED_TEST(ActivationTest, ChunksCoverEveryValueOnce) {
    const Activation& a = *this->activation_;
    std::size_t largest = 0;
    for (int l = 0; l < a.layers(); ++l) {
        const model::Layer& layer = this->model_.architecture.layers[static_cast<std::size_t>(l)];
        EXPECT_EQ(a.chunks(l) > 0, layer.activation);
        std::vector<std::size_t> found(a.chunks(l));
        for (std::size_t element = 0; layer.activation && element < static_cast<std::size_t>(layer.output.size());) {
            const ChunkPart part = a.part_at(l, element);
            ASSERT_LT(part.chunk, found.size());
            ASSERT_GT(part.count, 0u);
            found[part.chunk] += part.count;
            element += part.count;
        }
        for (std::size_t chunk = 0; chunk < found.size(); ++chunk) {
            EXPECT_EQ(found[chunk], a.values_in(l, chunk));
            EXPECT_LE(found[chunk], a.sizes().values_per_chunk);
        }
        // Vectors are counted on: none is left out, and none comes before those of the layer before.
        if (a.chunks(l) > 0) {
            EXPECT_LE(a.first_vectors(l), a.vectors_end(l - 1));
            EXPECT_GE(a.first_vectors(l) + 1, a.vectors_end(l - 1));
            EXPECT_EQ(a.vectors_end(l), a.first_vectors(l) + a.chunks(l));
        } else {
            EXPECT_EQ(a.vectors_end(l), a.vectors_end(l - 1));
        }
        largest = std::max(largest, a.chunks(l));
    }
    EXPECT_GT(largest, 1u);
    // Each message of vectors is used for the last time once.
    std::size_t ends = 0;
    for (int l = 0; l < a.layers(); ++l)
        for (std::size_t chunk = 0; chunk < a.chunks(l); ++chunk) ends += a.last_use_of_vectors(l, chunk);
    EXPECT_EQ(ends, a.vectors_end(a.layers() - 1));
}

TYPED_TEST(ActivationTest, SharesAddUpToTheActivation) {
    const Activation& a = *this->activation_;
    const std::vector<std::uint8_t> setup = this->server_->setup();
    EXPECT_EQ(setup.size(), a.sizes().setup);
    this->client_->begin(setup);
    std::vector<std::vector<std::uint8_t>> vectors;
    for (std::size_t number = 0; number < a.vectors_end(a.layers() - 1); ++number) {
        vectors.push_back(this->vectors(number));
        EXPECT_EQ(vectors.back().size(), a.sizes().vectors);
    }
    for (int l = 0; l < a.layers(); ++l) {
        if (a.chunks(l) == 0) continue;
        const auto at = static_cast<std::size_t>(l);
        const model::Layer& layer = this->model_.architecture.layers[at];
        const std::size_t values = this->x_[at].size(), map = static_cast<std::size_t>(layer.output.height) *
                                                              static_cast<std::size_t>(layer.output.width);
        SecretVector<std::uint32_t> client(values), server(values);
        for (std::size_t chunk = a.chunks(l); chunk-- > 0;) {  // in any order
            const auto answer = this->answer(l, chunk, vectors[a.first_vectors(l) + chunk], client);
            EXPECT_EQ(answer.size(), a.sizes().answer);
            this->server_->finish(l, chunk, answer, this->server_shares_[at], server);
        }
        const std::vector<std::uint32_t> moduli = this->model_.architecture.channel_moduli(l + 1);
        for (std::size_t i = 0; i < values; ++i) {
            const std::int64_t y =
                model::activate(this->x_[at][i], this->curves_[at].kappa[i / map], this->curves_[at].offset[i / map]);
            const std::int64_t modulus = moduli[i / map];
            ASSERT_LT(client[i], modulus);
            ASSERT_LT(server[i], modulus);
            ASSERT_EQ((client[i] + server[i]) % modulus,
                      static_cast<std::uint64_t>(((y % modulus) + modulus) % modulus))
                << "layer " << l << ", value " << i;
        }
    }
}

TYPED_TEST(ActivationTest, VectorsAreMadeOnce) {
    this->vectors(0);
    EXPECT_THROW(this->vectors(0), Error);
}

TYPED_TEST(ActivationTest, MalformedMessagesAreRefused) {
    const auto kind_of = [](const std::function<void()>& action) -> std::optional<ErrorKind> {
        try {
            action();
        } catch (const Error& error) {
            return error.kind();
        }
        return std::nullopt;
    };
    std::vector<std::uint8_t> setup = this->server_->setup();
    setup.pop_back();
    std::vector<std::uint8_t> start = this->client_->start();
    EXPECT_EQ(start.size(), this->activation_->sizes().start);
    start.push_back(0);
    EXPECT_EQ(kind_of([&] { this->activation_->server(this->curves_, start, SecretSeed::for_testing(1)); }),
              ErrorKind::kProtocol);
    EXPECT_EQ(kind_of([&] { this->activation_->client(SecretSeed::for_testing(2))->begin(setup); }),
              ErrorKind::kProtocol);
    this->client_->begin(this->server_->setup());
    std::vector<std::uint8_t> vectors = this->vectors(0), others = this->vectors(1);
    SecretVector<std::uint32_t> share(this->x_[0].size());
    std::vector<std::uint8_t> answer = this->answer(0, 0, vectors, share);
    others.pop_back();
    EXPECT_EQ(kind_of([&] { this->answer(0, 1, others, share); }), ErrorKind::kProtocol);
    answer.pop_back();
    EXPECT_EQ(kind_of([&] { this->server_->finish(0, 0, answer, this->server_shares_[0], share); }),
              ErrorKind::kProtocol);
}

TEST(AnotherActivation, ServesWholeInferences) {
    using Maker = std::function<std::shared_ptr<const Activation>(const model::Architecture&)>;
    std::vector<Maker> makers{[](const auto& a) { return std::make_shared<CompositeActivation>(a); }};
    // Chunks smaller than layers, larger than some, and larger than the network.
    for (const std::size_t values : {std::size_t{37}, std::size_t{500}, std::size_t{100'000}})
        makers.push_back([values](const auto& a) { return std::make_shared<ClearActivation>(a, values); });
    for (const Maker& make : makers)
        for (std::uint64_t seed = 0; seed < 4; ++seed) {
            SCOPED_TRACE(seed);
            const model::Model source = flash::testing::random_model(seed, {.plain_bits = 24});
            const PreparedModel model(source, {}, std::nullopt, lattice::kTransformBudget, make(source.architecture));
            const model::Twin twin(source);
            Audit audit(source, twin);
            const LocalResult run =
                run_local(model, client_model(model), flash::testing::random_input(source.architecture, seed),
                          {.client_probe = &audit.client(), .server_probe = &audit.server()});
            const AuditReport report = audit.check();
            EXPECT_EQ(report.wrong_activations(), 0);
            EXPECT_LT(report.largest_error(), 1.5);
            EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
            EXPECT_EQ(run.traffic.bytes_received, model.cost().down());
        }
}

}  // namespace
}  // namespace flash::protocol
