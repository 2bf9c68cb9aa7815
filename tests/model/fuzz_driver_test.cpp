// The fuzz target of model files over damaged files and architectures.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/random_model.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_model
#include "../../fuzz/model/model_fuzz.cpp"

namespace {

TEST(ModelFuzz, DamagedFilesAndArchitectures) {
    std::mt19937_64 rng(20261128);
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        flash::testing::RandomModelOptions options;
        options.max_extent = 6;
        options.layers = 3;
        const flash::model::Model model = flash::testing::random_model(seed, options);
        for (const std::vector<std::uint8_t>& bytes :
             {flash::model::serialize(model), flash::model::serialize(model.architecture)}) {
            flash::testing::offer_seed("model", bytes);
            fuzz_model(bytes.data(), bytes.size());
            for (int i = 0; i < 500; ++i) {
                const std::vector<std::uint8_t> damaged = flash::testing::mutated(bytes, rng);
                fuzz_model(damaged.data(), damaged.size());
            }
        }
    }
}

TEST(ModelFuzz, Seeds) { flash::testing::replay_seeds("model", fuzz_model); }

}  // namespace
