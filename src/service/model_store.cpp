#include "service/model_store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/error.h"
#include "base/table.h"
#include "model/coarse_result.h"
#include "model/reader.h"
#include "service/epoch_file.h"
#include "service/model_name.h"

namespace flash::service {

namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".flash";

[[noreturn]] void fail_to_read(const fs::path& folder, const std::error_code& error) {
    throw Error(ErrorKind::kFile, fmt::format("cannot look into {}: {}", printable(folder.string()), error.message()));
}

/// All entries. An error in the middle is no end: that would take away what was not seen.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    fs::directory_iterator at(folder, error);
    while (!error && at != fs::directory_iterator()) {
        entries.push_back(*at);
        at.increment(error);
    }
    if (error) fail_to_read(folder, error);
    return entries;
}

bool is_folder(const fs::directory_entry& entry) {
    std::error_code error;
    const fs::file_status status = entry.status(error);
    if (status.type() == fs::file_type::none) fail_to_read(entry.path(), error);
    return fs::is_directory(status);
}

/// Whether that is known; a file that may not be looked at may be there.
bool is_gone(const fs::path& file) {
    std::error_code error;
    return fs::status(file, error).type() == fs::file_type::not_found;
}

std::optional<std::uint32_t> version_of(const std::string& stem) {
    std::uint32_t version = 0;
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), version);
    if (error != std::errc{} || end != stem.data() + stem.size() || version == 0) return std::nullopt;
    return version;
}

void report(const protocol::CacheOutcome& outcome, const fs::path& cache) {
    const std::string name = printable(cache.string());
    if (!outcome.not_used.empty()) spdlog::warn("cache {} ignored: {}", name, printable(outcome.not_used));
    if (!outcome.not_written.empty()) spdlog::warn("no cache for the next start: {}", printable(outcome.not_written));
    if (outcome.written) spdlog::info("wrote the cache {}: as secret as the model, readable by its owner only", name);
}

}  // namespace

ModelStore::ModelStore(fs::path place, LoadOptions options)
    : place_(std::move(place)),
      is_folder_([&] {
          std::error_code error;
          return fs::is_directory(place_, error);
      }()),
      options_(std::move(options)) {}

ModelStore::Files ModelStore::files(bool complain) const {
    Files found;
    if (!is_folder_) {
        const std::string stem = place_.stem().string();
        found[{is_model_name(stem) ? stem : "model", 0}] = place_;
        return found;
    }
    const auto skip = [&](const fs::path& path) {
        if (complain)
            spdlog::warn("{} is left out: models are NAME.flash or NAME/VERSION.flash", printable(path.string()));
    };
    for (const fs::directory_entry& entry : entries_of(place_)) {
        const std::string stem = entry.path().stem().string();
        if (is_folder(entry)) {
            for (const fs::directory_entry& inner : entries_of(entry.path())) {
                if (inner.path().extension() != kExtension) continue;
                const auto version = version_of(inner.path().stem().string());
                if (version && is_model_name(entry.path().filename().string()))
                    found[{entry.path().filename().string(), *version}] = inner.path();
                else
                    skip(inner.path());
            }
        } else if (entry.path().extension() == kExtension) {
            if (is_model_name(stem))
                found[{stem, 0}] = entry.path();
            else
                skip(entry.path());
        }
    }
    return found;
}

void ModelStore::require_room(const Key& key, std::uint64_t bytes) const {
    if (options_.session_bytes == 0 || bytes <= options_.session_bytes) return;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a session of {} may take {}, more than all sessions together may ({}, --session-memory)",
                            to_string(key.first, key.second), human_bytes(static_cast<double>(bytes)),
                            human_bytes(static_cast<double>(options_.session_bytes))));
}

ServedModelPtr ModelStore::load(const Key& key, const fs::path& file, const FileStamp& stamp, bool rotate) const {
    const auto begin = std::chrono::steady_clock::now();
    std::optional<fs::path> cache;
    if (options_.use_cache && !options_.cache.empty()) cache = options_.cache;
    if (options_.use_cache && options_.cache.empty()) {
        // With fewer bits it is of another architecture: not to overwrite the model's own.
        const std::string coarse = options_.reveal ? fmt::format(".reveal-{}", *options_.reveal) : "";
        cache = fs::path(file.string() + coarse + ".cache");
    }
    const protocol::Epoch epoch = epoch_of(file, rotate);
    model::Reader reader(file);
    std::optional<model::CoarseResult> coarse;
    if (options_.reveal) coarse.emplace(reader, *options_.reveal);
    model::LayerSource& source = coarse ? static_cast<model::LayerSource&>(*coarse) : reader;
    auto served = std::make_shared<ServedModel>();
    served->name = key.first;
    served->version = key.second;
    served->stamp = stamp;
    served->prepared = std::make_unique<protocol::PreparedModel>(
        source,
        [&](double fraction) {
            if (options_.progress) options_.progress(file, fraction);
        },
        cache, options_.transform_bytes, protocol::make_activation(source.architecture(), options_.guard), epoch);
    const protocol::PreparedModel& model = *served->prepared;
    served->memory = protocol::session_memory(model.architecture(), model.plan(), model.cost());
    if (cache) report(model.cache(), *cache);
    require_room(key, served->memory.server);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    spdlog::info(
        "model {} ({}): {} layers, loaded in {:.3f} s {} the cache, {} in memory ({} transforms), {} a session, "
        "fingerprint {}",
        to_string(key.first, key.second), printable(model.architecture().name), model.architecture().layers.size(),
        seconds.count(), model.cache().used ? "with" : "without",
        human_bytes(static_cast<double>(model.memory_bytes())),
        human_bytes(static_cast<double>(model.transform_bytes())),
        human_bytes(static_cast<double>(served->memory.server)), to_hex(model.fingerprint()));
    return served;
}

