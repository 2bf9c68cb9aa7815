// The public headers, used as a user would: compile, serve, ask, cancel.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "flash/client.h"
#include "flash/compiler.h"
#include "flash/data.h"
#include "flash/log.h"
#include "flash/plan.h"
#include "flash/server.h"
#include "transport/address.h"
#include "transport/bound_socket.h"

namespace flash {
namespace {

const std::filesystem::path kSource = FLASH_SOURCE_DIR;

std::vector<std::filesystem::path> pictures() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "examples" / "pictures"))
        if (entry.path().extension() == ".jpg") found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

/// The demonstration model, compiled once by way of the public headers.
const Compiled& compiled() {
    static const Compiled made = [] {
        const Network network = Network::read(kSource / "models" / "cifar10" / "cifar10.onnx");
        std::vector<std::vector<float>> calibration;
        for (const auto& picture : pictures()) calibration.push_back(prepare(network.info(), picture));
        CompileOptions options;
        options.name = "through-the-library";
        return network.compile(calibration, options);
    }();
    return made;
}

ErrorKind kind_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kInternal;
}

TEST(Library, InferencesAtATimeAreANumberWithinReason) {
    for (const int bad : {0, -1, 65})
        EXPECT_EQ(kind_of([&] { Client({.address = "127.0.0.1:1", .in_flight = bad}); }), ErrorKind::kInvalidArgument);
}

TEST(Library, CompilesAndReports) {
    const Compiled& made = compiled();
    EXPECT_EQ(made.model.info().name, "through-the-library");
    EXPECT_EQ(made.model.info().input, (Shape3{3, 32, 32}));
    EXPECT_EQ(made.model.info().classes.size(), 10u);
    EXPECT_EQ(made.model.info().fingerprint.size(), 64u);
    EXPECT_EQ(made.report.layers.size(), static_cast<std::size_t>(made.model.info().layers));
    EXPECT_GT(made.report.snr_db, 20);
    EXPECT_GE(made.report.agreement, 0.6);
}

TEST(Library, PicturesAreForNetworksOfWhichItIsKnownHow) {
    Network network = Network::read(kSource / "tests" / "fixtures" / "onnx" / "residual_opset13.onnx");
    EXPECT_FALSE(network.info().takes_pictures);
    EXPECT_EQ(kind_of([&] { prepare(network.info(), pictures().front()); }), ErrorKind::kInvalidArgument);
    // A mean without a std is a rule, too.
    PictureRule rule;
    rule.crop_height = network.info().input.height;
    rule.crop_width = network.info().input.width;
    rule.mean.assign(static_cast<std::size_t>(network.info().input.channels), 0.5F);
    network.set_pictures(rule);
    EXPECT_TRUE(network.info().takes_pictures);
    std::vector<std::vector<float>> calibration;
    for (std::size_t i = 0; i < 8; ++i) {
        std::vector<float> input(network.info().input.size());
        for (std::size_t k = 0; k < input.size(); ++k) input[k] = static_cast<float>((7 * i + k) % 11) / 11 - 0.5F;
        calibration.push_back(std::move(input));
    }
    CompileOptions options;
    options.least_agreement = 0;
    EXPECT_TRUE(network.compile(calibration, options).model.info().takes_pictures);
}

TEST(Library, SavesAndLoads) {
    const auto path = std::filesystem::temp_directory_path() / "flash-library-test.flash";
    compiled().model.save(path);
    const Model again = Model::load(path);
    std::filesystem::remove(path);
    EXPECT_EQ(again.info().fingerprint, compiled().model.info().fingerprint);
    const std::vector<float> input = prepare(again.info(), pictures().front());
    EXPECT_EQ(again.evaluate(input).logits, compiled().model.evaluate(input).logits);
    EXPECT_EQ(kind_of([&] { Model::load(path); }), ErrorKind::kFile);
}

