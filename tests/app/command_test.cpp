// The `flash` program itself, as separate processes: compile, plan, serve, infer and eval on a small network that
// PyTorch exported, and what each says when something is wrong.
#include "app/command.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "data/image.h"
#include "data/npy.h"

namespace flash {
namespace {

TEST_F(Command, PlansForALinkAndPacksAnew) {
    const std::string anew = dir_ / "anew.flash";
    const Outcome o = flash({"plan", model(), "--link", "10M,5ms", "--cores", "4", "--replan", anew, "--json"});
    ASSERT_EQ(o.status, 0) << o.err;
    const auto json = nlohmann::json::parse(o.out);
    const auto& time = json["time"];
    EXPECT_EQ(time["link"], "10 Mbit/s, 5 ms");
    EXPECT_EQ(time["cores"], 4);
    EXPECT_EQ(time["layers"].size(), json["layers"].size());
    double seconds = time["start_s"];
    for (const auto& layer : time["layers"]) {
        EXPECT_GE(layer["seconds"], 0.005);  // a turn
        seconds += layer["seconds"].get<double>();
    }
    EXPECT_NEAR(seconds, time["seconds"].get<double>(), 1e-9);
    // Packed anew, the group's own packing is the first of its alternatives.
    for (const auto& group : time["groups"]) {
        const auto& first = group["alternatives"][0];
        for (const auto& other : group["alternatives"])
            EXPECT_LE(first["seconds"].get<double>(), 1.002 * other["seconds"].get<double>());
    }
    const Outcome again = flash({"plan", anew, "--bytes-only", "--json"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(nlohmann::json::parse(again.out)["bytes_down"], json["bytes_down"]);
    EXPECT_EQ(flash({"plan", model(), "--link", "fast"}).status, 2);
    EXPECT_EQ(flash({"plan", model(), "--replan", dir_ / "nowhere" / "x.flash"}).status, 5);
}

TEST_F(Command, PrivateAnswerBetweenTwoProcesses) {
    start_server();
    const Outcome plan = flash({"plan", model(), "--bytes-only", "--json"});
    ASSERT_EQ(plan.status, 0) << plan.err;
    const auto planned = nlohmann::json::parse(plan.out);
    const Outcome o = flash(infer({"--json", "--top", "2", "--model", planned["fingerprint"], input_}));
    ASSERT_EQ(o.status, 0) << o.err;
    const auto json = nlohmann::json::parse(o.out);
    const data::NpyArray expected =
        data::read_npy((fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/residual_opset13.output.npy").string());
    // PyTorch's own float output for the same inputs: equal up to the quantisation.
    double signal = 0, noise = 0;
    std::size_t at = 0;
    for (const auto& result : json["results"]) {
        EXPECT_EQ(result["bytes_up"], planned["bytes_up"]);
        EXPECT_EQ(result["bytes_down"], planned["bytes_down"]);
        EXPECT_EQ(result["round_trips"], planned["round_trips"]);
        for (double logit : result["logits"]) {
            signal += std::pow(expected.values.at(at), 2);
            noise += std::pow(expected.values.at(at) - logit, 2);
            ++at;
        }
    }
    EXPECT_EQ(at, expected.values.size());
    EXPECT_GT(10 * std::log10(signal / noise), 20) << "dB";
    // Tables for people, a second session on the same server.
    const Outcome table = flash(infer({input_}));
    EXPECT_EQ(table.status, 0) << table.err;
    EXPECT_NE(table.out.find("round trips"), std::string::npos);
    EXPECT_EQ(stop_server(SIGTERM), 0) << read_file(dir_ / "server.err");
}

TEST_F(Command, SetsWarnOfWhatWasLeftOutOfTheirPictures) {
    const fs::path pictures = dir_ / "pictures", source = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/pictures";
    fs::create_directory(pictures);
    for (const char* name : {"rgba8.png", "rgba16.png", "rgb8.png", "turned.jpg"})
        fs::copy_file(source / name, pictures / name);
    const std::vector<std::string> as_pictures{"--resize", "16", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"};
    const std::string file = dir_ / "pictures.flash";
    std::vector<std::string> compile{"compile", onnx_,   "--calib", "images:" + pictures.string(),
                                     "--force", "--out", file};
    compile.insert(compile.end(), as_pictures.begin(), as_pictures.end());
    const auto expect_counts = [](const std::string& text) {
        EXPECT_THAT(text, ::testing::HasSubstr("left out of 2 of 4 pictures: its transparency"));
        EXPECT_THAT(text, ::testing::HasSubstr("left out of 1 of 4 pictures: its EXIF orientation (6)"));
    };
    const Outcome compiled = flash(compile);
    ASSERT_EQ(compiled.status, 0) << compiled.err;
    expect_counts(compiled.err);
    const Outcome o = flash({"eval", file, "--data", "images:" + pictures.string(), "--json"});
    ASSERT_EQ(o.status, 0) << o.err;
    expect_counts(o.err);
    const auto dropped = nlohmann::json::parse(o.out)["dropped"];
    EXPECT_EQ(dropped.size(), 2u);
    EXPECT_EQ(dropped["its transparency"], 2);
}

TEST_F(Command, CompileRefusesANetworkThatDiverges) {
    // Finite values that the network squares beyond what floats hold.
    const data::NpyArray good = data::read_npy(input_);
    const std::string wild = dir_ / "wild.npy", file = dir_ / "wild.flash";
    data::NpyArray array = good;
    for (float& v : array.values) v = v * 1e30F;
    data::write_npy(wild, array.shape, array.values);
    const Outcome o = flash({"compile", onnx_, "--calib", "npy:" + wild, "--out", file});
    EXPECT_EQ(o.status, 4) << o.err;
    EXPECT_THAT(o.err, ::testing::AnyOf(::testing::HasSubstr("the float network diverges in layer"),
                                        ::testing::HasSubstr("too large for the 32-bit floats")));
    EXPECT_THAT(o.err, ::testing::HasSubstr("Check the image normalisation and the training"));
    EXPECT_FALSE(fs::exists(file));
    EXPECT_EQ(o.out, "");
    // --force does not help: there is nothing to force.
    EXPECT_EQ(flash({"compile", onnx_, "--calib", "npy:" + wild, "--force", "--out", file}).status, 4);
}

TEST_F(Command, ServeFindsABusyPortBeforeItLoadsTheModel) {
    start_server();
    const Outcome o = flash({"serve", dir_ / "none.flash", "--listen", address_, "--cert-dir", dir_ / "other"});
    EXPECT_EQ(o.status, 6);
    EXPECT_THAT(o.err, ::testing::HasSubstr("cannot listen on " + address_));
    EXPECT_FALSE(fs::exists(dir_ / "other")) << "no certificate is made for a server that does not start";
    EXPECT_EQ(flash(infer({input_})).status, 0) << "the other server is not disturbed";
}

TEST_F(Command, OfTwoServersAtTheSameMomentOneIsTold) {
    const std::string file = model();
    start_server();
    stop_server(SIGTERM);  // the port that it had is free
    for (int round = 0; round < 3; ++round) {
        pid_t servers[2];
        for (int i = 0; i < 2; ++i)
            servers[i] = start({"serve", file, "--listen", address_, "--cert-dir", dir_ / "state"},
                               dir_ / ("out" + std::to_string(i)), dir_ / ("err" + std::to_string(i)));
        int status = 0;
        const pid_t loser = waitpid(-1, &status, 0);
        const int lost = loser == servers[0] ? 0 : 1;
        server_ = servers[1 - lost];
        EXPECT_EQ(WEXITSTATUS(status), 6);
        const std::string log = read_file(dir_ / ("err" + std::to_string(lost)));
        EXPECT_THAT(log, ::testing::HasSubstr("cannot listen on " + address_));
        EXPECT_THAT(log, ::testing::Not(::testing::HasSubstr("loaded in"))) << "before it has loaded the model";
        EXPECT_EQ(flash(infer({input_})).status, 0) << "no wait: whoever comes too early is served later";
        stop_server(SIGTERM);
    }
}

TEST_F(Command, ServeKeepsACacheBesideTheModel) {
    const fs::path cache = dir_ / "net.flash.cache";
    const auto serve_once = [&](const std::vector<std::string>& extra) {
        fs::remove(dir_ / "port");
        start_server(extra);
        EXPECT_EQ(flash(infer({input_})).status, 0);
        EXPECT_EQ(stop_server(SIGTERM), 0);
        return read_file(dir_ / "server.out") + read_file(dir_ / "server.err");
    };
    EXPECT_NE(serve_once({"--no-cache"}).find("without the cache"), std::string::npos);
    EXPECT_FALSE(fs::exists(cache));
    EXPECT_NE(serve_once({}).find("wrote the cache"), std::string::npos);
    EXPECT_EQ(fs::status(cache).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_NE(serve_once({}).find("with the cache"), std::string::npos);
    EXPECT_NE(serve_once({"--no-cache"}).find("without the cache"), std::string::npos);
    fs::resize_file(cache, fs::file_size(cache) - 1);
    const std::string mended = serve_once({});
    EXPECT_NE(mended.find("ignored: it is truncated"), std::string::npos) << mended;
    EXPECT_NE(mended.find("wrote the cache"), std::string::npos) << mended;
    // Another place, and one that cannot be written: the server serves all the same.
    EXPECT_NE(serve_once({"--cache", dir_ / "elsewhere"}).find("wrote the cache"), std::string::npos);
    EXPECT_TRUE(fs::exists(dir_ / "elsewhere"));
    const std::string unwritable = serve_once({"--cache", dir_ / "no" / "such" / "file"});
    EXPECT_NE(unwritable.find("no cache for the next start"), std::string::npos) << unwritable;
    EXPECT_EQ(flash({"serve", model(), "--cache", "x", "--no-cache"}).status, 2);
    // Evaluation leaves no cache.
    fs::remove(cache);
    EXPECT_EQ(flash({"eval", model(), "--data", "npy:" + input_.string(), "--private", "1"}).status, 0);
    EXPECT_FALSE(fs::exists(cache));
}

TEST_F(Command, EvalComparesThePrivateRunWithTheTwin) {
    const Outcome o = flash({"eval", model(), "--data", "npy:" + input_.string(), "--private", "2", "--json", "--trace",
                             dir_ / "trace.json"});
    ASSERT_EQ(o.status, 0) << o.err;
    const auto json = nlohmann::json::parse(o.out);
    EXPECT_EQ(json["private"]["wrong_activations"], 0);
    EXPECT_EQ(json["private"]["out_of_range"], 0);
    EXPECT_LT(json["private"]["largest_rounding_error_units"], 1.5);
    EXPECT_LE(json["private"]["largest_difference_over_bound"], 1.0);
    // Both parties of every run in one trace.
    const int runs = json["private"]["runs"];
    std::map<std::pair<int, std::string>, int> events;
    const auto trace = nlohmann::json::parse(read_file(dir_ / "trace.json"));
    for (const auto& event : trace["traceEvents"]) ++events[{event["pid"], event["name"]}];
    for (const char* both : {"setup", "finish"}) {
        EXPECT_GE((events[{1, both}]), runs) << both;  // the client waits between the parts of these
        EXPECT_EQ((events[{2, both}]), runs) << both;
    }
    EXPECT_GT((events[{1, "encrypt"}]), 0);
    EXPECT_GT((events[{2, "linear"}]), 0);
    EXPECT_EQ(flash({"eval", model(), "--data", "npy:" + input_.string(), "--trace", dir_ / "t.json"}).status, 2);
}

TEST_F(Command, ProfilesAndTraces) {
    start_server();
    const Outcome o = flash(infer({"--json", "--profile", "--trace", dir_ / "trace.json", input_}));
    ASSERT_EQ(o.status, 0) << o.err;
    const auto json = nlohmann::json::parse(o.out);
    ASSERT_FALSE(json["results"].empty());
    std::size_t spans = 0;
    for (const auto& result : json["results"]) {
        const auto& profile = result["profile"];
        EXPECT_EQ(profile["party"], "client");
        EXPECT_EQ(profile["seconds"], result["seconds"]["total"]);
        // Every byte belongs to a layer and a phase.
        std::uint64_t up = 0, down = 0;
        for (const auto& entry : profile["entries"]) {
            up += entry["bytes_sent"].get<std::uint64_t>();
            down += entry["bytes_received"].get<std::uint64_t>();
            spans += entry["spans"].get<std::size_t>();
        }
        EXPECT_EQ(up, result["bytes_up"]);
        EXPECT_EQ(down, result["bytes_down"]);
    }
    const auto trace = nlohmann::json::parse(read_file(dir_ / "trace.json"));
    EXPECT_EQ(trace["traceEvents"].size(), spans + 1);  // and the name of the process

    const Outcome plain = flash(infer({"--json", input_}));
    EXPECT_FALSE(nlohmann::json::parse(plain.out)["results"][0].contains("profile"));
    const Outcome table = flash(infer({"--profile", input_}));
    EXPECT_EQ(table.status, 0) << table.err;
    EXPECT_NE(table.out.find("ms from begin to end"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("wait linear"), std::string::npos) << table.out;
    const Outcome full = flash(infer({"--trace", "/dev/full", input_}));
    EXPECT_EQ(full.status, 5);
    EXPECT_NE(full.err.find("cannot write '/dev/full': writing: No space left on device"), std::string::npos)
        << full.err;
    EXPECT_EQ(flash(infer({"--trace", dir_ / "no/such/dir/trace.json", input_})).status, 5);
}

TEST_F(Command, RefusesWhatItCannotRun) {
    const fs::path fixtures = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx";
    const std::string calibration = "npy:" + input_.string();
    const Outcome relu =
        flash({"compile", fixtures / "refuse_relu.onnx", "--calib", calibration, "--out", dir_ / "x.flash"});
    EXPECT_EQ(relu.status, 3);
    EXPECT_NE(relu.err.find("Relu"), std::string::npos) << relu.err;
    EXPECT_NE(relu.err.find("x*x + x"), std::string::npos) << relu.err;
    const Outcome pool =
        flash({"compile", fixtures / "refuse_maxpool.onnx", "--calib", calibration, "--out", dir_ / "x.flash"});
    EXPECT_EQ(pool.status, 3);
    EXPECT_NE(pool.err.find("MaxPool"), std::string::npos) << pool.err;
    EXPECT_FALSE(fs::exists(dir_ / "x.flash"));
    EXPECT_EQ(flash({"compile", onnx_, "--calib", "cifar10:" + (dir_ / "nowhere").string()}).status, 5);
    EXPECT_EQ(flash({"compile"}).status, 2);
    EXPECT_EQ(flash({"frobnicate"}).status, 2);
    EXPECT_EQ(flash({"plan", onnx_}).status, 5);
}

TEST_F(Command, DamagedModelFiles) {
    const std::string good = read_file(model());
    const auto plan_of = [&](const std::string& bytes) {
        std::ofstream(dir_ / "bad.flash", std::ios::binary) << bytes;
        return flash({"plan", dir_ / "bad.flash"});
    };
    EXPECT_EQ(plan_of(good).status, 0);
    EXPECT_EQ(plan_of(good.substr(0, good.size() / 2)).status, 5);
    EXPECT_EQ(plan_of("").status, 5);
    std::string flipped = good;
    flipped[flipped.size() - 100] = static_cast<char>(flipped[flipped.size() - 100] ^ 1);
    const Outcome o = plan_of(flipped);
    EXPECT_EQ(o.status, 5);
    EXPECT_NE(o.err.find("checksum"), std::string::npos) << o.err;
    // A full disk, or a directory that is not there: what was stored before stays as it was.
    const Outcome full =
        flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--out", dir_ / "no/such/dir/net.flash"});
    EXPECT_EQ(full.status, 5);
    EXPECT_EQ(read_file(dir_ / "net.flash"), good);
}

TEST_F(Command, ClientRefusesWrongServersModelsAndPictures) {
    start_server();
    const std::string pin = "sha256:" + std::string(64, '0');
    const Outcome wrong_pin = flash({"infer", "--server", address_, "--pin", pin, input_});
    EXPECT_EQ(wrong_pin.status, 6);
    EXPECT_NE(wrong_pin.err.find("sha256:"), std::string::npos) << wrong_pin.err;
    EXPECT_EQ(flash({"infer", "--server", address_, input_}).status, 6)
        << "a self-signed certificate that nobody vouched for";
    const Outcome wrong_model = flash(infer({"--model", std::string(64, 'a'), input_}));
    EXPECT_NE(wrong_model.status, 0);
    EXPECT_NE(wrong_model.err.find("fingerprint"), std::string::npos) << wrong_model.err;
    // Pictures of the wrong shape or type.
    data::write_npy((dir_ / "small.npy").string(), {1, 1, 2, 2}, std::vector<float>(4));
    EXPECT_EQ(flash(infer({dir_ / "small.npy"})).status, 2);
    data::write_npy((dir_ / "nan.npy").string(),
                    {data::read_npy(input_.string()).shape[1], data::read_npy(input_.string()).shape[2],
                     data::read_npy(input_.string()).shape[3]},
                    std::vector<float>(
                        data::read_npy(input_.string()).values.size() / data::read_npy(input_.string()).shape[0], NAN));
    EXPECT_EQ(flash(infer({dir_ / "nan.npy"})).status, 5);
    std::ofstream(dir_ / "text.png") << "this is no picture";
    EXPECT_EQ(flash(infer({dir_ / "text.png"})).status, 5);
    EXPECT_EQ(flash(infer({dir_ / "absent.png"})).status, 5);
    // After all that the server still serves.
    EXPECT_EQ(flash(infer({input_})).status, 0);
}

TEST_F(Command, ADeadServerIsAnErrorNotAHang) {
    start_server();
    // Enough inputs that the client is in the middle of them when the server dies.
    std::vector<std::string> rest{"--timeout", "5"};
    for (int i = 0; i < 200; ++i) rest.push_back(input_);
    const auto begin = std::chrono::steady_clock::now();
    const pid_t client = start(infer(rest), dir_ / "out", dir_ / "err");
    std::this_thread::sleep_for(700ms);
    stop_server(SIGKILL);
    EXPECT_EQ(wait_for(client), 6) << read_file(dir_ / "err");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
    EXPECT_NE(read_file(dir_ / "err").find("flash: "), std::string::npos);
}

TEST_F(Command, ADeadClientDoesNotStopTheServer) {
    start_server();
    std::vector<std::string> rest;
    for (int i = 0; i < 200; ++i) rest.push_back(input_);
    const pid_t client = start(infer(rest), dir_ / "out", dir_ / "err");
    std::this_thread::sleep_for(700ms);
    kill(client, SIGKILL);
    wait_for(client);
    EXPECT_EQ(flash(infer({input_})).status, 0);
}

TEST_F(Command, BenchReportsAreComplete) {
    const Outcome layers =
        flash({"bench", "layers", "--layer", "4x8x8-4-3x3s1", "--runs", "2", "--threads", "1", "--json", "-"});
    ASSERT_EQ(layers.status, 0) << layers.err;
    const auto l = nlohmann::json::parse(layers.out);
    EXPECT_EQ(l["kind"], "flash bench layers");
    ASSERT_EQ(l["layers"].size(), 1u);
    for (const char* key : {"cpu", "cores", "instruction_sets", "compiler", "date", "load", "plain_library"})
        EXPECT_TRUE(l["machine"].contains(key)) << key;

    const fs::path file = dir_ / "network.json";
    const Outcome network = flash({"bench", "network", model(), "--onnx", onnx_, "--data", "npy:" + input_.string(),
                                   "--runs", "2", "--inputs", "2", "--scaling", "--json", file});
    ASSERT_EQ(network.status, 0) << network.err;
    EXPECT_NE(network.out.find("bytes per activation value"), std::string::npos) << "a table as well";
    const auto n = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(n["kind"], "flash bench network");
    for (const auto& connection : n["connections"])
        EXPECT_EQ(connection["correctness"]["correct"], true) << connection.dump();

    ASSERT_FALSE(n["pictures"].empty());
    for (const auto& picture : n["pictures"]) {
        EXPECT_GE(picture["runs"], 2) << "in memory and over TLS";
        EXPECT_LE(picture["largest_logit_difference"], picture["logit_bound"]);
        EXPECT_GT(picture["logit_bound"], 0);
    }

    // The plain side is there exactly if the library was when Flash was built.
    const bool plain = l["machine"]["plain_library"].is_string();
    for (const auto& part : {l["layers"][0], n}) {
        EXPECT_EQ(part["plain"].is_null(), !plain);
        if (plain) {
            EXPECT_EQ(part["plain"]["runs_s"].size(), 2u);
        }
    }
    EXPECT_EQ(n["plain_original"].is_null(), !plain);
    if (plain) {
        EXPECT_LT(n["plain_original"]["largest_difference"], 1e-3) << "what is timed computes the network";
        EXPECT_EQ(n["plain_original"]["multiply_adds"], n["multiply_adds"]) << "this network has nothing to fold";
        EXPECT_TRUE(n["connections"][0].contains("over_plain_original"));
        const fs::path other = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/conv_bias_opset13.onnx";
        EXPECT_EQ(flash({"bench", "network", model(), "--onnx", other, "--runs", "1", "--inputs", "1"}).status, 2);
    }

    EXPECT_EQ(flash({"bench"}).status, 2);
    EXPECT_EQ(flash({"bench", "layers", "--layer", "nonsense"}).status, 2);
    EXPECT_EQ(flash({"bench", "network", dir_ / "absent.flash"}).status, 5);
    EXPECT_EQ(
        flash({"bench", "layers", "--layer", "1x4x4-1-1x1", "--runs", "1", "--json", dir_ / "no/such/folder"}).status,
        5);
}

}  // namespace
}  // namespace flash
