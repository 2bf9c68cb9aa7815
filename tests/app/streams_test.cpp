// What becomes of results and files when a stream, a device or a signal gets in the way, and of many inputs when one of
// them or the server does.
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "data/image.h"
#include "data/npy.h"

namespace flash {
namespace {

class Streams : public Command {
protected:
    /// Runs the program with the shell's redirections behind it.
    Outcome shell(const std::vector<std::string>& arguments, const std::string& redirection) {
        std::string line = "exec '" FLASH_BINARY "'";
        for (const std::string& word : arguments) line += " '" + word + "'";
        const std::string err = dir_ / "shell.err", out = dir_ / "shell.out";
        const int status = std::system(("2>" + err + " bash -c \"" + line + " " + redirection + "\" >" + out).c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out), read_file(err)};
    }
    std::vector<std::string> first_inputs(std::size_t count) {
        const data::NpyArray all = data::read_npy(input_.string());
        const std::size_t size = all.values.size() / all.shape[0];
        std::vector<std::string> files;
        for (std::size_t i = 0; i < count; ++i) {
            const auto begin = all.values.begin() + static_cast<std::ptrdiff_t>(i % all.shape[0] * size);
            files.push_back(dir_ / ("in" + std::to_string(i) + ".npy"));
            data::write_npy(files.back(), {all.shape[1], all.shape[2], all.shape[3]},
                            std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(size)));
        }
        return files;
    }
};

TEST_F(Streams, AResultThatCannotBeWrittenIsAnError) {
    start_server();
    const std::string data = "npy:" + input_.string();
    const std::vector<std::vector<std::string>> commands{
        {"--help"},
        {"--version"},
        {"plan", model(), "--bytes-only"},
        {"plan", model(), "--bytes-only", "--json"},
        {"eval", model(), "--data", data},
        {"eval", model(), "--data", data, "--json"},
        {"compile", onnx_, "--calib", data, "--out", dir_ / "again.flash"},
        {"bench", "layers", "--layer", "4x8x8-4-3x3s1", "--runs", "1", "--threads", "1"},
        infer({input_}),
        infer({"--json", input_}),
        infer({"--json-lines", input_}),
    };
    for (const auto& command : commands) {
        const Outcome full = shell(command, ">/dev/full");
        EXPECT_EQ(full.status, 5) << command[0];
        EXPECT_THAT(full.err, testing::HasSubstr("cannot write to standard output: No space left")) << command[0];
        const Outcome closed = shell(command, ">&-");
        EXPECT_EQ(closed.status, 5) << command[0];
        EXPECT_THAT(closed.err, testing::HasSubstr("standard output: it is closed")) << command[0];
        const Outcome broken = shell(command, "> >(exec true)");
        EXPECT_THAT(broken.status, testing::AnyOf(0, 5)) << command[0];  // where the pipe took it all in time
    }
    // Complaints that cannot be written change nothing.
    EXPECT_EQ(shell({"plan", dir_ / "absent"}, "2>&-").status, 5);
    EXPECT_EQ(shell({"plan", dir_ / "absent"}, "2>/dev/full").status, 5);
    EXPECT_EQ(shell({"plan", model(), "--bytes-only"}, "<&- 2>&-").status, 0);
}

TEST_F(Streams, OutputsGoIntoWhatIsNoFile) {
    const std::string data = "npy:" + input_.string();
    const auto compile = [&](const fs::path& out) {
        return flash({"compile", onnx_, "--calib", data, "--out", out}).status;
    };
    const std::string good = read_file(model());
    fs::create_symlink("target.flash", dir_ / "link.flash");
    EXPECT_EQ(compile(dir_ / "link.flash"), 0);
    EXPECT_TRUE(fs::is_symlink(dir_ / "link.flash"));
    EXPECT_EQ(read_file(dir_ / "target.flash").size(), good.size());
    fs::create_symlink("/dev/null", dir_ / "null");
    EXPECT_EQ(compile(dir_ / "null"), 0);
    EXPECT_EQ(compile("/dev/null"), 0);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_EQ(compile("/dev/full"), 5);
    ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0);
    std::string piped;
    std::thread reader([&] { piped = read_file(dir_ / "fifo"); });
    EXPECT_EQ(compile(dir_ / "fifo"), 0);
    reader.join();
    EXPECT_EQ(piped.size(), good.size());
    EXPECT_TRUE(fs::is_fifo(dir_ / "fifo"));
}

