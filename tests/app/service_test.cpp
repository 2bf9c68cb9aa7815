// `flash serve` as an operator runs it: several models, HTTP beside frames, configuration, shortage, the end.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "app/command.h"

namespace flash {
namespace {

using ::testing::HasSubstr;

class Serving : public Command {
protected:
    /// The answer of the server's own HTTP port; empty if it cannot be had.
    std::string http(const std::string& path) const {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(read_file(dir_ / "http"))));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::string answer;
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
            const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
            (void)!::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
            char buffer[4096];
            for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
                answer.append(buffer, static_cast<std::size_t>(got));
        }
        ::close(fd);
        return answer;
    }
    std::vector<std::string> with_http(std::vector<std::string> more = {}) const {
        more.insert(more.end(), {"--http", "127.0.0.1:0", "--http-port-file", dir_ / "http"});
        return more;
    }
    void wait_for_http() const {
        for (int i = 0; i < 100 && read_file(dir_ / "http").empty(); ++i) std::this_thread::sleep_for(20ms);
    }
};

TEST_F(Serving, HealthModelsAndMetricsOverHttp) {
    start_server(with_http());
    wait_for_http();
    EXPECT_THAT(http("/v2/health/live"), HasSubstr("200 OK"));
    EXPECT_THAT(http("/v2/health/ready"), HasSubstr("{\"ready\":true}"));
    EXPECT_THAT(http("/v2/models"), HasSubstr("\"name\":\"net\""));
    EXPECT_THAT(http("/v2/models/net"), HasSubstr("\"datatype\":\"FP32\""));
    EXPECT_THAT(http("/v2/models/net/ready"), HasSubstr("200 OK"));
    EXPECT_THAT(http("/v2/models/absent"), HasSubstr("404"));
    EXPECT_EQ(flash(infer({input_})).status, 0);
    const std::string metrics = http("/metrics");
    EXPECT_THAT(metrics,
                ::testing::ContainsRegex("flash_inferences_total.model=\"net\",reason=\"\",result=\"ok\". [1-9]"));
    EXPECT_THAT(metrics, HasSubstr("flash_inference_seconds_bucket{model=\"net\",phase=\"linear\""));
    EXPECT_THAT(metrics, HasSubstr("flash_certificate_expiry_timestamp_seconds 1"));
    // The same on the port of the frames, chosen by ALPN; metrics only where that was asked for.
    const std::string client = "openssl s_client -quiet -connect " + address_ + " -alpn ";
    const auto ask = [&](const std::string& protocol, const std::string& path) {
        const std::string out = dir_ / "openssl.out";
        const int status = std::system(("printf 'GET " + path +
                                        " HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | timeout 10 " +
                                        client + protocol + " >" + out + " 2>/dev/null")
                                           .c_str());
        (void)status;
        return read_file(out);
    };
    EXPECT_THAT(ask("http/1.1", "/v2/health/ready"), HasSubstr("{\"ready\":true}"));
    EXPECT_THAT(ask("h2,http/1.1", "/v2/models"), HasSubstr("\"name\":\"net\""));
    EXPECT_THAT(ask("http/1.1", "/metrics"), HasSubstr("404"));
    EXPECT_EQ(ask("h2", "/v2/models"), "");
}

