// Packing a compiled model anew.
#include "app/plan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "comparison/layer_bench.h"
#include "model/file.h"
#include "packing/upload_bits.h"

namespace flash::app {
namespace {

TEST(Replan, RefusesAModelThatIsTooNoisyInEveryPacking) {
    const std::filesystem::path dir =
        std::filesystem::temp_directory_path() / ("flash-plan-test-" + std::to_string(::getpid()));
    std::filesystem::create_directory(dir);
    model::Model model =
        comparison::one_layer_model(comparison::parse_layer_shape("256x6x6-8-3x3s1"), 3, model::kDefaultDegree);
    model::TermWeights& term = model.weights.layers[0].terms[0];
    PlanCommand command;
    command.model = dir / "model.flash";
    command.replan = dir / "anew.flash";
    command.json = true;
    const auto save_with = [&](int share_bits) {
        model.architecture.layers[0].share_bits = share_bits;
        packing::choose_upload_bits(model.architecture, model.weights);
        model::save(model, command.model);
    };
    std::ranges::fill(term.weights, std::int8_t{127});
    save_with(10);
    ASSERT_LT(model.weights.layers[0].noise_bits, 31 - 10);
    EXPECT_NO_THROW(run_plan(command));
    std::filesystem::remove(command.replan);
    save_with(16);
    ASSERT_GT(model.weights.layers[0].noise_bits, 31 - 16);
    try {
        run_plan(command);
        ADD_FAILURE() << "written all the same";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRange) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(command.replan));
    std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace flash::app
