// Operators one by one: the folded network equals the ONNX graph, or the import refuses with a useful sentence.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/network.h"
#include "support/onnx_reference.h"
#include "support/onnx_writer.h"

namespace flash::compiler {
namespace {

using testing::OnnxWriter;
using I = std::int64_t;
using Name = std::string;

std::vector<double> noise(std::size_t count, std::uint64_t seed, double scale = 0.5) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(0, scale);
    std::vector<double> values(count);
    for (double& value : values) value = normal(random);
    return values;
}

std::vector<float> picture(const model::Shape& shape, std::uint64_t seed) {
    const std::vector<double> values = noise(static_cast<std::size_t>(shape.size()), seed, 1);
    return {values.begin(), values.end()};
}

Name conv(OnnxWriter& w, const Name& in, I from, I to, I kernel, I pad = 0, I stride = 1, std::uint64_t seed = 1) {
    return w.node(
        "Conv",
        {in, w.floats({to, from, kernel, kernel}, noise(static_cast<std::size_t>(to * from * kernel * kernel), seed))},
        {{"kernel_shape", std::vector<I>{kernel, kernel}},
         {"pads", std::vector<I>{pad, pad, pad, pad}},
         {"strides", std::vector<I>{stride, stride}}});
}

Name norm(OnnxWriter& w, const Name& in, I channels, std::uint64_t seed = 5) {
    const auto count = static_cast<std::size_t>(channels);
    return w.node(
        "BatchNormalization",
        {in, w.floats({channels}, noise(count, seed)), w.floats({channels}, noise(count, seed + 1)),
         w.floats({channels}, noise(count, seed + 2)), w.floats({channels}, std::vector<double>(count, 1.5))});
}

Name square_plus(OnnxWriter& w, const Name& x) { return w.node("Add", {w.node("Mul", {x, x}), x}); }

using Build = std::function<Name(OnnxWriter&)>;

/// The network that import makes of the graph, after checking that both compute the same.
ImportedModel expect_equal(const Build& build, I opset = 13, std::vector<I> dims = {-1, 3, 7, 6}) {
    OnnxWriter writer(dims, opset);
    const std::vector<std::uint8_t> bytes = writer.finish(build(writer));
    ImportedModel imported = import_onnx(bytes, "test");
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const std::vector<float> image = picture(imported.input, seed);
        const std::vector<double> expected = testing::evaluate_onnx(bytes, image);
        const std::vector<float> got = evaluate_float(imported, image);
        EXPECT_EQ(got.size(), expected.size());
        double scale = 1e-9;
        for (double value : expected) scale = std::max(scale, std::abs(value));
        for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
            EXPECT_NEAR(got[i], expected[i], 1e-5 * scale);
    }
    return imported;
}

