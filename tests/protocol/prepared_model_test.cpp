#include "protocol/prepared_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "model/file.h"
#include "model/reader.h"
#include "protocol/client_model.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

std::vector<std::vector<std::uint32_t>> halves_of(const PreparedModel& model) {
    std::vector<std::vector<std::uint32_t>> halves;
    for (std::size_t l = 0; l < model.architecture().layers.size(); ++l)
        halves.push_back(model.layer(static_cast<int>(l)).a);
    return halves;
}

TEST(PreparedModel, TransformsStayWithinTheirBudget) {
    // 2x2 maps: so many channels to a polynomial that transforms pay by far, for every instruction set and load.
    const model::Model source = flash::testing::single_convolution({512, 2, 2}, 512, {3, 3, 1, 1, 1, 1, 1, 1}, 4);
    const PreparedModel none(source, {}, std::nullopt, 0), all(source, {}, std::nullopt, std::size_t{1} << 30);
    EXPECT_EQ(none.transform_bytes(), 0u);
    EXPECT_GT(all.transform_bytes(), 0u);
    EXPECT_EQ(halves_of(none), halves_of(all)) << "no bit depends on the choice";
    EXPECT_GT(all.memory_bytes(), none.memory_bytes());
    for (std::size_t budget : {all.transform_bytes() - 1, all.transform_bytes()}) {
        const PreparedModel some(source, {}, std::nullopt, budget);
        EXPECT_LE(some.transform_bytes(), budget);
        const auto input = flash::testing::random_input(source.architecture, 5);
        EXPECT_EQ(flash::testing::run_without_audit(some, input, 7, 8).x,
                  flash::testing::run_without_audit(none, input, 7, 8).x);
    }
}

// Both parties make the activation first.
TEST(PreparedModel, ModuliThatNoActivationRunsAreRefusedByBothParties) {
    model::Model source = flash::testing::random_model(1);
    source.architecture.slots = {4096, 2};
    model::validate(source);
    const auto kind_of = [](const auto& make) {
        try {
            make();
        } catch (const Error& error) {
            return error.kind();
        }
        ADD_FAILURE() << "accepted";
        return ErrorKind::kInternal;
    };
    EXPECT_EQ(kind_of([&] { PreparedModel{source}; }), ErrorKind::kUnsupported);
    EXPECT_EQ(kind_of([&] { ClientModel(source.architecture, Sha256{}); }), ErrorKind::kUnsupported);
}

TEST(PreparedModel, FromAFileItIsTheSame) {
    const auto path =
        std::filesystem::temp_directory_path() / ("flash-prepared-model-test-" + std::to_string(::getpid()));
    for (std::uint64_t seed : {1, 2, 3}) {
        const model::Model source = flash::testing::random_model(seed);
        model::save(source, path);
        model::Reader reader(path);
        const PreparedModel from_file(reader), from_memory(source);
        EXPECT_EQ(halves_of(from_file), halves_of(from_memory));
        EXPECT_EQ(from_file.fingerprint(), model::fingerprint(source));
        EXPECT_EQ(from_file.secret_digest(), model::secret_digest(source));
        EXPECT_EQ(from_memory.fingerprint(), model::fingerprint(source));
        for (std::size_t l = 0; l < source.architecture.layers.size(); ++l) {
            EXPECT_EQ(from_file.curves()[l].kappa, source.weights.layers[l].kappa);
            EXPECT_EQ(from_file.curves()[l].offset, source.weights.layers[l].offset);
        }
        EXPECT_THROW(reader.next(), Error) << "the layers are given once";
    }
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace flash::protocol
