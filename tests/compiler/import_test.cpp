// Operators one by one: the folded network equals the ONNX graph.
#include "import_graphs.h"

namespace flash::compiler {
namespace {

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

}  // namespace
}  // namespace flash::compiler