void expect_refused(const Build& build, ErrorKind kind, const std::vector<std::string>& words, I opset = 13,
                    std::vector<I> dims = {-1, 3, 7, 6}) {
    try {
        OnnxWriter writer(dims, opset);
        import_onnx(writer.finish(build(writer)), "test");
        ADD_FAILURE() << "not refused: " << (words.empty() ? "" : words[0]);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        for (const std::string& word : words)
            EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
}

TEST(Import, ActivationInEveryShape) {
    const std::vector<double> a = {0.5, -0.25, 1.5, 2}, b = {1, -1, 0.5, 0}, c = {0.1, 0, -0.3, 2};
    const std::vector<std::function<Name(OnnxWriter&, const Name&)>> shapes = {
        [](auto& w, auto& x) { return square_plus(w, x); },
        [](auto& w, auto& x) {
            return w.node("Add", {x, w.node("Pow", {x, w.floats({}, {2})})});
        },
        [](auto& w, auto& x) {
            return w.node("Add", {x, w.node("Pow", {x, w.integers({2}, true)})});
        },
        [](auto& w, auto& x) {
            return w.node("Mul", {x, w.node("Add", {x, w.floats({1}, {1})})});
        },
        [](auto& w, auto& x) {
            return w.node("Mul", {w.node("Add", {w.floats({}, {1}), x}), x});
        },
        [](auto& w, auto& x) {
            return w.node("Mul", {w.node("Sub", {w.floats({}, {1}), x}), w.node("Neg", {x})});
        },
        [](auto& w, auto& x) {
            return w.node("Sub", {w.node("Mul", {x, x}), w.node("Div", {x, w.floats({}, {-2})})});
        },
        [&](auto& w, auto& x) {
            const Name first = w.node("Mul", {w.node("Mul", {w.floats({4, 1, 1}, a), x}), x});
            return w.node(
                "Add", {w.node("Add", {first, w.node("Mul", {x, w.floats({1, 4, 1, 1}, b)})}), w.floats({4, 1, 1}, c)});
        },
        [&](auto& w, auto& x) {  // Horner
            const Name inner = w.node("Add", {w.node("Mul", {x, w.floats({4, 1, 1}, a)}), w.floats({4, 1, 1}, b)});
            return w.node("Add", {w.floats({4, 1, 1}, c), w.node("Mul", {inner, x})});
        },
        [&](auto& w, auto& x) {  // completed square
            const Name moved = w.node("Add", {x, w.floats({4, 1, 1}, c)});
            return w.node("Mul", {w.node("Mul", {moved, moved}), w.floats({4, 1, 1}, a)});
        },
    };
    for (const auto& shape : shapes) {
        const ImportedModel imported =
            expect_equal([&](OnnxWriter& w) { return conv(w, shape(w, conv(w, w.input, 3, 4, 3, 1)), 4, 5, 3, 1); });
        EXPECT_EQ(imported.activation_layers(), 1);
        EXPECT_EQ(imported.network->layers[1].terms.size(), 1u);
    }
}

TEST(Import, Convolutions) {
    for (const auto& [kernel, pads, strides] :
         std::vector<std::tuple<std::vector<I>, std::vector<I>, std::vector<I>>>{{{1, 1}, {0, 0, 0, 0}, {1, 1}},
                                                                                 {{3, 2}, {1, 0, 0, 1}, {2, 1}},
                                                                                 {{7, 5}, {3, 2, 3, 2}, {1, 3}},
                                                                                 {{2, 6}, {0, 3, 1, 0}, {3, 2}}})
        expect_equal([&](OnnxWriter& w) {
            return w.node(
                "Conv",
                {w.input,
                 w.floats({4, 3, kernel[0], kernel[1]}, noise(static_cast<std::size_t>(12 * kernel[0] * kernel[1]), 2)),
                 w.floats({4}, noise(4, 3))},
                {{"kernel_shape", kernel}, {"pads", pads}, {"strides", strides}});
        });
    // auto_pad: on a 7 x 6 map with stride 2, SAME_UPPER puts the odd padding row after the map, SAME_LOWER before it.
    for (const auto& [mode, pads] :
         std::vector<std::pair<const char*, model::Window>>{{"SAME_UPPER", {3, 3, 2, 2, 1, 0, 1, 1}},
                                                            {"SAME_LOWER", {3, 3, 2, 2, 1, 1, 1, 0}},
                                                            {"VALID", {3, 3, 2, 2}}}) {
        OnnxWriter w({1, 3, 7, 6});
        const ImportedModel imported =
            import_onnx(w.finish(w.node("Conv", {w.input, w.floats({2, 3, 3, 3}, noise(54, 1))},
                                        {{"auto_pad", mode}, {"strides", std::vector<I>{2, 2}}})),
                        "x");
        EXPECT_EQ(imported.network->layers[0].terms[0].window, pads) << mode;
    }
}

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

TEST(Import, Pools) {
    const auto body = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 4, 3, 1)); };
    using List = std::vector<I>;
    expect_equal([&](OnnxWriter& w) {
        return conv(w, w.node("AveragePool", {body(w)}, {{"kernel_shape", List{2, 3}}, {"strides", List{2, 1}}}), 4, 2,
                    3, 1);
    });
    expect_equal([&](OnnxWriter& w) {
        return conv(w,
                    w.node("AveragePool", {body(w)},
                           {{"kernel_shape", List{3, 3}},
                            {"strides", List{2, 2}},
                            {"pads", List{1, 1, 1, 1}},
                            {"count_include_pad", 1}}),
                    4, 2, 1);
    });
    expect_equal([&](OnnxWriter& w) {  // as PyTorch writes AvgPool2d(padding=1)
        const Name padded = w.node("Pad", {body(w), w.integers({0, 0, 1, 1, 0, 0, 1, 1})}, {{"mode", "constant"}});
        return conv(w, w.node("AveragePool", {padded}, {{"kernel_shape", List{3, 3}}, {"strides", List{1, 1}}}), 4, 2,
                    1);
    });
    for (const auto& [kernel, stride, pads, ceil] :
         std::vector<std::tuple<List, List, List, I>>{{{3, 3}, {2, 2}, {1, 1, 1, 1}, 0},
                                                      {{3, 2}, {1, 1}, {0, 1, 2, 0}, 0},
                                                      {{2, 2}, {2, 2}, {0, 0, 0, 0}, 1},
                                                      {{3, 3}, {2, 2}, {1, 0, 0, 1}, 1},
                                                      {{2, 2}, {3, 3}, {1, 1, 1, 1}, 1}}) {
        // Padding, and what sticks out of the map, does not count.
        const ImportedModel level = expect_equal([&](OnnxWriter& w) {
            return conv(w,
                        w.node("AveragePool", {body(w)},
                               {{"kernel_shape", kernel}, {"strides", stride}, {"pads", pads}, {"ceil_mode", ceil}}),
                        4, 2, 1);
        });
        EXPECT_TRUE(level.network->layers[1].terms[0].pool->level);
    }
    expect_equal([&](OnnxWriter& w) {  // pooling of pooling: tiles, then overlapping windows
        const Name once = w.node("AveragePool", {body(w)}, {{"kernel_shape", List{2, 2}}, {"strides", List{2, 2}}});
        const Name twice = w.node("AveragePool", {once}, {{"kernel_shape", List{2, 2}}, {"strides", List{1, 1}}});
        return conv(w, w.node("AveragePool", {twice}, {{"kernel_shape", List{2, 2}}, {"strides", List{1, 1}}}), 4, 2,
                    1);
    });
    expect_equal([&](OnnxWriter& w) {  // pooling of a linear result, with nothing between
        return square_plus(w, w.node("AveragePool", {conv(w, w.input, 3, 4, 3, 1, 2)},
                                     {{"kernel_shape", List{2, 2}}, {"strides", List{2, 1}}}));
    });
    expect_equal([&](OnnxWriter& w) {
        return w.node("ReduceMean", {body(w)}, {{"axes", List{-2, -1}}, {"keepdims", 0}});
    });
    expect_equal([&](OnnxWriter& w) { return w.node("ReduceMean", {body(w)}, {{"axes", List{2, 3}}}); });
}

