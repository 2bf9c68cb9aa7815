#include "app/infer_pool.h"

#include <fmt/format.h>

#include <exception>
#include <system_error>

#include "app/infer.h"
#include "app/warning.h"
#include "base/progress.h"

namespace flash::app {
namespace {

void tell_of_fewer(const std::exception& why) {
    warn(fmt::format("going on with fewer inferences at a time: {}", why.what()));
}

}  // namespace

InferPool::InferPool(const InferCommand& command, std::unique_ptr<InferClient> first, bool show_progress)
    : show_progress_(show_progress) {
    clients_.push_back(std::move(first));
    while (clients_.size() < static_cast<std::size_t>(command.parallel)) {
        clients_.push_back(std::make_unique<InferClient>(command));
        clients_.front()->with_session([&](const protocol::ClientSession& session) {
            clients_.back()->expect(session.model().fingerprint);  // the same model for all
        });
    }
    try {
        for (const std::unique_ptr<InferClient>& client : clients_)
            for (int i = 0; i < command.in_flight; ++i)
                threads_.emplace_back([this, &client] { work(*client, client == clients_.front()); });
    } catch (const std::system_error& error) {
        if (threads_.empty()) throw;
        tell_of_fewer(error);  // those of the first session begin
    }
}

InferPool::~InferPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        queue_.clear();
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

std::future<Answer> InferPool::run(data::Input input) {
    Job job{std::move(input), {}};
    std::future<Answer> answer = job.answer.get_future();
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
    }
    changed_.notify_one();
    return answer;
}

void InferPool::abandon() {
    const std::lock_guard lock(mutex_);
    queue_.clear();
}

void InferPool::work(InferClient& client, bool is_first) {
    bool was_in = is_first;
    while (true) {
        std::optional<Job> job;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
            if (stopping_) return;
            job.emplace(std::move(queue_.front()));
            queue_.pop_front();
        }
        if (!was_in) {
            try {
                client.connect();
                was_in = true;
            } catch (const std::exception& error) {  // also of want of descriptors or threads, which is no Error
                // The first session is in, so that the others are a matter of speed alone.
                tell_of_fewer(error);
                {
                    const std::lock_guard lock(mutex_);
                    queue_.push_front(std::move(*job));
                }
                changed_.notify_one();
                return;
            }
        }
        try {
            job->answer.set_value(infer(client, job->input));
        } catch (...) {
            job->answer.set_exception(std::current_exception());
        }
    }
}

Answer InferPool::infer(InferClient& client, const data::Input& input) const {
    Answer answer;
    answer.input = input.name;
    client.with_session([&](protocol::ClientSession& session) {
        const auto profile = std::make_shared<Profile>(Party::kClient);  // not that of the attempt before
        std::optional<Progress> progress;
        if (show_progress_) progress.emplace("private inference on " + input.name, 100);
        const auto show = [&](double fraction) {
            if (progress) progress->set(static_cast<std::uint64_t>(100 * fraction));
        };
        answer.result = session.infer(input.values, show, profile.get());
        answer.traffic = answer.result.traffic;
        answer.profile = profile;
    });
    return answer;
}

}  // namespace flash::app
