// Random ONNX networks through the compiler and then through the real protocol, against the clear-text twin.
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "model/arithmetic.h"
#include "support/private_run.h"
#include "support/random_network.h"

namespace flash::protocol {
namespace {

TEST(CompiledNetworks, PrivateRunMatchesTheTwinUpToOneUnitPerTruncation) {
    int compiled = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        const auto network = flash::testing::random_network(seed);
        const auto imported = compiler::import_onnx(network.onnx, "random");
        const auto images = network.images(24, seed);
        const flash::testing::SourcedModel model(compiler::compile(imported, images, {}).model);
        ++compiled;
        for (std::size_t i = 0; i < 2; ++i) {
            const auto input = model::quantise_input(model.architecture(), images[i]);
            const auto run = flash::testing::run_privately(model, input);
            // The compiler refuses models whose ten-sigma encryption noise reaches half a unit.
            EXPECT_LT(run.audit.largest_error(), 1.5);
            EXPECT_EQ(run.audit.wrong_activations(), 0);
            EXPECT_EQ(run.audit.out_of_range(), 0);
            EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
            EXPECT_EQ(run.traffic.bytes_received, model.cost().down());
        }
    }
    EXPECT_EQ(compiled, 10);
}

}  // namespace
}  // namespace flash::protocol