TEST(Import, FullyConnected) {
    const auto body = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 2, 3, 1)); };
    expect_equal([&](OnnxWriter& w) {
        return w.node("Gemm",
                      {w.node("Flatten", {body(w)}), w.floats({5, 84}, noise(420, 2)), w.floats({5}, noise(5, 3))},
                      {{"transB", 1}, {"alpha", 0.5}, {"beta", 2.0}});
    });
    expect_equal([&](OnnxWriter& w) {
        const Name flat = w.node("Reshape", {body(w), w.integers({-1, 84})});
        return w.node("Add", {w.node("MatMul", {flat, w.floats({84, 5}, noise(420, 2))}), w.floats({5}, noise(5, 3))});
    });
    // Two fully connected layers in a row fold into one.
    const ImportedModel folded = expect_equal([&](OnnxWriter& w) {
        const Name first =
            w.node("Gemm", {w.node("Flatten", {body(w)}), w.floats({6, 84}, noise(504, 2)), w.floats({6}, noise(6, 3))},
                   {{"transB", 1}});
        return w.node("Gemm", {first, w.floats({6, 5}, noise(30, 4))});
    });
    EXPECT_EQ(folded.activation_layers(), 1);
    // The target of view(x.size(0), -1), computed from the shape.
    expect_equal(
        [&](OnnxWriter& w) { return w.node("Flatten", {w.node("Identity", {w.node("Dropout", {body(w)})})}); });
    expect_equal(
        [](OnnxWriter& w) {
            return w.node("Gemm", {square_plus(w, w.input), w.floats({9, 4}, noise(36, 1))});
        },
        13, {1, 9});
}

TEST(Import, ReshapeFromShapeArithmetic) {
    OnnxWriter w({-1, 3, 4, 4}, 13);
    const Name v = square_plus(w, conv(w, w.input, 3, 2, 3, 1));
    const Name batch = w.node("Gather", {w.node("Shape", {v}), w.integers({0}, true)}, {{"axis", 0}});
    const Name target =
        w.node("Concat", {w.node("Unsqueeze", {batch, w.integers({0})}), w.integers({-1})}, {{"axis", 0}});
    const ImportedModel imported = import_onnx(
        w.finish(w.node("Gemm", {w.node("Reshape", {v, target}), w.floats({5, 32}, noise(160, 2))}, {{"transB", 1}})),
        "x");
    EXPECT_EQ(imported.output(), (model::Shape{5, 1, 1}));
}

