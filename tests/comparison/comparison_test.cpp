// The benchmark library: layer texts, samples, replay, and what its reports hold. Nothing here looks at how long
// something took.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <tuple>

#include "base/cores.h"
#include "base/error.h"
#include "comparison/layer_bench.h"
#include "comparison/machine.h"
#include "comparison/network_bench.h"
#include "comparison/pictures.h"
#include "comparison/plain_graph.h"
#include "comparison/replay.h"
#include "comparison/scaling.h"
#include "data/npy.h"
#include "model/arithmetic.h"
#include "model/twin.h"
#include "packing/upload_bits.h"
#include "protocol/local_session.h"
#include "protocol/message_types.h"
#include "support/random_model.h"

namespace flash::comparison {

using protocol::Connection;
using protocol::LocalSession;
namespace {

std::vector<std::int32_t> input_of(const model::Model& model) {
    std::mt19937 random(5);
    std::vector<std::int32_t> input(static_cast<std::size_t>(model.architecture.input.size()));
    for (auto& value : input) value = static_cast<std::int32_t>(random() % 101) - 50;
    return input;
}

/// A model of two layers, so that there is an activation: a 3x3 convolution and one that sums its channels.
model::Model two_layer_model() {
    model::Model model = one_layer_model(parse_layer_shape("2x6x6-3-3x3s1"), 3, model::kDefaultDegree);
    model.architecture.layers[0].activation = true;
    model::LayerWeights& first = model.weights.layers[0];
    first.kappa = {5, -3, 0};
    first.offset = {0, 1, -1};
    first.y_scale = {1, 1, 1};
    first.terms[0].multiplier = 150;
    model::Layer last = model.architecture.layers[0];
    last.name = "last";
    last.activation = false;
    last.share_bits = 16;
    last.output = {2, 6, 6};
    last.terms[0].source = 1;
    last.terms[0].window = {};
    model.architecture.layers.push_back(last);
    model::LayerWeights weights;
    weights.terms.resize(1);
    weights.terms[0].weights = {1, 2, -3, 4, -5, 6};
    weights.bias = {0, 7};
    weights.x_scale = {1, 1};
    model.weights.layers.push_back(weights);
    packing::choose_upload_bits(model.architecture, model.weights);
    model::validate(model);
    return model;
}

std::map<std::tuple<transport::MessageType, std::uint32_t, std::uint32_t>, std::vector<std::uint8_t>> by_place(
    const std::vector<transport::Message>& messages) {
    std::map<std::tuple<transport::MessageType, std::uint32_t, std::uint32_t>, std::vector<std::uint8_t>> sorted;
    for (const auto& message : messages) sorted[{message.type, message.layer, message.index}] = message.payload;
    return sorted;
}

TEST(LayerShape, ReadsAndWrites) {
    const LayerShape shape = parse_layer_shape("3x224x224-64-7x7s2");
    EXPECT_EQ(shape.input, (model::Shape{3, 224, 224}));
    EXPECT_EQ(shape.output(), (model::Shape{64, 112, 112}));
    EXPECT_EQ(shape.window, (model::Window{7, 7, 2, 2, 3, 3, 3, 3}));
    EXPECT_EQ(shape.multiply_adds(), 64LL * 112 * 112 * 3 * 49);
    for (const char* text :
         {"3x224x224-64-7x7s2", "16x32x32-16-3x3s1", "4x5x6-7-1x1s1", "8x8x8-2-3x3s1p0", "8x8x8-2-1x5s1p2"})
        EXPECT_EQ(parse_layer_shape(text).text(), text);
    EXPECT_EQ(parse_layer_shape("4x8x8-4-3x3").window.stride_h, 1);
    for (const std::string& text : default_layer_shapes()) EXPECT_EQ(parse_layer_shape(text).text(), text);
}

TEST(LayerShape, RefusesNonsense) {
    for (const char* text : {"", "3", "3x4", "3x4x5", "3x4x5-6", "3x4x5-6-", "3x4x5-6-3x", "0x4x5-6-3x3", "3x4x5-0-3x3",
                             "3x4x5-6-3x3s0", "3x4x5-6-3x3s1q", "3x4x5-6-3x3s1p", "-3x4x5-6-3x3", "3x4x5-6-9x9s1p0",
                             "99999x4x5-6-3x3", "3 x4x5-6-3x3", "99999999999999999999x1x1-1-1x1"}) {
        try {
            parse_layer_shape(text);
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << text;
            EXPECT_NE(std::string(error.what()).find("64x56x56-64-3x3s1"), std::string::npos)
                << "the message shows how it is written";
        }
    }
}

TEST(Samples, MedianAndExtremes) {
    Samples samples;
    EXPECT_THROW(samples.median(), Error);
    for (double s : {3.0, 1.0, 2.0}) samples.add(s);
    EXPECT_EQ(samples.median(), 2);
    samples.add(10);
    EXPECT_EQ(samples.median(), 2.5);
    EXPECT_EQ(samples.min(), 1);
    EXPECT_EQ(samples.max(), 10);
    const nlohmann::json json = to_json(samples);
    EXPECT_EQ(json["runs_s"].size(), 4u);
    EXPECT_EQ(json["median_s"], 2.5);
    Samples twice;
    for (double s : {2.0, 4.0, 6.0, 20.0}) twice.add(s);
    EXPECT_EQ(ratio_json(twice, samples)["median"], 2);
    EXPECT_EQ(ratio_json(twice, samples)["best"], 2);
    EXPECT_EQ(ratio_json(twice, samples)["disturbed"], true);
    EXPECT_EQ(ratio_text(twice, samples), "~2.00 (2.00)");
    Samples calm;
    for (double s : {1.0, 1.1, 1.2}) calm.add(s);
    EXPECT_FALSE(calm.disturbed());
    EXPECT_EQ(ratio_text(calm, calm), "1.00 (1.00)");
    EXPECT_EQ(human_seconds(0.0123), "12.3 ms");
    EXPECT_EQ(human_seconds(1.5), "1.50 s");
    EXPECT_EQ(human_seconds(2e-5), "20.0 us");
}

TEST(Samples, CallsAreCounted) {
    int calls = 0;
    seconds_per_call([&] { ++calls; }, 7);
    EXPECT_EQ(calls, 7);
    EXPECT_GE(calls_that_last([] {}, 0), 1);
}

TEST(Replay, ServerSaysTheSameAgain) {
    const model::Model source = two_layer_model();
    const protocol::PreparedModel model(source);
    const Recording recording = record_inference(model, input_of(source), 1, 2);
    const auto recorded = by_place(recording.server);
    EXPECT_EQ(recorded.size(), recording.server.size());
    for (int repetition = 0; repetition < 3; ++repetition) {
        std::vector<transport::Message> said;
        ReplayChannel channel(recording, [&](const transport::Message& message) { said.push_back(message); });
        replay_server(model, recording, channel);
        EXPECT_EQ(said.size(), recording.server.size());
        EXPECT_TRUE(by_place(said) == recorded);
        EXPECT_EQ(channel.traffic().messages_received, recording.client.size());
        EXPECT_GE(channel.seconds_between(protocol::message_type::kUpload, protocol::message_type::kLinearResponse), 0);
        EXPECT_THROW(channel.seconds_between(protocol::message_type::kUpload, protocol::message_type::kUpload), Error);
    }
    // Another seed says something else: keys, masks and the public seed of the slots all come from it.
    Recording other = recording;
    other.server_seed = 3;
    std::vector<transport::Message> said;
    ReplayChannel channel(other, [&](const transport::Message& message) { said.push_back(message); });
    replay_server(model, other, channel);
    const auto differing = by_place(said);
    for (const auto& [place, payload] : recorded)
        EXPECT_NE(differing.at(place), payload) << protocol::name_of(std::get<0>(place));
}

TEST(Replay, ScalingPoints) {
    const model::Model source = two_layer_model();
    const protocol::PreparedModel model(source);
    const int cores = available_cores();
    const auto points = measure_scaling(model, input_of(source), 2, 2);
    ASSERT_EQ(points.size(), 2u);
    EXPECT_EQ(points[0].threads, 1);
    EXPECT_EQ(points[1].threads, 2);
    const nlohmann::json json = to_json(points);
    EXPECT_EQ(json[1]["runs_s"].size(), 2u);
    EXPECT_EQ(json[0]["speedup"]["median"], 1);
    EXPECT_EQ(available_cores(), cores) << "all cores are given back";
}

TEST(LocalSession, EveryConnectionGivesTheTwinsAnswer) {
    const model::Model source = two_layer_model();
    const protocol::PreparedModel model(source);
    const auto input = input_of(source);
    const model::TwinResult twin = model::Twin(source).run(input);
    ASSERT_EQ(twin.overflows, 0);
    const transport::LinkModel slow{1e9, 1e-3};
    for (const Connection& connection :
         {Connection{}, Connection{true, {}}, Connection{false, slow}, Connection{true, slow}}) {
        LocalSession session(model, connection);
        for (int run = 0; run < 2; ++run) {
            const protocol::ClientResult answer = session.infer(input);
            EXPECT_EQ(answer.traffic.bytes_sent, model.cost().up());
            EXPECT_EQ(answer.traffic.bytes_received, model.cost().down());
            // One unit of rounding in each layer: the first one's, of at most 254 units, is squared and summed with
            // weights of 21 in all.
            ASSERT_EQ(answer.x.size(), twin.output.size());
            for (std::size_t i = 0; i < twin.output.size(); ++i) EXPECT_NEAR(answer.x[i], twin.output[i], 44);
            EXPECT_GT(*std::ranges::max_element(twin.output), 100) << "or the comparison would mean little";
        }
    }
}

TEST(LayerBench, Report) {
    LayerOptions options;
    options.runs = 2;
    const LayerResult result = measure_layer(parse_layer_shape("4x8x8-6-3x3s2"), options);
    const nlohmann::json json = to_json(result);
    EXPECT_EQ(json["layer"], "4x8x8-6-3x3s2");
    EXPECT_EQ(json["multiply_adds"], 6 * 4 * 4 * 4 * 9);
    EXPECT_GE(json["ring_multiply_adds"], json["multiply_adds"]);
    EXPECT_GT(json["upload_ciphertexts"], 0);
    EXPECT_GT(json["response_ciphertexts"], 0);
    for (int degree : {1024, 2048}) {
        options.degree = degree;
        EXPECT_EQ(measure_layer(parse_layer_shape("4x8x8-6-3x3s2"), options).degree, degree);
    }
    for (const char* part : {"product", "online"}) {
        EXPECT_EQ(json[part]["runs_s"].size(), 2u) << part;
        EXPECT_GT(json[part]["median_s"], 0) << part;
        EXPECT_LE(json[part]["min_s"], json[part]["max_s"]) << part;
    }
}

TEST(NetworkBench, Report) {
    NetworkCommand command;
    command.runs = 2;
    command.inputs = 3;
    command.link_runs = 2;
    command.scaling = true;
    command.links = {"none", "1G,1ms"};
    const nlohmann::json json = to_json(measure_network(two_layer_model(), command));
    EXPECT_EQ(json["activation_values"], 3 * 6 * 6);
    EXPECT_EQ(json["activation_layers"], 1);
    EXPECT_EQ(json["multiply_adds"], 3 * 36 * 2 * 9 + 2 * 36 * 3);
    EXPECT_EQ(json["server_scaling"].size() >= 2, true);
    ASSERT_EQ(json["connections"].size(), 3u);
    EXPECT_EQ(json["connections"][1]["link"], "none");
    EXPECT_EQ(json["connections"][2]["connection"], "tls, 1G,1ms");
    for (const auto& connection : json["connections"]) {
        const std::size_t runs = connection["link"] == "none" ? 3 : 2;  // one for each picture, but over emulated links
        EXPECT_EQ(connection["runs_s"].size(), runs);
        EXPECT_EQ(connection["correctness"]["runs"], runs);
        EXPECT_EQ(connection["round_trips"], 2);
        EXPECT_GT(connection["bytes_down"], connection["bytes_up"]);
        EXPECT_EQ(connection["correctness"]["correct"], true) << connection.dump(2);
    }
    EXPECT_LT(json["audit"]["largest_rounding_error"], 1.5);
    EXPECT_EQ(json["audit"]["wrong_activations"], 0);
    ASSERT_EQ(json["pictures"].size(), 3u);
    EXPECT_EQ(json["pictures"][0]["runs"], 3);
    EXPECT_EQ(json["pictures"][2]["runs"], 2);
    for (const auto& picture : json["pictures"]) EXPECT_LE(picture["largest_logit_difference"], picture["logit_bound"]);
}

TEST(NetworkBench, AGuardStandsBesideEachConnection) {
    NetworkCommand command;
    command.runs = command.inputs = 1;
    command.links = {"1G,1ms"};
    command.guard = true;
    // Layers of activations that share a chunk of vectors, if nobody guards them.
    const NetworkResult result = measure_network(flash::testing::random_model(11), command);
    ASSERT_EQ(result.connections.size(), 6u);
    for (std::size_t i = 0; i < result.connections.size(); i += 2) {
        const ConnectionResult &without = result.connections[i], &with = result.connections[i + 1];
        EXPECT_EQ(with.name, without.name + ", guard");
        EXPECT_GT(with.bytes_down, without.bytes_down);
        EXPECT_TRUE(result.correct(with));
    }
}

TEST(NetworkBench, WrongLogitsAreNoticed) {
    NetworkCommand command;
    command.inputs = command.runs = 2;
    NetworkResult result = measure_network(two_layer_model(), command);
    ASSERT_TRUE(result.correct(result.connections[1]));
    ConnectionResult changed = result.connections[1];
    changed.checks[1].largest_logit_difference = result.pictures.all[1].logit_bound * 1.01;
    EXPECT_FALSE(result.correct(changed)) << "one picture is enough";
    result.connections[1] = changed;
    const nlohmann::json json = to_json(result);
    EXPECT_EQ(json["connections"][1]["correctness"]["correct"], false);
    EXPECT_EQ(json["connections"][0]["correctness"]["correct"], true);
    EXPECT_EQ(json["connections"][1]["correctness"]["logit_bound"], result.pictures.all[1].logit_bound)
        << "the worst picture is reported";
    result.audit.wrong_activations = 1;
    EXPECT_FALSE(result.correct(result.connections[0]));
}

TEST(Pictures, ThoseOutOfRangeArePassedOver) {
    const model::Model model = two_layer_model();
    const model::Twin twin(model);
    // Every second picture is as large as the input may be, which leaves the range; npy files hold what the network
    // takes.
    std::vector<float> pixels;
    for (int picture = 0; picture < 6; ++picture)
        for (std::int64_t i = 0; i < model.architecture.input.size(); ++i)
            pixels.push_back(static_cast<float>(
                (picture % 2 == 0 ? model.architecture.input_limit : static_cast<std::int32_t>(20 - i % 40)) *
                model.architecture.input_scale));
    ASSERT_GT(twin.run(model::quantise_input(model.architecture, std::span(pixels).first(static_cast<std::size_t>(
                                                                     model.architecture.input.size()))))
                  .overflows,
              0);
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("flash-bench-" + std::to_string(getpid()) + ".npy");
    data::write_npy(file.string(), {6, 2, 6, 6}, pixels);
    const Pictures two = choose_pictures("npy:" + file.string(), 2, model.architecture, twin),
                   many = choose_pictures("npy:" + file.string(), 100, model.architecture, twin);
    std::filesystem::remove(file);
    EXPECT_EQ(two.all.size(), 2u);
    EXPECT_EQ(many.all.size(), 3u) << "all that are left";
    EXPECT_EQ(many.skipped, 3);
    for (const Picture& picture : many.all) {
        EXPECT_EQ(twin.run(picture.input).overflows, 0);
        EXPECT_EQ(picture.logits, twin.run(picture.input).logits);
        EXPECT_GE(picture.logit_bound, model.architecture.output_scale);
    }
}

TEST(PlainGraph, OfACompiledModel) {
    const model::Model model = two_layer_model();
    const compiler::FloatGraph graph = graph_of(model.architecture);
    ASSERT_EQ(graph.nodes.size(), 2u);
    EXPECT_EQ(graph.multiply_adds(), 3 * 36 * 2 * 9 + 2 * 36 * 3);
    EXPECT_EQ(graph.nodes[0].activation->c[0], -0.25);
    EXPECT_FALSE(graph.nodes[1].activation);
    EXPECT_EQ(graph.nodes[1].inputs, std::vector<int>{1});
    EXPECT_EQ(graph.nodes[1].output, model.architecture.output_shape());
}

}  // namespace
}  // namespace flash::comparison
