#include "base/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

namespace flash {
namespace {

/// A name where a signal handler can read it. Plain memory: a handler may neither lock nor allocate.
struct Slot {
    std::atomic<bool> taken{false};
    std::atomic<bool> readable{false};
    char name[PATH_MAX] = {};
};
std::array<Slot, 16> slots;
static_assert(std::atomic<bool>::is_always_lock_free);

/// Index of a slot that now holds the name; -1 if it does not fit or all are taken: the file is then left behind by a
/// signal, no more.
int remember(const std::string& name) {
    if (name.size() >= PATH_MAX) return -1;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i].taken.exchange(true)) continue;
        std::memcpy(slots[i].name, name.c_str(), name.size() + 1);
        slots[i].readable = true;
        return static_cast<int>(i);
    }
    return -1;
}

void forget(int slot) {
    if (slot < 0) return;
    Slot& s = slots[static_cast<std::size_t>(slot)];
    s.readable = false;
    s.taken = false;
}

void remove_all(int signal) {
    for (const Slot& slot : slots)
        if (slot.readable) ::unlink(slot.name);
    ::raise(signal);  // delivered with its default action, which SA_RESETHAND has restored, when this function returns
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& path, unsigned mode) {
    static std::atomic<unsigned> count{0};
    do {
        forget(slot_);
        name_ = fmt::format("{}.tmp-{}-{}", path, ::getpid(), count++);
        slot_ = remember(name_);  // before there is a file: a signal may come right behind
        descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
    } while (descriptor_ < 0 && errno == EEXIST);  // left by a process of the same number
    if (descriptor_ < 0) name_.clear();
}

TemporaryFile::~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!name_.empty()) ::unlink(name_.c_str());
    forget(slot_);
}

bool TemporaryFile::close() {
    const int result = ::close(descriptor_);
    descriptor_ = -1;
    return result == 0;
}

bool TemporaryFile::rename_to(const std::string& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
}

void remove_temporary_files_on_signals() {
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU}) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
        action.sa_handler = remove_all;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigaction(signal, &action, nullptr);
    }
}

}  // namespace flash
