// Reads a compiled model layer by layer, from a file or from bytes: what is not asked for yet stays there.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "model/layer_source.h"

namespace flash::model {

class Reader : public LayerSource {
public:
    /// Fills the span from an offset.
    using ReadAt = std::function<void(std::uint64_t offset, std::span<std::uint8_t> out)>;

    /// Checks sizes, then the checksum over everything, then the architecture. Error(kFile) with what is wrong.
    explicit Reader(const std::filesystem::path& path);
    /// bytes must outlive this object.
    explicit Reader(std::span<const std::uint8_t> bytes);
    ~Reader() override;

    const Architecture& architecture() const override { return architecture_; }
    /// What it returns is what counts: finish() names the weights that were given, should the file have changed in the
    /// meantime.
    LayerWeights next() override;
    Sha256 finish() override;
    /// After finish().
    const std::vector<std::uint8_t>& salt() const { return salt_; }

private:
    struct Stream;

    void open(std::uint64_t size);
    [[noreturn]] void fail(const std::string& what) const;

    std::string name_;  // stands before what is wrong
    ReadAt read_at_;
    Architecture architecture_;
    std::unique_ptr<Stream> stream_;
    std::vector<std::uint8_t> salt_;
    std::size_t next_ = 0;
    SecretDigest digest_;
};

}  // namespace flash::model
