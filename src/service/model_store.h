// The models that a server offers: one compiled file, or a folder of them, looked at again when asked. A file that does
// not load leaves the old model in its place; sessions keep the model that they began with.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/prepared_model.h"
#include "protocol/session_memory.h"
#include "service/file_stamp.h"

namespace flash::service {

/// For LoadOptions::progress to throw: the loading is given up, and what was there stays.
class LoadCancelled : public std::exception {
public:
    const char* what() const noexcept override { return "the loading was given up"; }
};

/// How files become models.
struct LoadOptions {
    bool use_cache = true;        ///< keep the `a` halves in a file, so that the next start is faster
    std::filesystem::path cache;  ///< that file, for a single model; empty: MODEL.cache
    std::size_t transform_bytes = lattice::kTransformBudget;  ///< of each model, for weights that are kept transformed
    bool guard = false;                                       ///< protocol::Activation::guarded
    bool rotate = false;              ///< begin a new epoch of the public polynomials with the first loading
    std::optional<int> reveal;        ///< bits of a result, where they are fewer than the models'
    std::uint64_t session_bytes = 0;  ///< models whose sessions take more are refused; 0: any
    /// Gets fractions in 0..1 of the file that is loaded; may be empty. May throw LoadCancelled.
    std::function<void(const std::filesystem::path& file, double fraction)> progress;
};

struct ServedModel {
    std::string name;
    std::uint32_t version = 0;  ///< 0: a file without one
    FileStamp stamp;
    std::unique_ptr<const protocol::PreparedModel> prepared;
    protocol::SessionMemory memory;  ///< of one session
};
using ServedModelPtr = std::shared_ptr<const ServedModel>;

/// Thread-safe; load_first(), reload() and has_changed() by one thread.
class ModelStore {
public:
    /// `place`: a compiled model, or a folder with NAME.flash and NAME/VERSION.flash. Loads nothing yet.
    ModelStore(std::filesystem::path place, LoadOptions options);

    /// Looks at the place again and loads what is new or has changed. What does not load is a line in the log, and the
    /// model that was there stays; a file that is gone takes its model with it. Where it cannot be seen what is there,
    /// that is a line in the log, and all models stay. True if anything changed. LoadCancelled.
    bool reload();
    /// The same at the start: Error(kFile), or what a file's loading throws, if there is no model then.
    void load_first();
    /// Whether reload() would load something, take something away or say something.
    bool has_changed() const;
    /// LoadOptions::session_bytes, where it is known only once the models are there: those whose sessions take more are
    /// not served, which is a line in the log. Error(kInvalidArgument) if none is left. By the thread of reload().
    void limit_sessions(std::uint64_t bytes);

    /// Whether somebody may know of a model of this name.
    using MayUse = std::function<bool(const std::string& name)>;

    /// By "NAME", "NAME/VERSION", or empty where there is one name only. Error(kInvalidArgument) says what there is.
    /// With `may_use`, as if there were no other models than those.
    ServedModelPtr find(const std::string& reference, const MayUse& may_use = {}) const;
    /// In the order of names and versions.
    std::vector<ServedModelPtr> list(const MayUse& may_use = {}) const;

private:
    using Key = std::pair<std::string, std::uint32_t>;
    using Files = std::map<Key, std::filesystem::path>;

    Files files(bool complain) const;  // Error(kFile) if a folder cannot be read
    void require_room(const Key& key, std::uint64_t bytes) const;
    ServedModelPtr load(const Key& key, const std::filesystem::path& file, const FileStamp& stamp, bool rotate) const;
    bool load_changes(const Files& there, bool rotate);

    const std::filesystem::path place_;
    const bool is_folder_;
    LoadOptions options_;
    bool unreadable_ = false;  // the folder, when it was looked at last
    mutable std::mutex mutex_;
    std::map<Key, ServedModelPtr> models_;
    std::map<Key, FileStamp> failed_;  // files that did not load, and need not be tried until they change
};

}  // namespace flash::service