void ModelStore::load_first() {
    const Files there = files(true);
    if (is_folder_) {
        load_changes(there, options_.rotate);
        const std::lock_guard lock(mutex_);
        if (models_.empty())
            throw Error(
                ErrorKind::kFile,
                fmt::format("there is no model in {} that loads: NAME.flash or NAME/VERSION.flash", place_.string()));
        return;
    }
    const auto& [key, file] = *there.begin();
    const ServedModelPtr model = load(key, file, stamp_of(file).value_or(FileStamp{}), options_.rotate);
    const std::lock_guard lock(mutex_);
    models_[key] = model;
}

bool ModelStore::reload() {
    try {
        const Files there = files(true);
        unreadable_ = false;
        return load_changes(there, false);
    } catch (const Error& problem) {
        unreadable_ = true;
        spdlog::error("{}; the models that were loaded before stay", problem.what());
        return false;
    }
}

void ModelStore::limit_sessions(std::uint64_t bytes) {
    options_.session_bytes = bytes;
    std::optional<Error> last;
    const std::lock_guard lock(mutex_);
    std::erase_if(models_, [&](const auto& model) {
        try {
            require_room(model.first, model.second->memory.server);
            return false;
        } catch (const Error& problem) {
            spdlog::error("{}; it is not served", problem.what());
            failed_[model.first] = model.second->stamp;
            last = problem;
            return true;
        }
    });
    if (models_.empty() && last) throw Error(*last);
}

bool ModelStore::load_changes(const Files& there, bool rotate) {
    std::map<Key, ServedModelPtr> now, before;
    {
        const std::lock_guard lock(mutex_);
        before = models_;
    }
    bool changed = false;
    for (const auto& [key, file] : there) {
        const auto old = before.find(key);
        const std::optional<FileStamp> stamp = stamp_of(file);
        if (!stamp) {
            if (old != before.end() && !is_gone(file)) now[key] = old->second;
            continue;
        }
        if (old != before.end() && old->second->stamp == *stamp) {
            now[key] = old->second;
            continue;
        }
        try {
            now[key] = load(key, file, *stamp, rotate);
            failed_.erase(key);
            changed = true;
        } catch (const LoadCancelled&) {
            throw;
        } catch (const std::exception& problem) {
            failed_[key] = *stamp;
            spdlog::error("model {} did not load: {}; {}", to_string(key.first, key.second), printable(problem.what()),
                          old == before.end() ? "it is not served" : "the one that was loaded before stays");
            if (old != before.end()) now[key] = old->second;
        }
    }
    for (const auto& [key, model] : before) {
        if (now.contains(key)) continue;
        spdlog::info("model {} is gone; sessions that use it go on", to_string(key.first, key.second));
        changed = true;
    }
    const std::lock_guard lock(mutex_);
    models_ = std::move(now);
    return changed;
}

bool ModelStore::has_changed() const {
    Files there;
    try {
        there = files(false);
    } catch (const Error&) {
        return !unreadable_;
    }
    if (unreadable_) return true;
    const std::lock_guard lock(mutex_);
    for (const auto& [key, file] : there) {
        const std::optional<FileStamp> stamp = stamp_of(file);
        const auto loaded = models_.find(key);
        const auto failed = failed_.find(key);
        const bool known = (loaded != models_.end() && stamp == loaded->second->stamp) ||
                           (failed != failed_.end() && stamp == failed->second);
        if (stamp && !known) return true;
    }
    return std::ranges::any_of(models_, [&](const auto& model) { return !there.contains(model.first); });
}

ServedModelPtr ModelStore::find(const std::string& reference, const MayUse& may_use) const {
    const ModelName wanted = reference.empty() ? ModelName{} : parse_model_name(reference);
    const std::vector<ServedModelPtr> all = list(may_use);
    require(!all.empty(), ErrorKind::kInvalidArgument, "this server has no model at present");
    if (reference.empty() && all.front()->name == all.back()->name) return all.back();
    ServedModelPtr found;
    std::string names;
    for (const ServedModelPtr& model : all) {  // the highest version comes last
        if (model->name == wanted.name && (!wanted.version || *wanted.version == model->version)) found = model;
        names += (names.empty() ? "" : ", ") + to_string(model->name, model->version);
    }
    if (reference.empty())
        throw Error(ErrorKind::kInvalidArgument, "this server has several models, choose one of them: " + names);
    if (!found) throw Error(ErrorKind::kInvalidArgument, "this server has no model " + reference + "; it has " + names);
    return found;
}

std::vector<ServedModelPtr> ModelStore::list(const MayUse& may_use) const {
    std::vector<ServedModelPtr> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [key, model] : models_)
        if (!may_use || may_use(key.first)) all.push_back(model);
    return all;
}

}  // namespace flash::service
