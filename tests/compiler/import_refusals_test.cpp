// What import refuses: with the node's name, the reason and what to do instead.
#include "import_graphs.h"

namespace flash::compiler {
namespace {

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
    const auto padded = [](OnnxWriter& w, const Name& in, I rows) {
        return w.node("Pad", {in, w.integers({0, 0, 0, 0, 0, 0, rows, 0})});
    };
    expect_refused([&](OnnxWriter& w) { return conv(w, padded(w, w.input, 4097), 3, 4, 4, 0, 4); }, no,
                   {"pads by more than 4096 rows"});
    expect_refused([&](OnnxWriter& w) { return conv(w, padded(w, padded(w, w.input, 4000), 97), 3, 4, 4, 0, 4); }, no,
                   {"pads by more than 4096 rows"});
    expect_refused(
        [&](OnnxWriter& w) {
            Name v = w.node("GlobalAveragePool", {body(w)});
            for (int i = 0; i < 3; ++i) v = conv(w, v, 4, 4, 1, 0, 4096);
            return v;
        },
        no, {"more than 4096 pixels"});
    expect_refused(
        [&](OnnxWriter& w) {
            return w.node("Add", {body(w), w.floats({1, 1, 1, 1, 1}, {1})});
        },
        no, {"5 dimensions, the value beside it 4"});
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

TEST(Import, WithoutAWordOfPicturesThereAreNone) {
    const auto imported = [](const char* said) {
        OnnxWriter w({1, 3, 8, 8});
        if (said) w.metadata("flash.input", said);
        return import_onnx(w.finish(w.node("GlobalAveragePool", {conv(w, w.input, 3, 2, 3)})), "file").preprocessing;
    };
    EXPECT_TRUE(imported(nullptr).mean.empty());
    EXPECT_TRUE(imported(nullptr).std.empty());
    for (const char* said : {"{}", R"({"mean": [0, 0, 0], "std": [1, 1, 1]})"}) {
        EXPECT_EQ(imported(said).mean, std::vector<float>(3, 0)) << said;
        EXPECT_EQ(imported(said).std, std::vector<float>(3, 1)) << said;
    }
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
                                                          {"flash.input", R"({"crop": 9})"},
                                                          {"flash.input", R"({"crop": [8, 8, 8]})"},
                                                          {"flash.input", R"({"crop": [8, 8.5]})"},
                                                          {"flash.input", R"({"resize": 8.9})"},
                                                          {"flash.input", R"({"resize": true})"},
                                                          {"flash.input", R"({"resize": -8})"},
                                                          {"flash.input", R"({"resize": 4294967304})"},
                                                          {"flash.input", R"({"mean": [true, 0, 0]})"}}) {
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
