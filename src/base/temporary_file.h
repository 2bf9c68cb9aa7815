// Files that have a name only while they are being written.
#pragma once

#include <string>

namespace flash {

/// A new file beside the one that it will replace. Unless it was renamed it is removed with the object, and also when a
/// signal ends the process, if remove_temporary_files_on_signals() was called.
class TemporaryFile {
public:
    /// Creates PATH.tmp-... with this mode, as far as the umask allows. Where that fails, descriptor() is negative and
    /// errno says why.
    TemporaryFile(const std::string& path, unsigned mode);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    int descriptor() const { return descriptor_; }
    // Both: false, and errno, if it fails.
    bool close();
    bool rename_to(const std::string& path);

private:
    std::string name_;  // empty: renamed, or never there
    int descriptor_ = -1;
    int slot_ = -1;
};

/// Signals that would end the process (SIGHUP, SIGINT, SIGTERM and the like) first remove all temporary files. Signals
/// that are ignored stay ignored. To be called once, by a program's main().
void remove_temporary_files_on_signals();

}  // namespace flash
