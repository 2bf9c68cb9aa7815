// Blocks of real networks: how many layers they become, and that these compute the same.
#include "import_graphs.h"

namespace flash::compiler {
namespace {

TEST(Import, BatchNormFoldsBeforeAndAfterTheActivation) {
    const ImportedModel before = expect_equal(
        [](OnnxWriter& w) { return conv(w, square_plus(w, norm(w, conv(w, w.input, 3, 4, 3, 1), 4)), 4, 2, 3, 1); });
    EXPECT_EQ(before.network->layers[0].quadratic()->a, std::vector<double>(4, 1.0));
    const ImportedModel after = expect_equal(
        [](OnnxWriter& w) { return conv(w, norm(w, square_plus(w, conv(w, w.input, 3, 4, 3, 1)), 4), 4, 2, 3, 1); });
    EXPECT_EQ(after.activation_layers(), 1);
}

TEST(Import, ResidualBlocks) {
    const ImportedModel identity = expect_equal([](OnnxWriter& w) {
        const Name v = square_plus(w, conv(w, w.input, 3, 4, 3, 1));
        const Name sum = w.node("Add", {norm(w, conv(w, v, 4, 4, 3, 1), 4), v});
        return conv(w, square_plus(w, sum), 4, 2, 3, 1);
    });
    EXPECT_EQ(identity.network->layers[1].terms.size(), 2u);
    const ImportedModel projection = expect_equal([](OnnxWriter& w) {
        const Name v = square_plus(w, conv(w, w.input, 3, 4, 3, 1));
        const Name u = square_plus(w, norm(w, conv(w, v, 4, 6, 3, 1, 2), 6));
        const Name sum = w.node("Add", {norm(w, conv(w, u, 6, 6, 3, 1), 6), conv(w, v, 4, 6, 1, 0, 2)});
        return conv(w, square_plus(w, sum), 6, 2, 1);
    });
    EXPECT_EQ(projection.activation_layers(), 3);
}

TEST(Import, PreActivationBlockKeepsTheSum) {
    // x -> BN -> act -> conv -> + x, twice, behind an activated stem: every activation becomes exactly one value.
    const ImportedModel imported = expect_equal([](OnnxWriter& w) {
        Name x = square_plus(w, conv(w, w.input, 3, 4, 3, 1));
        for (std::uint64_t i = 0; i < 2; ++i) {
            const Name branch = conv(w, square_plus(w, norm(w, x, 4, 10 * i + 5)), 4, 4, 3, 1, 1, i + 7);
            x = w.node("Add", {branch, x});
        }
        return w.node("Gemm",
                      {w.node("Flatten", {w.node("GlobalAveragePool", {square_plus(w, norm(w, x, 4, 50))})}),
                       w.floats({2, 4}, noise(8, 9))},
                      {{"transB", 1}});
    });
    EXPECT_EQ(imported.activation_layers(), 4);
}

TEST(Import, ActivationOfAnActivationHasALayerOfItsOwn) {
    const ImportedModel imported =
        expect_equal([](OnnxWriter& w) { return square_plus(w, square_plus(w, conv(w, w.input, 3, 4, 3))); });
    EXPECT_EQ(imported.activation_layers(), 2);
}

TEST(Import, LinearBottlenecksFoldIntoTheExpansionBehindThem) {
    // MobileNetV2: expand, activate, depthwise, activate, project, add, expand ...: nothing is activated between
    // project and expand.
    const auto block = [](OnnxWriter& w, const Name& x, std::uint64_t seed) {
        const Name expanded = square_plus(w, norm(w, conv(w, x, 4, 8, 1, 0, 1, seed), 8, seed));
        const Name spatial = square_plus(w, norm(w, grouped(w, expanded, 8, 8, 3, 8, 1, 1, seed), 8, seed + 3));
        return norm(w, conv(w, spatial, 8, 4, 1, 0, 1, seed + 1), 4, seed + 6);
    };
    const ImportedModel imported = expect_equal([&](OnnxWriter& w) {
        Name x = norm(w, conv(w, square_plus(w, conv(w, w.input, 3, 6, 3, 1, 2)), 6, 4, 1), 4);
        x = w.node("Add", {x, block(w, x, 10)});
        x = w.node("Add", {x, block(w, x, 20)});
        return conv(w, square_plus(w, conv(w, x, 4, 9, 1)), 9, 2, 1);
    });
    EXPECT_EQ(imported.activation_layers(), 6);
    EXPECT_EQ(imported.network->layers[5].terms.size(), 3u) << "the stem and both bottlenecks";
}

TEST(Import, Concatenation) {
    const auto branch = [](OnnxWriter& w, const Name& x, I from, I to, I kernel, std::uint64_t seed) {
        return square_plus(w, conv(w, x, from, to, kernel, kernel / 2, 1, seed));
    };
    const auto fire = [&](OnnxWriter& w) {
        const Name x = branch(w, w.input, 3, 4, 3, 1);
        return w.node("Concat", {branch(w, x, 4, 3, 1, 2), branch(w, x, 4, 5, 3, 3)}, {{"axis", 1}});
    };
    const ImportedModel squeeze = expect_equal([&](OnnxWriter& w) { return conv(w, fire(w), 8, 2, 3, 1); });
    EXPECT_EQ(squeeze.network->layers.back().terms.size(), 2u);
    expect_equal([&](OnnxWriter& w) { return conv(w, norm(w, fire(w), 8), 8, 2, 1); });
    expect_equal([&](OnnxWriter& w) {
        return conv(w, w.node("AveragePool", {fire(w)}, {{"kernel_shape", std::vector<I>{2, 2}}}), 8, 2, 1);
    });
    expect_equal([&](OnnxWriter& w) {
        const Name v = fire(w);
        return conv(w, square_plus(w, w.node("Add", {v, conv(w, v, 8, 8, 3, 1)})), 8, 2, 1);
    });
    expect_equal([&](OnnxWriter& w) {
        const Name v = fire(w);
        return conv(w, w.node("Mul", {v, v}), 8, 2, 1);
    });
    expect_equal([&](OnnxWriter& w) { return conv(w, square_plus(w, grouped(w, fire(w), 8, 8, 3, 8)), 8, 2, 1); });
    expect_equal([&](OnnxWriter& w) {
        return w.node("Gemm", {w.node("Flatten", {fire(w)}), w.floats({5, 336}, noise(1680, 2))}, {{"transB", 1}});
    });
    expect_equal([&](OnnxWriter& w) {  // linear branches, one activation behind them
        const Name x = branch(w, w.input, 3, 4, 3, 1);
        return conv(
            w,
            square_plus(
                w, norm(w, w.node("Concat", {conv(w, x, 4, 3, 1), conv(w, x, 4, 5, 3, 1), x}, {{"axis", -3}}), 12)),
            12, 2, 3, 1);
    });
}

TEST(Import, DenseBlocksActivateEveryFeatureOnce) {
    // x -> BN -> act -> 1x1 -> BN -> act -> 3x3, appended to x; every layer reads all earlier features with a batch
    // norm of its own.
    const ImportedModel imported = expect_equal([](OnnxWriter& w) {
        const auto small = [&](const Name& x) {
            return w.node("Mul", {x, w.floats({}, {0.1})});
        };  // or the squares of squares grow beyond floats
        Name x = square_plus(w, small(conv(w, w.input, 3, 6, 3, 1)));
        I channels = 6;
        std::vector<Name> features{w.node("AveragePool", {x}, {{"kernel_shape", std::vector<I>{2, 2}}})};
        for (std::uint64_t layer = 0; layer < 2; ++layer, channels += 3) {
            x = square_plus(w, small(norm(w, w.node("Concat", features, {{"axis", 1}}), channels, 10 * layer)));
            x = square_plus(w, small(norm(w, conv(w, x, channels, 5, 1, 0, 1, layer), 5, 10 * layer + 5)));
            features.push_back(conv(w, x, 5, 3, 3, 1, 1, layer + 50));
        }
        x = square_plus(w, norm(w, w.node("Concat", features, {{"axis", 1}}), channels, 77));
        x = w.node("AveragePool", {conv(w, x, channels, 4, 1)},
                   {{"kernel_shape", std::vector<I>{2, 2}}, {"strides", std::vector<I>{2, 2}}});
        return w.node("Gemm",
                      {w.node("Flatten", {w.node("GlobalAveragePool", {square_plus(w, norm(w, x, 4))})}),
                       w.floats({2, 4}, noise(8, 9))},
                      {{"transB", 1}});
    });
    // The stem, the block's input, two bottlenecks, their features (the last of which only the transition reads), the
    // transition.
    EXPECT_EQ(imported.activation_layers(), 1 + 1 + 2 + 2 + 1);
}

TEST(Import, ChannelsLastAroundTheClassifier) {
    const auto body = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 2, 3, 1)); };
    expect_equal([&](OnnxWriter& w) {  // as TensorFlow's converters write it
        const Name turned = w.node("Transpose", {body(w)}, {{"perm", std::vector<I>{0, 2, 3, 1}}});
        return w.node("Gemm",
                      {w.node("Reshape", {turned, w.integers({1, -1})}), w.floats({5, 84}, noise(420, 2)),
                       w.floats({5}, noise(5, 3))},
                      {{"transB", 1}});
    });
    expect_equal([&](OnnxWriter& w) {
        const Name there = w.node("Transpose", {body(w)}, {{"perm", std::vector<I>{0, 2, 3, 1}}});
        return conv(w, w.node("Transpose", {there}, {{"perm", std::vector<I>{0, 3, 1, 2}}}), 2, 3, 3, 1);
    });
}

}  // namespace
}  // namespace flash::compiler
