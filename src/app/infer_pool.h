// Several inferences at a time: over a distant link one inference spends most of its time on its way.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "app/infer_client.h"
#include "app/infer_output.h"
#include "data/input.h"

namespace flash::app {

/// Sessions with one server, each with a connection of its own and a thread for each inference that it runs at a time;
/// all take inputs from one queue. An inference shares no secret with another one, on the same connection or not.
class InferPool {
public:
    /// first: connected. The other sessions connect when there is work for them; where the server lets no more in, the
    /// pool goes on with those that it has. show_progress: of each inference, for one session.
    InferPool(const InferCommand& command, std::unique_ptr<InferClient> first, bool show_progress);
    /// Waits for the inferences that have begun.
    ~InferPool();
    InferPool(const InferPool&) = delete;
    InferPool& operator=(const InferPool&) = delete;

    /// The answer with its input's name, result, traffic and profile, or the Error of the inference. Does not wait.
    std::future<Answer> run(data::Input input);
    /// Drops the inputs that no session has begun with: their futures have no state (std::future_error).
    void abandon();

private:
    struct Job {
        data::Input input;
        std::promise<Answer> answer;
    };
    void work(InferClient& client, bool is_first);
    Answer infer(InferClient& client, const data::Input& input) const;

    const bool show_progress_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> queue_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<InferClient>> clients_;
    std::vector<std::thread> threads_;
};

}  // namespace flash::app