TEST(Library, AnswersPrivatelyWhatTheTwinSays) {
    Server server(compiled().model);
    Client client({.address = server.address(), .pin = server.pin()});
    EXPECT_EQ(client.model().fingerprint, compiled().model.info().fingerprint);
    for (const auto& picture : pictures()) {
        const std::vector<float> input = prepare(client.model(), picture);
        double last = 0;
        const Answer answer = client.infer(input, [&](double fraction) { last = fraction; });
        EXPECT_EQ(last, 1);
        const TwinAnswer twin = compiled().model.evaluate(input);
        ASSERT_EQ(answer.logits.size(), twin.logits.size());
        const auto best = best_classes(client.model(), answer.logits);
        EXPECT_EQ(best.front().index, best_classes(client.model(), twin.logits).front().index);
        EXPECT_EQ(best.size(), 5u);
        EXPECT_EQ(answer.bytes_sent, client.model().upload_bytes);
        EXPECT_EQ(answer.bytes_received, client.model().download_bytes);
        EXPECT_EQ(answer.unreliable, "");
        EXPECT_GT(answer.seconds, 0);
    }
    // The server counts an answer when the client has said that it has it, which the client does not wait for.
    for (int i = 0; i < 500 && server.inferences() < pictures().size(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(server.inferences(), pictures().size());
    server.stop();
    const ErrorKind kind = kind_of([&] { client.infer(prepare(client.model(), pictures().front())); });
    // On the connection that it has; or anew, where it has heard that this one is over.
    EXPECT_TRUE(kind == ErrorKind::kRemote || kind == ErrorKind::kNetwork) << to_string(kind);
}

class AtATime : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Library, AtATime, ::testing::Values(1, 3));

TEST_P(AtATime, RunsSeveralAtOnceAndCancels) {
    Server server(compiled().model);
    Client client({.address = server.address(), .pin = server.pin(), .in_flight = GetParam()});
    EXPECT_EQ(client.in_flight(), GetParam());
    const std::vector<float> input = prepare(client.model(), pictures().front());
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 3; ++i) answers.push_back(client.infer_async(input));
    const int best = best_classes(client.model(), compiled().model.evaluate(input).logits).front().index;
    for (auto& answer : answers) EXPECT_EQ(best_classes(client.model(), answer.get().logits).front().index, best);

    std::stop_source source;
    auto cancelled = client.infer_async(
        input, [&](double) { source.request_stop(); }, source.get_token());
    EXPECT_EQ(kind_of([&] { cancelled.get(); }), ErrorKind::kCancelled);
    EXPECT_EQ(kind_of([&] { client.infer(input, {}, source.get_token()); }), ErrorKind::kCancelled);
    EXPECT_EQ(best_classes(client.model(), client.infer(input).logits).front().index, best);  // on a new connection
    const auto broken = [](double) { throw std::length_error("the caller's own"); };
    EXPECT_THROW(client.infer(input, broken), std::length_error);
    EXPECT_EQ(best_classes(client.model(), client.infer(input).logits).front().index, best);
}