TEST_F(Serving, SeveralModelsFromAFolderReloadedOnASignal) {
    fs::create_directories(dir_ / "models/net");
    fs::copy(model(), dir_ / "models/net/1.flash");
    fs::copy(model(), dir_ / "models/other.flash");
    const fs::path one = dir_ / "net.flash", kept = dir_ / "kept.flash";
    fs::rename(one, kept);
    server_ = start({"serve", "--models", dir_ / "models", "--listen", listen_, "--cert-dir", dir_ / "state",
                     "--port-file", dir_ / "port"},
                    dir_ / "server.out", dir_ / "server.err");
    for (int i = 0; i < 300 && !fs::exists(dir_ / "port"); ++i) std::this_thread::sleep_for(100ms);
    address_ = "127.0.0.1:" + std::to_string(std::stoi(read_file(dir_ / "port")));
    const auto list = [&] {
        const Outcome o = flash({"models", "--server", address_, "--ca", dir_ / "state/server.crt", "--json"});
        EXPECT_EQ(o.status, 0) << o.err;
        return nlohmann::json::parse(o.out);
    };
    EXPECT_EQ(list().size(), 2u);
    EXPECT_EQ(list()[0]["name"], "net");
    EXPECT_EQ(list()[0]["version"], 1);
    EXPECT_THAT(flash(infer({input_})).err, HasSubstr("choose one of them: net/1, other"));
    EXPECT_EQ(flash(infer({"--model", "net", input_})).status, 0);
    EXPECT_EQ(flash(infer({"--model", "other", input_})).status, 0);
    fs::copy(kept, dir_ / "models/net/2.flash");
    std::ofstream(dir_ / "models/other.flash") << "damaged";
    kill(server_, SIGHUP);
    for (int i = 0; i < 100 && list().size() < 3; ++i) std::this_thread::sleep_for(50ms);
    EXPECT_EQ(list().size(), 3u);
    EXPECT_EQ(flash(infer({"--model", "other", input_})).status, 0) << "the one that was loaded before";
    EXPECT_EQ(stop_server(SIGTERM), 0);
    EXPECT_THAT(read_file(dir_ / "server.err"), HasSubstr("the one that was loaded before stays"));
}

TEST_F(Serving, OptionsFromAFileAndTheEnvironment) {
    std::ofstream(dir_ / "flash.toml") << "[serve]\nlog-format = \"json\"\nmax-sessions = 3\n";
    const Outcome good =
        flash({"--config", dir_ / "flash.toml", "serve", model(), "--check", "--cert-dir", dir_ / "state"});
    EXPECT_EQ(good.status, 0) << good.err;
    EXPECT_THAT(good.err, HasSubstr("\"level\":\"info\",\"message\":\"all is well: 1 models"));
    EXPECT_THAT(good.err, HasSubstr("3 at a time, 2 of them from one address"));
    std::ofstream(dir_ / "bad.toml") << "[serve]\nmax-sesions = 3\n";
    EXPECT_EQ(flash({"--config", dir_ / "bad.toml", "serve", model(), "--check", "--cert-dir", dir_ / "state"}).status,
              2);
    ::setenv("FLASH_SERVE_MAX_SESSIONS", "5", 1);
    const Outcome other = flash({"serve", model(), "--check", "--cert-dir", dir_ / "state"});
    ::unsetenv("FLASH_SERVE_MAX_SESSIONS");
    EXPECT_THAT(other.err, HasSubstr("5 at a time, 3 of them from one address"));
    EXPECT_EQ(flash({"serve", dir_ / "absent.flash", "--check", "--cert-dir", dir_ / "state"}).status, 5);
}

TEST_F(Serving, TokensLetClientsInAndBudgetsOutliveARestart) {
    const Outcome made = flash({"token", dir_ / "clinic.token"});
    EXPECT_EQ(made.status, 0) << made.err;
    const std::string token = read_file(dir_ / "clinic.token");
    EXPECT_EQ(flash({"token", dir_ / "clinic.token"}).status, 5) << "somebody's token";
    EXPECT_EQ(read_file(dir_ / "clinic.token"), token);
    EXPECT_EQ(fs::status(dir_ / "clinic.token").permissions(), fs::perms::owner_read | fs::perms::owner_write);
    std::ofstream(dir_ / "access.json")
        << R"({"tiers": {"t": {"inferences_per_day": 2}}, "accounts": [{"name": "clinic", "tier": "t", "tokens": [")" +
               made.out.substr(0, 64) + R"("]}]})";
    const std::vector<std::string> options{"--access", dir_ / "access.json", "--budgets", dir_ / "budgets.db"};
    const std::string with = "--token-file", file = dir_ / "clinic.token";

    start_server(options);
    const Outcome without = flash(infer({"--retry", "5", input_}));
    EXPECT_EQ(without.status, 9);
    EXPECT_THAT(without.err, HasSubstr("access denied: it asks for a token"));
    EXPECT_THAT(without.err, ::testing::Not(HasSubstr("trying again")));
    EXPECT_EQ(flash(infer({with, file, input_})).status, 0);
    EXPECT_EQ(flash({"models", "--server", address_, "--ca", dir_ / "state/server.crt"}).status, 9);
    const Outcome list = flash({"models", "--server", address_, "--ca", dir_ / "state/server.crt", with, file});
    EXPECT_THAT(list.out, HasSubstr("net"));
    EXPECT_EQ(stop_server(SIGTERM), 0);
    std::string log = read_file(dir_ / "server.err");

    fs::remove(dir_ / "port");
    start_server(options);
    EXPECT_EQ(flash(infer({with, file, input_})).status, 0);
    const Outcome spent = flash(infer({with, file, input_}));
    EXPECT_EQ(spent.status, 9);
    EXPECT_THAT(spent.err, HasSubstr("the budget of 2 inferences a day is spent until "));
    EXPECT_EQ(stop_server(SIGTERM), 0);
    log += read_file(dir_ / "server.err");
    EXPECT_THAT(log, HasSubstr("(clinic): inference with net"));
    EXPECT_THAT(log, ::testing::Not(HasSubstr(token.substr(6, 16))));
}