TEST_F(Streams, AServerAnswersSignalsAndOutlivesTheReaderOfItsLog) {
    ASSERT_EQ(mkfifo((dir_ / "server.err").c_str(), 0600), 0);
    const std::string file = model();
    const int log = open((dir_ / "server.err").c_str(), O_RDONLY | O_NONBLOCK);
    start_server();
    close(log);  // whoever read the log is gone
    EXPECT_EQ(flash(infer({input_})).status, 0);
    EXPECT_EQ(flash(infer({input_})).status, 0);
    for (const int signal : {SIGUSR1, SIGUSR2, SIGPIPE}) {
        kill(server_, signal);
        EXPECT_EQ(flash(infer({input_})).status, 0) << signal;
    }
    kill(server_, SIGHUP);  // looks for changed models
    EXPECT_EQ(flash(infer({input_})).status, 0);
    EXPECT_EQ(stop_server(SIGINT), 0) << "an orderly end";
}

TEST_F(Streams, SignalsAreLogged) {
    start_server();
    EXPECT_EQ(flash(infer({input_})).status, 0);
    std::string log;
    for (int i = 0; i < 100 && log.find("serving 0 clients") == std::string::npos; ++i) {
        kill(server_, SIGUSR1);  // once more, as the server may still be closing the client's connection
        std::this_thread::sleep_for(50ms);
        log = read_file(dir_ / "server.err");
    }
    EXPECT_THAT(log, testing::HasSubstr("serving 0 clients"));
    kill(server_, SIGHUP);
    EXPECT_THAT(log_with("no model has changed"), testing::HasSubstr("no model has changed"));
    EXPECT_EQ(stop_server(SIGTERM), 0);
    EXPECT_THAT(read_file(dir_ / "server.err"), testing::HasSubstr("stopping (terminated)"));
}

TEST_F(Streams, OneBadInputDoesNotCostTheOthers) {
    start_server();
    std::vector<std::string> files = first_inputs(3);
    std::ofstream(dir_ / "bad.png") << "no picture";
    files.insert(files.begin() + 1, dir_ / "bad.png");
    std::vector<std::string> words = infer(files);
    words.emplace_back("--json-lines");
    const Outcome o = flash(words);
    EXPECT_EQ(o.status, 5);
    EXPECT_THAT(o.err, testing::HasSubstr("1 inputs failed, 3 were answered"));
    std::istringstream lines(o.out);
    std::vector<nlohmann::json> answers;
    for (std::string line; std::getline(lines, line);) answers.push_back(nlohmann::json::parse(line));
    ASSERT_EQ(answers.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(answers[i]["input"], files[i]);
        EXPECT_EQ(answers[i].contains("error"), i == 1);
        EXPECT_EQ(answers[i].contains("logits"), i != 1);
    }
    EXPECT_EQ(answers[0]["reliable"], true);
    words.back() = "--json";
    const auto document = nlohmann::json::parse(flash(words).out);
    EXPECT_EQ(document["results"].size(), 4u);
    EXPECT_EQ(document["results"][1]["error"]["kind"], "file");
    words.pop_back();
    EXPECT_THAT(flash(words).out, testing::HasSubstr("failed"));
}

