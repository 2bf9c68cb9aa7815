#include "comparison/scaling.h"

#include <sched.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "app/threads.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/progress.h"
#include "comparison/replay.h"

namespace flash::comparison {

namespace {

/// Binds every thread of the process to the first so many of its cores, and gives all of them back when it goes.
/// Threads made meanwhile inherit the binding of their maker, so both ends go over all threads.
class BoundToCores {
public:
    explicit BoundToCores(int cores) {
        require(sched_getaffinity(0, sizeof all_, &all_) == 0, ErrorKind::kInternal,
                "cannot ask which cores this process may use");
        cpu_set_t some;
        CPU_ZERO(&some);
        for (int cpu = 0, taken = 0; cpu < CPU_SETSIZE && taken < cores; ++cpu)
            if (CPU_ISSET(cpu, &all_)) {
                CPU_SET(cpu, &some);
                ++taken;
            }
        bind(some);
    }
    ~BoundToCores() { bind(all_); }
    BoundToCores(const BoundToCores&) = delete;
    BoundToCores& operator=(const BoundToCores&) = delete;

private:
    static void bind(const cpu_set_t& set) {
        std::error_code error;  // a thread may end while the folder is read
        for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error))
            sched_setaffinity(std::stoi(thread.path().filename().string()), sizeof set, &set);
    }
    cpu_set_t all_{};
};

double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Independent of the order in which the server's threads speak: messages sorted by type, layer and index.
Sha256 digest(std::vector<transport::Message> messages) {
    std::ranges::sort(messages, {}, [](const transport::Message& m) { return std::tuple(m.type, m.layer, m.index); });
    std::vector<std::uint8_t> bytes;
    for (const transport::Message& message : messages) {
        const Sha256 hash = sha256(message.payload);
        bytes.insert(bytes.end(), hash.begin(), hash.end());
    }
    return sha256(bytes);
}

}  // namespace

std::vector<ScalingPoint> measure_scaling(const protocol::PreparedModel& model, std::span<const std::int32_t> input,
                                          int most, int runs) {
    const Recording recording = record_inference(model, input, 1, 2);
    std::vector<transport::Message> said;
    ReplayChannel check(recording, [&](const transport::Message& message) { said.push_back(message); });
    replay_server(model, recording, check);
    require(digest(std::move(said)) == digest(recording.server), ErrorKind::kInternal,
            "the replayed server did not say what the recorded one said");

    std::vector<ScalingPoint> points;
    for (int threads = 1; threads <= most; threads *= 2) points.push_back({threads, {}, {}});
    Progress progress("scaling of the server", static_cast<std::uint64_t>(runs) * points.size());
    for (int run = 0; run < runs; ++run)
        for (ScalingPoint& point : points) {
            const auto limit = app::limit_threads(point.threads);
            const BoundToCores bound(point.threads);
            ReplayChannel channel(recording);
            const double cpu = cpu_seconds();
            point.seconds.add(replay_server(model, recording, channel));
            point.cpu_seconds.add(cpu_seconds() - cpu);
            progress.advance();
        }
    return points;
}

nlohmann::json to_json(const std::vector<ScalingPoint>& points) {
    nlohmann::json json = nlohmann::json::array();
    for (const ScalingPoint& point : points) {
        json.push_back(to_json(point.seconds));
        json.back()["threads"] = point.threads;
        json.back()["cpu"] = to_json(point.cpu_seconds);
        json.back()["speedup"] = ratio_json(points.front().seconds, point.seconds);
    }
    return json;
}

}  // namespace flash::comparison
