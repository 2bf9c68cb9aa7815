// A client is told no, for a reason that is neither its fault nor the server's: counted and logged by itself.
#pragma once

#include <chrono>
#include <string>

#include "base/error.h"
#include "service/budgets.h"
#include "transport/refusal.h"

namespace flash::service {

class Refusal : public Error {
public:
    /// reason: one word, for metrics. The sentence says when to come again.
    Refusal(const char* reason, const std::string& sentence, std::chrono::seconds retry_after)
        : Error(ErrorKind::kNetwork, transport::busy(sentence, retry_after)),
          reason_(reason) {}
    /// A budget has nothing left.
    explicit Refusal(const Spent& spent)
        : Error(ErrorKind::kNetwork, spent.sentence(std::chrono::system_clock::now())),
          reason_(spent.window == Spent::Window::kDay ? "day-budget" : "minute-budget") {}
    const char* reason() const { return reason_; }

private:
    const char* reason_;
};

}  // namespace flash::service