Name grouped(OnnxWriter& w, const Name& in, I from, I to, I kernel, I groups, I dilation = 1, I stride = 1,
             std::uint64_t seed = 1) {
    const I pad = (kernel - 1) * dilation / 2;
    return w.node("Conv",
                  {in, w.floats({to, from / groups, kernel, kernel},
                                noise(static_cast<std::size_t>(to * from / groups * kernel * kernel), seed))},
                  {{"kernel_shape", std::vector<I>{kernel, kernel}},
                   {"pads", std::vector<I>{pad, pad, pad, pad}},
                   {"strides", std::vector<I>{stride, stride}},
                   {"group", groups},
                   {"dilations", std::vector<I>{dilation, dilation}}});
}

TEST(Import, GroupsAndDilation) {
    const auto body = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 8, 3, 1)); };
    for (const I groups : {1, 2, 4, 8})
        for (const I dilation : {1, 2}) {
            const ImportedModel imported = expect_equal([&](OnnxWriter& w) {
                return conv(w, square_plus(w, grouped(w, body(w), 8, 16, 3, groups, dilation, 2)), 16, 2, 1);
            });
            EXPECT_EQ(imported.network->layers[1].terms[0].groups, groups);
            EXPECT_EQ(imported.network->layers[1].terms[0].window.dilation_h, dilation);
        }
    // A depthwise and a pointwise convolution with nothing between fold into a dense one; two depthwise ones stay
    // depthwise.
    const ImportedModel separable =
        expect_equal([&](OnnxWriter& w) { return square_plus(w, conv(w, grouped(w, body(w), 8, 8, 3, 8), 8, 5, 1)); });
    EXPECT_EQ(separable.network->layers[1].terms[0].groups, 1);
    const ImportedModel twice = expect_equal(
        [&](OnnxWriter& w) { return grouped(w, norm(w, grouped(w, body(w), 8, 8, 3, 8, 2), 8), 8, 8, 1, 8); });
    EXPECT_EQ(twice.network->layers[1].terms[0].groups, 8);
    EXPECT_EQ(twice.network->layers[1].terms[0].window.dilation_h, 2);
    expect_equal([&](OnnxWriter& w) { return conv(w, grouped(w, body(w), 8, 6, 3, 2, 2, 2), 6, 3, 2); });
    expect_equal([&](OnnxWriter& w) { return grouped(w, conv(w, body(w), 8, 6, 1, 0, 2), 6, 6, 1, 3); });
    expect_equal([&](OnnxWriter& w) {
        return w.node("Conv", {conv(w, body(w), 8, 6, 1, 0, 2), w.floats({2, 6, 2, 2}, noise(48, 3))},
                      {{"dilations", std::vector<I>{2, 1}}});
    });
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

TEST(Import, ClipIsLeftOutWhereItIsProvedIdle) {
    const auto build = [](double bound) {
        return [bound](OnnxWriter& w) {
            const Name x =
                w.node("Clip", {conv(w, w.input, 3, 4, 3, 1), w.floats({}, {-bound}), w.floats({}, {bound})});
            return conv(w, w.node("Clip", {square_plus(w, x), w.floats({}, {-1}), w.floats({}, {1e6})}), 4, 2, 1);
        };
    };
    const auto compiled = [&](double bound) {
        OnnxWriter w({-1, 3, 7, 6});
        const ImportedModel imported = import_onnx(w.finish(build(bound)(w)), "test");
        const std::vector<std::vector<float>> images{picture(imported.input, 1), picture(imported.input, 2)};
        CompileOptions options;
        options.plain_bits = 26;
        options.share_bits = 10;
        return compile(imported, images, options);
    };
    expect_equal(build(1000));
    EXPECT_NO_THROW(compiled(1000));
    try {
        compiled(1);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
        for (const char* word : {"Clip_", "-1 .. 1", "Conv_", "margin"})
            EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
}

TEST(Import, EveryOpsetOfTheRangeAndNoOther) {
    const Build build = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 4, 3, 1)); };
    for (I opset = 7; opset <= 23; ++opset) expect_equal(build, opset);
    expect_refused(build, ErrorKind::kUnsupported, {"operator set 6", "7 to 23"}, 6);
    expect_refused(build, ErrorKind::kUnsupported, {"opset_version=17"}, 24);
}