TEST(Library, CancelsWhileItConnects) {
    using namespace std::chrono_literals;
    auto server = std::make_unique<Server>(compiled().model);
    const std::string address = server->address(), pin = server->pin();
    Client client({.address = address, .pin = pin, .timeout = 60s});
    const std::vector<float> input = prepare(client.model(), pictures().front());
    server.reset();
    EXPECT_THROW(client.infer(input), Error);                                // on the connection that it has
    const transport::BoundSocket silent(transport::parse_address(address));  // connections wait there for ever
    std::stop_source source;
    auto anew = client.infer_async(input, {}, source.get_token());
    auto behind = client.infer_async(input, {}, source.get_token());  // one of the two waits for the other's connection
    auto first = std::async(std::launch::async,
                            [&] { Client({.address = address, .pin = pin, .timeout = 60s}, source.get_token()); });
    EXPECT_EQ(anew.wait_for(200ms), std::future_status::timeout);
    const auto begin = std::chrono::steady_clock::now();
    source.request_stop();
    EXPECT_EQ(kind_of([&] { anew.get(); }), ErrorKind::kCancelled);
    EXPECT_EQ(kind_of([&] { behind.get(); }), ErrorKind::kCancelled);
    EXPECT_EQ(kind_of([&] { first.get(); }), ErrorKind::kCancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST(Library, RefusesWhatDoesNotFit) {
    Server server(compiled().model);
    EXPECT_EQ(kind_of([&] { Client({.address = server.address(), .pin = "sha256:" + std::string(64, '0')}); }),
              ErrorKind::kNetwork);
    EXPECT_EQ(kind_of([&] {
                  Client({.address = server.address(), .pin = server.pin(), .fingerprint = std::string(64, '0')});
              }),
              ErrorKind::kProtocol);
    EXPECT_EQ(kind_of([&] { Client({.address = server.address(), .pin = server.pin(), .fingerprint = "abc"}); }),
              ErrorKind::kInvalidArgument);
    Client client({.address = server.address(), .pin = server.pin()});
    std::vector<float> input(client.model().input.size());
    input[7] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(kind_of([&] { client.infer(input); }), ErrorKind::kInvalidArgument);
    input.pop_back();
    EXPECT_EQ(kind_of([&] { client.infer(input); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { prepare(client.model(), Pixels{{}, 4, 4, 3}); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { Network::read("/nonexistent.onnx"); }), ErrorKind::kFile);
    ServerOptions half;
    half.key = "key.pem";
    EXPECT_EQ(kind_of([&] { Server(compiled().model, half); }), ErrorKind::kInvalidArgument);
}

TEST(Library, PlansWhatAnInferenceSends) {
    const Model& model = compiled().model;
    const Plan plan = flash::plan(model, {.link = "100M,20ms", .cores = 1});
    EXPECT_EQ(plan.upload_bytes, model.info().upload_bytes);
    EXPECT_EQ(plan.download_bytes, model.info().download_bytes);
    ASSERT_EQ(plan.layers.size(), static_cast<std::size_t>(model.info().layers));
    std::int64_t values = 0;
    double seconds = plan.start_seconds;
    for (const LayerPlan& layer : plan.layers) {
        values += layer.activation_values;
        seconds += layer.seconds;
        EXPECT_FALSE(layer.waits_for.empty());
        EXPECT_GT(layer.server_memory, 0u);
    }
    EXPECT_EQ(values, model.info().activation_values);
    EXPECT_NEAR(seconds, plan.seconds, 1e-9);
    EXPECT_GT(plan.seconds, 8 * static_cast<double>(plan.download_bytes) / 100e6);
    EXPECT_LT(plan.log2_wrong, -30);
    EXPECT_EQ(kind_of([&] { flash::plan(model, {.link = "tin cans"}); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { flash::plan(model, {.cores = -1}); }), ErrorKind::kInvalidArgument);
}

TEST(Library, CompilingCanBeCancelled) {
    const Network network = Network::read(kSource / "models" / "cifar10" / "cifar10.onnx");
    std::vector<std::vector<float>> calibration;
    for (const auto& picture : pictures()) calibration.push_back(prepare(network.info(), picture));
    std::stop_source source;
    CompileOptions options;
    options.progress = [&](double fraction, const std::string&) {
        if (fraction > 0.5) source.request_stop();
    };
    options.stop = source.get_token();
    EXPECT_EQ(kind_of([&] { network.compile(calibration, options); }), ErrorKind::kCancelled);
}

TEST(Library, OpensDataSets) {
    const DataSet set = DataSet::open("images:" + (kSource / "examples" / "pictures").string());
    ASSERT_EQ(set.size(), pictures().size());
    EXPECT_TRUE(set.classes().empty());
    EXPECT_NE(set.description(), "");
    const ModelInfo& info = compiled().model.info();
    for (std::size_t i = 0; i < set.size(); ++i) {
        EXPECT_EQ(set.name(i), pictures()[i].filename());
        EXPECT_EQ(set.label(i), std::nullopt);
        EXPECT_EQ(set.input(i, info), prepare(info, pictures()[i]));
    }
    EXPECT_EQ(kind_of([&] { set.input(set.size(), info); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { DataSet::open("images:/nonexistent"); }), ErrorKind::kFile);
    EXPECT_EQ(kind_of([&] { DataSet::open("pictures"); }), ErrorKind::kInvalidArgument);
}

TEST(Library, LogsToWhoeverListens) {
    std::mutex mutex;
    std::vector<std::string> lines;
    set_log([&](LogLevel level, std::string_view line) {
        const std::lock_guard lock(mutex);
        lines.push_back(to_string(level) + std::string(": ") + std::string(line));
    });
    const auto heard = [&](const std::string& words) {
        const std::lock_guard lock(mutex);
        return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(words) != line.npos; });
    };
    {
        Server server(compiled().model);
        Client client({.address = server.address(), .pin = server.pin()});
        client.infer(prepare(client.model(), pictures().front()));
        EXPECT_EQ(kind_of([&] { Client({.address = server.address(), .pin = "sha256:" + std::string(64, '0')}); }),
                  ErrorKind::kNetwork);
        for (int i = 0; i < 500 && !(heard("inference in") && heard("handshake failed")); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    set_log({});
    EXPECT_TRUE(heard("info: 127.0.0.1:"));
    EXPECT_TRUE(heard("inference in"));
    EXPECT_TRUE(heard("handshake failed"));
}

TEST(Library, PicturesInMemoryAreThoseOfFiles) {
    std::mt19937 random(1);
    std::vector<std::uint8_t> samples(32 * 32 * 3);
    for (auto& sample : samples) sample = static_cast<std::uint8_t>(random());
    const ModelInfo& info = compiled().model.info();
    const std::vector<float> input = prepare(info, Pixels{samples, 32, 32, 3});
    ASSERT_EQ(input.size(), info.input.size());
    // CHW of HWC, normalised
    const std::size_t y = 5, x = 9, c = 2;
    const float pixel = static_cast<float>(samples[(y * 32 + x) * 3 + c]) / 255;
    EXPECT_NEAR(input[(c * 32 + y) * 32 + x], (pixel - info.pictures.mean[c]) / info.pictures.std[c], 1e-5);
}

}  // namespace
}  // namespace flash