TEST_F(Streams, TakesFoldersAndStandardInput) {
    start_server();
    fs::create_directories(dir_ / "all");
    const std::vector<std::string> files = first_inputs(2);
    for (const char* name : {"b.npy", "a.npy"}) fs::copy_file(files[0], dir_ / "all" / name);
    std::ofstream(dir_ / "all/readme.txt") << "no input";
    const auto folder = nlohmann::json::parse(flash(infer({"--json", dir_ / "all"})).out)["results"];
    ASSERT_EQ(folder.size(), 2u);
    EXPECT_EQ(folder[0]["input"].get<std::string>(), (dir_ / "all/a.npy").string());
    const Outcome piped = shell(infer({"--json", "-"}), "<" + files[0]);
    ASSERT_EQ(piped.status, 0) << piped.err;
    const auto answer = nlohmann::json::parse(piped.out)["results"][0];
    EXPECT_EQ(answer["input"], "standard input");
    EXPECT_EQ(answer["top"][0]["index"], folder[0]["top"][0]["index"]);
    // It is another input in every run.
    const std::string results = dir_ / "piped.jsonl";
    for (int i = 0; i < 2; ++i) {
        const Outcome again = shell(infer({"--json", "--results", results, "-"}), "<" + files[i]);
        EXPECT_EQ(nlohmann::json::parse(again.out)["results"].size(), 1u) << again.err;
    }
    EXPECT_EQ(shell(infer({"-"}), "</dev/null").status, 5);
    EXPECT_EQ(shell(infer({"-"}), "<&-").status, 5);
}

TEST_F(Streams, ResultsGrowAndAreNotComputedTwice) {
    start_server();
    const std::vector<std::string> files = first_inputs(3);
    const std::string results = dir_ / "answers.jsonl";
    EXPECT_EQ(flash(infer({"--results", results, files[0]})).status, 0);
    std::ofstream(results, std::ios::app) << "{\"input\": \"cut o";  // a run that was killed while it wrote
    const Outcome o = flash(infer({"--json", "--results", results, files[0], files[1], files[2]}));
    ASSERT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(nlohmann::json::parse(o.out)["results"].size(), 2u) << "the first is there already";
    std::istringstream lines(read_file(results));
    std::vector<std::string> inputs;
    for (std::string line; std::getline(lines, line);) inputs.push_back(nlohmann::json::parse(line)["input"]);
    EXPECT_EQ(inputs, files);
    std::ofstream(results, std::ios::app) << "something else\n";
    EXPECT_EQ(flash(infer({"--results", results, files[0]})).status, 5);
    // A file that is none of ours stays as it is, also where it has no whole line.
    for (const char* foreign : {"{\"accounts\": []}", "d2hhdCBhIHRva2Vu", "{\"a\": 1}\n{\"b", "\x89PNG\n\x1a"}) {
        std::ofstream(results) << foreign;
        const Outcome refused = flash(infer({"--results", results, files[0]}));
        EXPECT_EQ(refused.status, 5) << refused.err;
        EXPECT_EQ(read_file(results), foreign);
    }
    std::ofstream(results) << R"({"input": "x", "logits": [], "fingerprint": "of another model"})"
                           << "\n";
    const Outcome other = flash(infer({"--results", results, files[0]}));
    EXPECT_EQ(other.status, 2);
    EXPECT_THAT(other.err, testing::HasSubstr("answers of another model"));
    // A file that takes no answer ends the run: the other inputs would be computed for nobody.
    const Outcome full = flash(infer({"--json", "--results", "/dev/full", files[0], files[1], files[2]}));
    EXPECT_EQ(full.status, 5);
    EXPECT_THAT(full.err, testing::HasSubstr("cannot write '/dev/full': writing: No space left"));
    EXPECT_EQ(nlohmann::json::parse(full.out)["results"].size(), 1u);
}

TEST_F(Streams, RetriesOnAFreshConnection) {
    start_server();
    const std::vector<std::string> files = first_inputs(40);
    std::vector<std::string> words = infer(files);
    for (const char* word : {"--json-lines", "--retry", "8", "--timeout", "20"}) words.emplace_back(word);
    const pid_t client = start(words, dir_ / "client.out", dir_ / "client.err");
    for (int i = 0; i < 200 && read_file(dir_ / "client.out").empty(); ++i) std::this_thread::sleep_for(50ms);
    stop_server(SIGKILL);
    const std::string before = read_file(dir_ / "client.out");
    EXPECT_FALSE(before.empty()) << "answers come one by one";
    fs::remove(dir_ / "port");
    listen_ = address_;
    start_server();
    EXPECT_EQ(wait_for(client), 0) << read_file(dir_ / "client.err");
    const std::string all = read_file(dir_ / "client.out");
    EXPECT_EQ(std::ranges::count(all, '\n'), 40);
    EXPECT_THAT(read_file(dir_ / "client.err"), testing::AnyOf(testing::HasSubstr("trying again"), testing::IsEmpty()));
}

