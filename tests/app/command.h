// The `flash` program as its own process, for tests of what it says and how it ends.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace flash {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

struct Outcome {
    int status = -1;
    std::string out, err;
};

class Command : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-command-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
        onnx_ = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/residual_opset13.onnx";
        input_ = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/residual_opset13.input.npy";
    }
    void TearDown() override {
        stop_server(SIGTERM);
        fs::remove_all(dir_);
    }

    pid_t start(const std::vector<std::string>& arguments, const fs::path& out, const fs::path& err) {
        std::vector<std::string> words{FLASH_BINARY};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        const pid_t pid = fork();
        if (pid == 0) {
            const int null = open("/dev/null", O_RDONLY), o = open(out.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600),
                      e = open(err.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
            dup2(null, 0);
            dup2(o, 1);
            dup2(e, 2);
            execv(argv[0], argv.data());
            _exit(127);
        }
        return pid;
    }
    static int wait_for(pid_t pid) {
        int status = 0;
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    Outcome flash(const std::vector<std::string>& arguments) {
        const int status = wait_for(start(arguments, dir_ / "out", dir_ / "err"));
        return {status, read_file(dir_ / "out"), read_file(dir_ / "err")};
    }
    std::string model() {
        const fs::path file = dir_ / "net.flash";
        if (!fs::exists(file)) {
            const Outcome o = flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--out", file});
            EXPECT_EQ(o.status, 0) << o.err;
        }
        return file;
    }
    void start_server(const std::vector<std::string>& extra = {}) {
        const std::string file = model();
        std::vector<std::string> arguments{"serve",      file,           "--listen",    listen_,
                                           "--cert-dir", dir_ / "state", "--port-file", dir_ / "port"};
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        server_ = start(arguments, dir_ / "server.out", dir_ / "server.err");
        for (int i = 0; i < 300 && !fs::exists(dir_ / "port"); ++i) std::this_thread::sleep_for(100ms);
        ASSERT_TRUE(fs::exists(dir_ / "port")) << read_file(dir_ / "server.err");
        address_ = listen_.substr(0, listen_.rfind(':') + 1) + std::to_string(std::stoi(read_file(dir_ / "port")));
    }
    int stop_server(int signal) {
        if (server_ <= 0) return -1;
        kill(server_, signal);
        const int status = wait_for(server_);
        server_ = -1;
        return status;
    }
    /// Waits until the server's log has a text; what the log holds then, or after ten seconds.
    std::string log_with(const std::string& text) {
        std::string log;
        for (int i = 0; i < 200 && (log = read_file(dir_ / "server.err")).find(text) == std::string::npos; ++i)
            std::this_thread::sleep_for(50ms);
        return log;
    }
    std::vector<std::string> infer(const std::vector<std::string>& rest) {
        std::vector<std::string> arguments{"infer", "--server", address_, "--ca", dir_ / "state/server.crt"};
        arguments.insert(arguments.end(), rest.begin(), rest.end());
        return arguments;
    }

    fs::path dir_, onnx_, input_;
    std::string address_, listen_ = "127.0.0.1:0";
    pid_t server_ = -1;
};

}  // namespace flash