TEST(Import, UnusedNodesDoNotMatter) {
    OnnxWriter w({-1, 3, 7, 6});
    const Name v = square_plus(w, conv(w, w.input, 3, 4, 3, 1));
    w.node("Relu", {v});
    EXPECT_NO_THROW(import_onnx(w.finish(conv(w, v, 4, 2, 1)), "x"));
}

TEST(Import, RefusesWithNodeReasonAndRemedy) {
    const auto body = [](OnnxWriter& w) { return square_plus(w, conv(w, w.input, 3, 4, 3, 1)); };
    const ErrorKind no = ErrorKind::kUnsupported;
    using List = std::vector<I>;
    expect_refused([](OnnxWriter& w) { return w.node("Relu", {conv(w, w.input, 3, 4, 3)}); }, no,
                   {"Relu_", "x*x + x", "retrain", "docs/training.md"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("MaxPool", {body(w)}, {{"kernel_shape", List{2, 2}}});
        },
        no, {"MaxPool_", "average pooling"});
    for (const char* op : {"Sigmoid", "Softmax", "LayerNormalization", "LSTM", "Resize", "Sqrt"})
        expect_refused([&](OnnxWriter& w) { return w.node(op, {body(w)}); }, no, {op});
    expect_refused(
        [&](OnnxWriter& w) {
            const Name v = body(w);
            return w.node("Mul", {w.node("Mul", {v, w.node("Add", {v, w.floats({}, {1})})}), v});
        },
        no, {"degree three"});
    expect_refused([&](OnnxWriter& w) { return w.node("Pow", {body(w), w.floats({}, {3})}); }, no, {"exponent"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Mul", {body(w), conv(w, w.input, 3, 4, 3, 1, 1, 9)});
        },
        no, {"two different tensors"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Add", {body(w), conv(w, w.input, 3, 4, 3, 0)});
        },
        no, {"different shapes"});
    expect_refused([&](OnnxWriter& w) { return conv(w, conv(w, w.input, 3, 4, 3, 1), 4, 4, 3, 1); }, no,
                   {"two linear layers without an activation"});
    expect_refused(
        [&](OnnxWriter& w) {
            return conv(w, w.node("Add", {w.input, w.floats({3, 1, 1}, {1, 2, 3})}), 3, 4, 3, 1);
        },
        no, {"flash.input"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Conv", {w.input, w.floats({4, 1, 3, 3}, noise(36, 1))}, {{"group", 3}});
        },
        ErrorKind::kFile, {"do not fit"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Conv", {w.input, w.floats({3, 3, 2, 2}, noise(36, 1))}, {{"dilations", List{7, 2}}});
        },
        no, {"8 x 3 window", "7 x 6 input"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Conv", {w.input, w.floats({3, 3, 9, 9}, noise(729, 1))});
        },
        no, {"larger than its 7 x 6 input"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("AveragePool", {w.node("AveragePool", {body(w)}, {{"kernel_shape", List{2, 2}}})},
                          {{"kernel_shape", List{3, 3}}, {"pads", List{1, 1, 1, 1}}});
        },
        no, {"no activation", "count_include_pad"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("AveragePool", {body(w)}, {{"kernel_shape", List{7, 6}}, {"pads", List{4, 4, 4, 4}}});
        },
        no, {"too many different"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("AveragePool", {body(w)},
                          {{"kernel_shape", List{3, 3}},
                           {"strides", List{3, 3}},
                           {"pads", List{1, 1, 1, 1}},
                           {"count_include_pad", 1},
                           {"ceil_mode", 1}});
        },
        no, {"ceil_mode"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("ReduceMean", {body(w)}, {{"axes", List{1}}});
        },
        no, {"spatial"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Transpose", {body(w)}, {{"perm", List{0, 1, 3, 2}}});
        },
        no, {"order of axes"});
    expect_refused(
        [&](OnnxWriter& w) {
            return conv(w, w.node("Transpose", {body(w)}, {{"perm", List{0, 2, 3, 1}}}), 6, 2, 1);
        },
        no, {"transposition"});
    expect_refused(
        [&](OnnxWriter& w) {
            const Name v = body(w);
            return w.node("Concat", {v, v}, {{"axis", 2}});
        },
        no, {"axis 1"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Concat", {body(w), conv(w, w.input, 3, 4, 3)}, {{"axis", 1}});
        },
        no, {"different height"});
    expect_refused(
        [&](OnnxWriter& w) {
            return conv(w, w.node("Clip", {conv(w, w.input, 3, 4, 1), w.floats({}, {0}), w.floats({}, {6})}), 4, 2, 1);
        },
        no, {"Clip_", "x*x + x"});
    expect_refused(
        [&](OnnxWriter& w) {  // a group of two channels across the seam of two parts of three
            const Name v = square_plus(w, conv(w, w.input, 3, 3, 3, 1)),
                       u = square_plus(w, conv(w, w.input, 3, 3, 3, 1, 1, 2));
            return w.node("Conv", {w.node("Concat", {v, u}, {{"axis", 1}}), w.floats({3, 2, 1, 1}, noise(6, 1))},
                          {{"group", 3}});
        },
        no, {"several parts"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Reshape", {body(w), w.integers({1, 2, -1, 6})});
        },
        no, {"Flatten"});
    expect_refused(
        [&](OnnxWriter& w) {  // linear in one channel
            const Name x = conv(w, w.input, 3, 2, 3);
            return conv(w, w.node("Add", {w.node("Mul", {w.node("Mul", {x, x}), w.floats({2, 1, 1}, {1, 0})}), x}), 2,
                        2, 1);
        },
        no, {"channel 1"});
    expect_refused([&](OnnxWriter& w) { return body(w); }, no, {"fixed size"}, 13, {-1, 3, -1, -1});
    expect_refused([&](OnnxWriter& w) { return body(w); }, no, {"batch"}, 13, {4, 3, 7, 6});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Conv", {w.input, w.floats({3, 2, 3, 3}, noise(54, 1))});
        },
        ErrorKind::kFile, {"do not fit"});
}