TEST_F(Streams, SaysWhereAnInputDoesNotFit) {
    start_server();
    const std::string file = first_inputs(1)[0];
    data::NpyArray array = data::read_npy(file);
    for (float& value : array.values) value *= 255;
    data::write_npy(file, array.shape, array.values);
    const Outcome o = flash(infer({"--json", file}));
    EXPECT_THAT(o.err, testing::HasSubstr("of its values are beyond the range that the model was calibrated on"));
    const auto answer = nlohmann::json::parse(o.out)["results"][0];
    EXPECT_GT(answer["clamped_share"], 0.5);
    EXPECT_EQ(o.status, answer["reliable"] == true ? 0 : 4);
    // The model's file says nothing of pictures: none is taken at a guess.
    data::write_png((dir_ / "picture.png").string(), data::Image(3, 40, 40));
    const Outcome picture = flash(infer({dir_ / "picture.png"}));
    EXPECT_EQ(picture.status, 2);
    EXPECT_THAT(picture.err, testing::HasSubstr("does not say how pictures become its input"));
    const Outcome eval = flash({"eval", model(), "--data", "npy:" + file, "--json"});
    EXPECT_EQ(nlohmann::json::parse(eval.out)["images_clamped"], 1);
}

TEST_F(Streams, OneEmptyDirectoryGivesManyServersOneCertificate) {
    const std::string file = model();
    std::vector<pid_t> servers;
    for (int i = 0; i < 6; ++i)
        servers.push_back(start({"serve", file, "--listen", "127.0.0.1:0", "--no-cache", "--cert-dir", dir_ / "certs",
                                 "--port-file", dir_ / ("port" + std::to_string(i))},
                                dir_ / ("log" + std::to_string(i)), dir_ / ("err" + std::to_string(i))));
    for (int i = 0; i < 6; ++i) {
        const fs::path port = dir_ / ("port" + std::to_string(i));
        for (int t = 0; t < 300 && !fs::exists(port); ++t) std::this_thread::sleep_for(100ms);
        ASSERT_TRUE(fs::exists(port)) << read_file(dir_ / ("err" + std::to_string(i)));
        std::string number = read_file(port);
        number.pop_back();
        EXPECT_EQ(flash({"infer", "--server", "127.0.0.1:" + number, "--ca", dir_ / "certs/server.crt", input_}).status,
                  0);
    }
    for (const pid_t server : servers) {
        kill(server, SIGTERM);
        EXPECT_EQ(wait_for(server), 0);
    }
}

TEST_F(Streams, HostsOfACertificateThatIsThere) {
    start_server();
    stop_server(SIGTERM);
    fs::remove(dir_ / "port");
    listen_ = "127.0.0.2:0";
    start_server();
    const Outcome refused = flash(infer({input_}));
    EXPECT_EQ(refused.status, 6);
    EXPECT_THAT(refused.err, testing::HasSubstr("it does not name 127.0.0.2 but localhost, 127.0.0.1"));
    EXPECT_THAT(read_file(dir_ / "server.err"), testing::HasSubstr("start with --host 127.0.0.2"));
    stop_server(SIGTERM);
    fs::remove(dir_ / "port");
    start_server({"--host", "127.0.0.2"});
    EXPECT_THAT(read_file(dir_ / "server.err"), testing::HasSubstr("made a new self-signed certificate"));
    EXPECT_EQ(flash(infer({input_})).status, 0);
}

}  // namespace
}  // namespace flash
