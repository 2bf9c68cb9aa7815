// A process that runs out of descriptors for a while.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace flash::testing {

/// Lowers the number of descriptors that the process may have, to so many more than it has now. Not under sanitizers:
/// UndefinedBehaviorSanitizer looks at objects through a pipe, and takes the lack of one for a defect of the object.
class FewDescriptors {
public:
    explicit FewDescriptors(int more) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::dup(0);
        ::close(next);
        rlimit low = before_;
        low.rlim_cur = static_cast<rlim_t>(next + more);
        ::setrlimit(RLIMIT_NOFILE, &low);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;

private:
    rlimit before_{};
};

}  // namespace flash::testing
