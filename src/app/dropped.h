// Pictures of a set of whose files something was left out (data/image.h).
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace flash::app {

/// Counted from several threads, said once.
class Dropped {
public:
    /// What was left out of one picture; empty: nothing.
    void add(const std::string& what);
    /// By what was left out.
    std::map<std::string, std::size_t> counts() const;
    /// A warning for each kind: of how many of `pictures`.
    void warn(std::size_t pictures) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::size_t> counts_;
};

}  // namespace flash::app