TEST(Import, Metadata) {
    OnnxWriter w({1, 3, 8, 8});
    w.metadata("flash.name", "tiny");
    w.metadata("flash.classes", R"(["a", "b"])");
    w.metadata("flash.input", R"({"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "resize": 10, "crop": 8})");
    const ImportedModel imported =
        import_onnx(w.finish(w.node("GlobalAveragePool", {conv(w, w.input, 3, 2, 3)})), "file");
    EXPECT_EQ(imported.name, "tiny");
    EXPECT_EQ(imported.classes, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(imported.preprocessing.resize, 10);
    EXPECT_EQ(imported.preprocessing.crop_width, 8);
    EXPECT_EQ(imported.preprocessing.std[2], 3);
    for (const auto& [key, value] :
         std::vector<std::pair<const char*, const char*>>{{"flash.classes", "nonsense"},
                                                          {"flash.classes", R"(["only one"])"},
                                                          {"flash.input", "[1]"},
                                                          {"flash.input", R"({"mean": [1]})"},
                                                          {"flash.input", R"({"std": [1, 0, 1]})"},
                                                          {"flash.input", R"({"crop": 9})"}}) {
        OnnxWriter bad({1, 3, 8, 8});
        bad.metadata(key, value);
        EXPECT_THROW(import_onnx(bad.finish(bad.node("GlobalAveragePool", {conv(bad, bad.input, 3, 2, 3)})), "file"),
                     Error)
            << value;
    }
}

TEST(Import, TruncatedAndRandomBytesNeverCrash) {
    OnnxWriter w({-1, 3, 8, 8});
    const Name v = square_plus(w, norm(w, conv(w, w.input, 3, 4, 3, 1), 4));
    const Name pooled = w.node("AveragePool", {v}, {{"kernel_shape", std::vector<I>{2, 2}}});
    const std::vector<std::uint8_t> good =
        w.finish(w.node("Gemm", {w.node("Reshape", {pooled, w.integers({1, -1})}), w.floats({2, 196}, noise(392, 3))},
                        {{"transB", 1}}));
    const auto attempt = [](std::span<const std::uint8_t> bytes) {
        try {
            import_onnx(bytes, "x");
            return false;
        } catch (const Error&) {
            return true;
        }
    };
    EXPECT_FALSE(attempt(good));
    for (std::size_t size = 0; size < good.size(); size += 1 + size / 64)
        EXPECT_TRUE(attempt(std::span(good).first(size))) << size;
    std::mt19937_64 random(4);
    for (int round = 0; round < 4000; ++round) {
        std::vector<std::uint8_t> bad = good;
        for (std::size_t i = 0; i <= random() % 4; ++i)
            bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
        attempt(bad);
    }
    EXPECT_THROW(import_onnx(std::filesystem::path("/nonexistent.onnx")), Error);
}

}  // namespace
}  // namespace flash::compiler
