// What carrying messages costs: one direction at full speed, and there and back, over TLS on this machine's loopback
// interface and in memory. Beside the wall-clock time each row reports the processor time of both ends together, as in
// a private inference they share the cores with the computation.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "transport/loopback.h"
#include "transport/shaped.h"
#include "transport/tls.h"

namespace flash::transport {
namespace {

namespace some_type {
constexpr MessageType kClientHello{2}, kStart{4}, kStartReply{5}, kUpload{6}, kLinearResponse{7}, kFinish{11};
}  // namespace some_type

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTransfer = 25'000'000;  // bytes of one stream: what an inference sends

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The far end. kStart (index: how many messages, layer: of which size) makes the messages, the kUpload that follows
// asks for them all; kClientHello is sent back at once; kFinish ends.
void serve(Channel& channel) {
    try {
        while (true) {
            Message message = channel.receive_any(std::chrono::seconds(30));
            if (message.type == some_type::kFinish) return;
            if (message.type == some_type::kClientHello) channel.send(std::move(message));
            if (message.type != some_type::kStart) continue;
            std::vector<Message> stream;
            for (std::uint32_t i = 0; i < message.index; ++i)
                stream.push_back(
                    {some_type::kLinearResponse, 0, i, std::vector<std::uint8_t>(message.layer, std::uint8_t(i))});
            channel.send({some_type::kStartReply, 0, 0, {}});
            channel.receive(some_type::kUpload);
            for (Message& part : stream) channel.send(std::move(part));
        }
    } catch (const Error& error) {
        channel.fail(error.what());
    }
}

// A client's channel and whatever serves it.
struct Pair {
    std::unique_ptr<TlsServer> server;
    std::unique_ptr<Channel> near, far;
    std::thread thread;

    ~Pair() {
        if (near) near->send({some_type::kFinish, 0, 0, {}});
        if (thread.joinable()) thread.join();
        near.reset();
        if (server) server->stop();
    }
};

std::unique_ptr<Pair> in_memory() {
    auto pair = std::make_unique<Pair>();
    std::tie(pair->near, pair->far) = make_loopback();
    pair->thread = std::thread([far = pair->far.get()] { serve(*far); });
    return pair;
}

std::unique_ptr<Pair> over_tls() {
    auto pair = std::make_unique<Pair>();
    ServerOptions options;
    options.identity = make_self_signed({"localhost"});
    pair->server = std::make_unique<TlsServer>(std::move(options),
                                               [](std::unique_ptr<Channel> channel, const Peer&) { serve(*channel); });
    ClientOptions client;
    client.host = "127.0.0.1";
    client.port = pair->server->address().port;
    client.pinned_fingerprint = pair->server->fingerprint();
    pair->near = connect_tls(client);
    return pair;
}

// In memory behind an emulated local network: 67 ms for 25 MB and 0.3 ms there and back are the link's own.
std::unique_ptr<Pair> behind_link() {
    auto pair = std::make_unique<Pair>();
    auto [near, far] = make_loopback();
    pair->near = make_shaped(std::move(near), kLan);
    pair->far = make_shaped(std::move(far), kLan);
    pair->thread = std::thread([end = pair->far.get()] { serve(*end); });
    return pair;
}

using MakePair = std::unique_ptr<Pair> (*)();

void stream(benchmark::State& state, MakePair make, std::size_t bytes) {
    const auto pair = make();
    const auto count = static_cast<std::uint32_t>(kTransfer / bytes);
    double cpu = 0;
    for (auto _ : state) {
        pair->near->send({some_type::kStart, static_cast<std::uint32_t>(bytes), count, {}});
        pair->near->receive(some_type::kStartReply);
        const double cpu_begin = cpu_seconds();
        const auto begin = Clock::now();
        pair->near->send({some_type::kUpload, 0, 0, {}});
        for (std::uint32_t i = 0; i < count; ++i)
            benchmark::DoNotOptimize(pair->near->receive(some_type::kLinearResponse).payload.data());
        state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
        cpu += cpu_seconds() - cpu_begin;
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * count * static_cast<std::int64_t>(bytes));
    state.counters["cpu_ms_both"] = 1e3 * cpu / static_cast<double>(state.iterations());
}

void there_and_back(benchmark::State& state, MakePair make, std::size_t bytes) {
    const auto pair = make();
    const double cpu_begin = cpu_seconds();
    for (auto _ : state) {
        pair->near->send({some_type::kClientHello, 0, 0, std::vector<std::uint8_t>(bytes)});
        benchmark::DoNotOptimize(pair->near->receive(some_type::kClientHello).payload.data());
    }
    state.counters["cpu_us_both"] = 1e6 * (cpu_seconds() - cpu_begin) / static_cast<double>(state.iterations());
}

const bool registered = [] {
    const std::pair<const char*, MakePair> kinds[] = {{"Memory", in_memory}, {"Tls", over_tls}, {"Lan", behind_link}};
    for (const auto& [name, make] : kinds) {
        for (const std::size_t kib : {4u, 8u, 100u}) {
            benchmark::RegisterBenchmark(
                ("Stream25MB/" + std::string(name) + "/" + std::to_string(kib) + "KiB").c_str(),
                [make = make, kib](benchmark::State& s) { stream(s, make, kib << 10); })
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
        }
        for (const std::size_t bytes : {16u, 100u << 10})
            benchmark::RegisterBenchmark(
                ("ThereAndBack/" + std::string(name) + "/" + std::to_string(bytes) + "B").c_str(),
                [make = make, bytes](benchmark::State& s) { there_and_back(s, make, bytes); })
                ->UseRealTime()
                ->Unit(benchmark::kMicrosecond);
    }
    return true;
}();

}  // namespace
}  // namespace flash::transport