TEST_F(Serving, AnAccessListOrBudgetsThatCannotBeUsedAreSaidAtTheStart) {
    std::ofstream(dir_ / "access.json") << R"({"accounts": [{"name": "clinic", "token": "x"}]})";
    std::ofstream(dir_ / "text") << std::string(4096, 'x');
    const auto check = [&](const std::string& option, const std::string& file) {
        return flash({"serve", model(), "--check", "--cert-dir", dir_ / "state", option, file});
    };
    EXPECT_THAT(check("--access", dir_ / "access.json").err, HasSubstr("account clinic has no \"token\""));
    EXPECT_EQ(check("--access", dir_ / "absent").status, 5);
    EXPECT_EQ(check("--budgets", dir_ / "text").status, 5);
    EXPECT_EQ(check("--client-ca", dir_ / "text").status, 5);
    EXPECT_EQ(check("--budgets", dir_ / "new.db").status, 0);
}

TEST_F(Serving, ACheckBindsNothingAndWritesNothing) {
    const std::string file = model();
    start_server({"--budgets", dir_ / "budgets.db"});
    fs::create_directories(dir_ / "empty");
    fs::copy(file, dir_ / "empty/net.flash");
    const Outcome check = flash({"serve", dir_ / "empty/net.flash", "--listen", address_, "--http", address_,
                                 "--rotate", "--check", "--cert-dir", dir_ / "empty/state", "--budgets",
                                 dir_ / "empty/budgets.db", "--port-file", dir_ / "empty/port"});
    EXPECT_EQ(check.status, 0) << check.err;
    EXPECT_THAT(check.err, HasSubstr("a self-signed certificate will be made in"));
    std::vector<std::string> there;
    for (const auto& entry : fs::directory_iterator(dir_ / "empty")) there.push_back(entry.path().filename());
    EXPECT_THAT(there, ::testing::ElementsAre("net.flash"));
    const std::string certificate = read_file(dir_ / "state/server.crt");
    EXPECT_EQ(flash({"serve", file, "--check", "--cert-dir", dir_ / "state", "--renew-certificate"}).status, 0);
    EXPECT_EQ(read_file(dir_ / "state/server.crt"), certificate);
    fs::remove(dir_ / "state/server.key");
    EXPECT_EQ(flash({"serve", file, "--check", "--cert-dir", dir_ / "state"}).status, 5);
}

/// A connection on which an inference has begun and does not go on would need the protocol; a client that is stopped in
/// the middle does as well.
TEST_F(Serving, ASecondSignalEndsADrainAtOnce) {
    start_server({"--drain", "60", "--timeout", "60"});
    pid_t client = -1;
    for (int i = 0; i < 50; ++i) {  // until one was stopped while the server was busy with it
        client =
            start(infer({input_, input_, input_, input_, input_, input_, input_, input_}), dir_ / "out", dir_ / "err");
        std::this_thread::sleep_for(30ms + 10ms * i);
        kill(client, SIGSTOP);
        kill(server_, SIGUSR1);
        std::this_thread::sleep_for(100ms);
        const std::string log = read_file(dir_ / "server.err");
        if (log.rfind(", 1 running") != std::string::npos && log.rfind(", 1 running") > log.rfind(", 0 running") + 1)
            break;
        kill(client, SIGKILL);
        wait_for(client);
        client = -1;
    }
    ASSERT_GT(client, 0) << read_file(dir_ / "server.err");
    kill(server_, SIGTERM);
    std::this_thread::sleep_for(500ms);
    EXPECT_EQ(waitpid(server_, nullptr, WNOHANG), 0) << "it waits for the inference";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(stop_server(SIGTERM), 128 + SIGTERM);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_THAT(read_file(dir_ / "server.err"), HasSubstr("ended at once (terminated)"));
    kill(client, SIGKILL);
    wait_for(client);
}

TEST_F(Serving, TakesANewCertificateWithoutARestart) {
    start_server();
    const std::string before = read_file(dir_ / "state/server.crt");
    EXPECT_EQ(flash(infer({input_})).status, 0);
    const pid_t renewing = start({"serve", model(), "--listen", "127.0.0.1:0", "--cert-dir", dir_ / "state",
                                  "--renew-certificate", "--port-file", dir_ / "other-port"},
                                 dir_ / "out", dir_ / "err");
    for (int i = 0; i < 300 && !fs::exists(dir_ / "other-port"); ++i) std::this_thread::sleep_for(100ms);
    kill(renewing, SIGTERM);
    EXPECT_EQ(wait_for(renewing), 0);
    EXPECT_NE(read_file(dir_ / "state/server.crt"), before);
    EXPECT_EQ(flash(infer({input_})).status, 6) << "it still shows the old one";
    kill(server_, SIGHUP);
    Outcome after;
    for (int i = 0; i < 100 && (after = flash(infer({input_}))).status != 0; ++i) std::this_thread::sleep_for(50ms);
    EXPECT_EQ(after.status, 0) << after.err;
    std::ofstream(dir_ / "state/server.key") << "damaged";
    kill(server_, SIGHUP);
    const std::string kept = "the certificate that was there before stays";
    EXPECT_THAT(log_with(kept), HasSubstr(kept));
    EXPECT_EQ(flash(infer({input_})).status, 0);
}

/// Changes a limit of the running server.
void limit(pid_t server, __rlimit_resource what, rlim_t most, rlimit* before) {
    ASSERT_EQ(prlimit(server, what, nullptr, before), 0);
    const rlimit low{most, before->rlim_max};
    ASSERT_EQ(prlimit(server, what, &low, nullptr), 0);
}

TEST_F(Serving, GoesOnAfterAShortageOfDescriptorsAndMemory) {
    start_server();
    EXPECT_EQ(flash(infer({input_})).status, 0);
    const auto flood = [&] {
        const std::string port = address_.substr(address_.rfind(':') + 1);
        std::vector<int> sockets;
        for (int i = 0; i < 60; ++i) {
            const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            (void)!::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
            sockets.push_back(fd);
        }
        std::this_thread::sleep_for(500ms);
        flash(infer({"--timeout", "2", input_}));  // whatever comes of it
        for (const int fd : sockets) ::close(fd);
    };
    rlimit before{};
    std::size_t open = 0;
    for ([[maybe_unused]] const auto& file : fs::directory_iterator("/proc/" + std::to_string(server_) + "/fd")) ++open;
    limit(server_, RLIMIT_NOFILE, open + 1, &before);
    flood();
    ASSERT_EQ(prlimit(server_, RLIMIT_NOFILE, &before, nullptr), 0);
    EXPECT_EQ(flash(infer({"--retry", "5", input_})).status, 0) << read_file(dir_ / "server.err");

    limit(server_, RLIMIT_AS, 1 << 20, &before);  // less than it has: nothing more can be had
    flood();
    ASSERT_EQ(prlimit(server_, RLIMIT_AS, &before, nullptr), 0);
    EXPECT_EQ(flash(infer({"--retry", "5", input_})).status, 0) << read_file(dir_ / "server.err");
    EXPECT_EQ(stop_server(SIGTERM), 0);
}

}  // namespace
}  // namespace flash
